"""Correlation of a feature with the window around where it is thought to be."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gim_models.dense.grid import sampled

_ALL_PAIRS = 16  # a product of whole maps does about this many dot products in the time of one gathered
_CHUNK = 1 << 19  # numbers gathered at a time: they stay in the cache


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
        index = _window(corner, features1.shape[-2:], radius)
    pairs = zip(queries, features1.detach(), index, strict=True)
    side = 2 * radius + 2
    products = torch.stack([_products(q, _with_zero_row(f), i) for q, f, i in pairs])
    products = products.reshape(count, height * width, side, side)
    x, y = fraction[:, :, None, None].unbind(-1)
    along = products[..., :-1] * (1 - x) + products[..., 1:] * x
    mixed: Tensor = along[:, :, :-1] * (1 - y) + along[:, :, 1:] * y
    return mixed.flatten(2).transpose(1, 2).reshape(count, -1, height, width)


def _split(flow: Tensor, size: torch.Size, radius: int) -> tuple[Tensor, Tensor]:
    """Whole cell (B, N, 2) and fraction (B, N, 2) of every target; far outside is cut to just outside."""
    extent = flow.new_tensor([size[1], size[0]])
    position = ((flow.flatten(2).transpose(1, 2) + 1) * extent - 1) / 2
    position = torch.minimum(position.clamp(min=-radius - 2.0), extent + radius + 1)
    corner = position.floor()
    return corner.long(), position - corner


def _window(corner: Tensor, size: torch.Size, radius: int) -> Tensor:
    """Cells (B, N, (2 r + 2)²) around ``corner``, row by row; those outside the map are the row behind the last."""
    steps = torch.arange(-radius, radius + 2, device=corner.device)
    x, y = corner[..., 0, None] + steps, corner[..., 1, None] + steps
    inside = ((y >= 0) & (y < size[0]))[..., None] & ((x >= 0) & (x < size[1]))[..., None, :]
    cells = y[..., None] * size[1] + x[..., None, :]
    return torch.where(inside, cells, size[0] * size[1]).flatten(2)


def _with_zero_row(features: Tensor) -> Tensor:
    """(H W + 1, C), the last row zero, for cells outside."""
    rows = features.flatten(1).transpose(0, 1)
    return torch.cat([rows, rows.new_zeros(1, rows.shape[1])])


def _products(queries: Tensor, keys: Tensor, index: Tensor) -> Tensor:
    """(N, K) dot products of queries (N, C) with the keys (M, C) at ``index`` (N, K)."""
    if len(keys) <= _ALL_PAIRS * index.shape[1]:
        return (queries @ keys.transpose(0, 1)).gather(1, index)
    found: Tensor = _GatheredProducts.apply(queries, keys, index)  # type: ignore[no-untyped-call]
    return found


class _GatheredProducts(torch.autograd.Function):
    """Gathers keys in pieces, and again for the gradient, so that the K-fold copy of the features never exists."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(keys, index)
        step = max(1, _CHUNK // (index.shape[1] * keys.shape[1]))
        pieces = zip(torch.split(queries, step), torch.split(index, step), strict=True)
        return torch.cat([torch.bmm(keys[cells], rows[:, :, None])[..., 0] for rows, cells in pieces])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        keys, index = ctx.saved_tensors
        step = max(1, _CHUNK // (index.shape[1] * keys.shape[1]))
        pieces = zip(torch.split(gradients[0], step), torch.split(index, step), strict=True)
        return torch.cat([torch.bmm(rows[:, None], keys[cells])[:, 0] for rows, cells in pieces]), None, None


def sampled_correlation(features0: Tensor, features1: Tensor, flow: Tensor, radius: int) -> Tensor:
    """The plain twin of ``local_correlation``: read the window, multiply, add."""
    height, width = features1.shape[-2:]
    found = []
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            shift = flow.new_tensor([2 * right / width, 2 * down / height])[:, None, None]
            found.append((features0 * sampled(features1, flow + shift)).sum(1))
    return torch.stack(found, 1).div(features0.shape[1] ** 0.5)
