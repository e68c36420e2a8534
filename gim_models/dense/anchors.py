"""Anchors: a square grid of places in image 1, and how much speaks for each of them (RoMa, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gim_models.dense.grid import centres


def likeness(features0: Tensor, features1: Tensor, side: int, strength: float) -> Tensor:
    """What features say without any training: their cosines with those at the anchors.

    Frozen descriptors can be compared as they are, so a network over them need not learn from nothing where things are
    (TinyRoMa starts so).

    Args:
        features0, features1: (B, C, h, w) and (B, C, h', w').
        side: anchors along either side of image 1.
        strength: logits per unit of cosine.

    Returns:
        Logits (B, side², h, w).
    """
    there = F.interpolate(features1, (side, side), mode="bilinear", align_corners=False)
    cosines = torch.einsum("bchw,bcn->bnhw", F.normalize(features0, dim=1), F.normalize(there, dim=1).flatten(2))
    return strength * cosines


def anchors_to_flow(logits: Tensor) -> Tensor:
    """The flow (B, 2, h, w) that anchor logits (B, n², h, w) mean: that of the best anchor and its four neighbours.

    Neighbours are counted along the flat index, as in RoMa: the one left of a row's first is the last of the row above.
    """
    count = logits.shape[1]
    side = round(count**0.5)
    anchors = centres((side, side), logits.device).flatten(1)
    probability = logits.softmax(1)
    best = probability.argmax(1)
    index = torch.stack([best + step for step in (-1, 0, 1, -side, side)], 1).clamp(0, count - 1)
    weight = probability.gather(1, index)
    flow = torch.stack([(weight * axis[index]).sum(1) for axis in anchors], 1)
    return (flow / weight.sum(1, keepdim=True)).detach()
