"""Correlation of a feature with the window around where it is thought to be."""

from __future__ import annotations

import torch
from torch import Tensor

from gim_models.dense.grid import sampled


def local_correlation(features0: Tensor, features1: Tensor, flow: Tensor, radius: int) -> Tensor:
    """Dot products (B, (2 r + 1)², h, w) of image 0's features with image 1's around ``flow``, divided by sqrt(C).

    The samples of a window are whole cells apart, so they share one fractional part, and a dot product is linear: it is
    enough to correlate with the (2 r + 2)² cells around and to mix the results, instead of mixing features of C
    channels (2 r + 1)² times. ``sampled_correlation`` is the same said plainly.

    Args:
        features0: (B, C, h, w); it alone receives a gradient, as in RoMa.
        features1: (B, C, h', w'); zero outside.
        flow: (B, 2, h, w) normalised.
        radius: of the window, in cells of image 1.
    """
    count, channels, height, width = features0.shape
    queries = features0.flatten(2).transpose(1, 2) / channels**0.5
    with torch.no_grad():
        corner, fraction = _split(flow, features1.shape[-2:], radius)
    side = 2 * radius + 2
    products = queries.new_empty(side, side, count, height * width)
    for pair in range(count):
        keys = _with_zero_row(features1[pair].detach())
        for row in range(side):
            for column in range(side):
                index = _index(corner[pair], row - radius, column - radius, features1.shape[-2:])
                products[row, column, pair] = (queries[pair] * keys[index]).sum(-1)
    x, y = fraction.unbind(-1)
    along = products[:, :-1] * (1 - x) + products[:, 1:] * x
    mixed: Tensor = along[:-1] * (1 - y) + along[1:] * y
    return mixed.permute(2, 0, 1, 3).reshape(count, -1, height, width)


def _split(flow: Tensor, size: torch.Size, radius: int) -> tuple[Tensor, Tensor]:
    """Whole cell (B, N, 2) and fraction (B, N, 2) of every target; far outside is cut to just outside."""
    extent = flow.new_tensor([size[1], size[0]])
    position = ((flow.flatten(2).transpose(1, 2) + 1) * extent - 1) / 2
    position = torch.minimum(position.clamp(min=-radius - 2.0), extent + radius + 1)
    corner = position.floor()
    return corner.long(), position - corner


def _with_zero_row(features: Tensor) -> Tensor:
    """(H W + 1, C), the last row zero, for cells outside."""
    rows = features.flatten(1).transpose(0, 1)
    return torch.cat([rows, rows.new_zeros(1, rows.shape[1])])


def _index(corner: Tensor, down: int, right: int, size: torch.Size) -> Tensor:
    x, y = corner[:, 0] + right, corner[:, 1] + down
    inside = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
    return torch.where(inside, y * size[1] + x, size[0] * size[1])


def sampled_correlation(features0: Tensor, features1: Tensor, flow: Tensor, radius: int) -> Tensor:
    """The plain twin of ``local_correlation``: read the window, multiply, add."""
    height, width = features1.shape[-2:]
    found = []
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            shift = flow.new_tensor([2 * right / width, 2 * down / height])[:, None, None]
            found.append((features0 * sampled(features1, flow + shift)).sum(1))
    return torch.stack(found, 1).div(features0.shape[1] ** 0.5)
