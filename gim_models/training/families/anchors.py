"""RoMa's coarse loss: in which anchor of image 1 is a point of image 0?"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from gim_models.training.families.points import at
from gim_models.training.loss import mean_where

_POINTS = 1024  # of those asked for; each costs as many numbers as there are anchors


def anchor_loss(logits: Tensor, start: Tensor, end: Tensor, seen: Tensor) -> Tensor:
    """(B,) cross-entropy of the anchor that the truth is nearest to.

    Args:
        logits: (B, n², h, w) of the n x n anchors, row by row.
        start, end: (B, N, 2) normalised points and where they are, in random order.
        seen: (B, N) which of them are known.
    """
    start, end, seen = start[:, :_POINTS], end[:, :_POINTS], seen[:, :_POINTS]
    read = at(logits, start)
    cost = F.cross_entropy(
        read.flatten(0, 1), nearest_anchor(end, round(logits.shape[1] ** 0.5)).flatten(), reduction="none"
    )
    return mean_where(cost.view(seen.shape), seen)


def nearest_anchor(points: Tensor, side: int) -> Tensor:
    """Index (...) of the anchor nearest to normalised points (..., 2), of ``side`` x ``side``."""
    cell = ((points + 1) / 2 * side).floor().clamp(0, side - 1).long()
    return cell[..., 1] * side + cell[..., 0]
