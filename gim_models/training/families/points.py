"""Maps read at points."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def normalised(points: Tensor, size: tuple[int, int]) -> Tensor:
    """(..., 2) pixels of an image (height, width) -> [-1, 1] from edge to edge (``dense.grid``)."""
    return (2 * points + 1) / points.new_tensor([size[1], size[0]]) - 1


def at(maps: Tensor, points: Tensor) -> Tensor:
    """Maps (B, C, h, w) read bilinearly at normalised points (B, N, 2): (B, N, C); beyond the last cells, the last."""
    found = F.grid_sample(maps, points[:, :, None], mode="bilinear", padding_mode="border", align_corners=False)
    return torch.transpose(found[..., 0], 1, 2)
