"""Normalised coordinates: -1 and 1 are the outer edges of the outer pixels, so a resize does not move anything.

A pixel x of an image of width w, its centre at an integer, is (2 x + 1) / w - 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

Side = tuple[int, int]  # (height, width)


def centres(size: Side, device: torch.device) -> Tensor:
    """(2, h, w) x and y of the centre of every cell."""
    y, x = torch.meshgrid(*(torch.linspace(-1 + 1 / n, 1 - 1 / n, n, device=device) for n in size), indexing="ij")
    return torch.stack([x, y])


def resized(x: Tensor, size: Side) -> Tensor:
    """(B, C, h, w) at another size, bilinearly and without antialiasing, as DKM and RoMa were trained."""
    return F.interpolate(x, size, mode="bilinear", align_corners=False)


def sampled(x: Tensor, flow: Tensor) -> Tensor:
    """(B, C, h, w) read at normalised coordinates (B, 2, h', w'); zero outside."""
    return F.grid_sample(x, flow.permute(0, 2, 3, 1), mode="bilinear", align_corners=False)
