"""Splats to pixels: sorted alpha compositing in plain torch, on any device.

A splat covers a span of pixels in each row that it touches. The spans of all splats, listed pixel by pixel and front
to back within a pixel, are *pairs* of a splat and a pixel; compositing is one cumulative sum over the list. Nothing
is spent on pixels that a splat does not reach, so that a step with thousands of splats takes tenths of a second on one
core. The list is cut into bands of rows where it would grow past ``MOST_PAIRS``, and gradients of a band are
recomputed when they are needed: memory stays bounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gim_data.types import Size
from gim_models.downstream.splatting.projection import Splats

FAINTEST = 1 / 255
"""Alpha below which a splat is not drawn at a pixel: an 8-bit picture could not show it."""
DENSEST = 0.99
"""Largest alpha of one splat at one pixel, so that what lies behind still gets a gradient."""
MOST_PAIRS = 4_000_000
"""Pairs composited at once; each takes some 150 bytes until its gradient is known. One row is never cut."""


@dataclass(frozen=True)
class Pairs:
    """Which splats reach which pixels, sorted by pixel, front to back within a pixel.

    Attributes:
        splats: (M,) rows of the splats.
        pixels: (M,) of the band, row by row.
    """

    splats: Tensor
    pixels: Tensor


@dataclass(frozen=True)
class Band:
    """Rows of a picture of ``width`` pixels from ``top`` up to, not including, ``bottom``."""

    width: int
    top: int
    bottom: int

    @property
    def count(self) -> int:
        """Pixels."""
        return self.width * (self.bottom - self.top)


@dataclass(frozen=True)
class RowSpans:
    """Rows of pixels that splats reach: (S,) splat, (S,) y, and (S,) first and last x."""

    splats: Tensor
    y: Tensor
    first: Tensor
    last: Tensor

    @property
    def lengths(self) -> Tensor:
        """(S,) pixels, 0 or more."""
        return (self.last - self.first + 1).clamp_min(0)


def rasterize(splats: Splats, size: Size, background: Tensor, *, most_pairs: int = MOST_PAIRS) -> Tensor:
    """Draw splats.

    Args:
        splats: nearest first.
        size: (width, height) of the picture.
        background: (C,) colour behind everything.
        most_pairs: see ``MOST_PAIRS``.

    Returns:
        (height, width, C), differentiable in every number of the splats and in the background.
    """
    width, height = size
    spans = row_spans(splats, size)
    bands = [Band(width, top, bottom) for top, bottom in _cuts(spans, height, most_pairs)]
    if len(bands) == 1:
        drawn = [_composite(splats, background, pixel_pairs(spans, bands[0]), bands[0])]
    else:
        drawn = [
            checkpoint(_composite, splats, background, pixel_pairs(spans, band), band, use_reentrant=False)
            for band in bands
        ]
    return torch.cat(drawn).view(height, width, -1)


@torch.no_grad()
def row_spans(splats: Splats, size: Size) -> RowSpans:
    """Where each splat's alpha is ``FAINTEST`` or more: inside an ellipse, whose rows are found in closed form."""
    width, height = size
    (x, y), (a, b, c) = splats.means.unbind(1), splats.conics.unbind(1)
    # alpha = opacity * exp(-power / 2) >= FAINTEST inside power <= reach
    reach = 2 * torch.log(splats.opacities / FAINTEST)
    tall = torch.sqrt(reach.clamp_min(0) * a / (a * c - b * b))
    top = torch.ceil(y - tall).clamp(0, height).long()
    bottom = torch.floor(y + tall).clamp(-1, height - 1).long()
    rows = torch.where(reach > 0, (bottom - top + 1).clamp_min(0), 0)
    of, within = _expand(rows)
    line = top[of] + within
    away = line - y[of]
    middle = x[of] - b[of] * away / a[of]
    square = (b[of] * away) ** 2 - a[of] * (c[of] * away**2 - reach[of])
    half = torch.sqrt(square.clamp_min(0)) / a[of]
    first = torch.ceil(middle - half).clamp(0, width).long()
    last = torch.floor(middle + half).clamp(-1, width - 1).long()
    return RowSpans(of, line, first, last)


@torch.no_grad()
def pixel_pairs(spans: RowSpans, band: Band) -> Pairs:
    """The pairs of a band."""
    chosen = torch.nonzero((spans.y >= band.top) & (spans.y < band.bottom)).flatten()
    of, within = _expand(spans.lengths[chosen])
    span = chosen[of]
    pixels = (spans.y[span] - band.top) * band.width + spans.first[span] + within
    # Spans come nearest splat first, and a stable sort by pixel keeps that order; 32 bits sort faster than 64.
    pixels, order = torch.sort(pixels.to(torch.int32), stable=True)
    return Pairs(spans.splats[span[order]], pixels.long())


def _composite(splats: Splats, background: Tensor, pairs: Pairs, band: Band) -> Tensor:
    """(pixels of the band, C): over all splats, the sum of colour * alpha * what is left by those before."""
    alpha = _alphas(splats, pairs, band)
    weights, left = _weights(alpha, pairs.pixels, band.count)
    colours = weights[:, None] * splats.colours.index_select(0, pairs.splats)
    return (left[:, None] * background).index_add(0, pairs.pixels, colours)


def _alphas(splats: Splats, pairs: Pairs, band: Band) -> Tensor:
    """(M,) alpha of each pair."""
    of = pairs.splats
    x, y = (values.index_select(0, of) for values in splats.means.unbind(1))
    a, b, c = (values.index_select(0, of) for values in splats.conics.unbind(1))
    dx = (pairs.pixels % band.width).to(x.dtype) - x
    dy = (torch.div(pairs.pixels, band.width, rounding_mode="floor") + band.top).to(y.dtype) - y
    power = a * dx * dx + 2 * b * dx * dy + c * dy * dy
    return (splats.opacities.index_select(0, of) * torch.exp(-0.5 * power)).clamp_max(DENSEST)


def _weights(alpha: Tensor, pixels: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """(M,) weight of each pair, and (count,) share of each pixel that is left to the background.

    What is left before a splat is the product of 1 - alpha over those before it, here the exponential of a running sum
    over the whole list less its value where the pixel begins. The sum runs in double precision: over millions of pairs
    single precision would lose the small differences.
    """
    dimmed = torch.log1p(-alpha.double())
    total = torch.cumsum(dimmed, 0)
    lengths = torch.bincount(pixels, minlength=count)
    ends = torch.cumsum(lengths, 0)
    sums = torch.cat([total.new_zeros(1), total])
    before = sums[:-1] - sums[ends - lengths][pixels]
    weights = alpha * torch.exp(before).to(alpha.dtype)
    left = torch.exp(sums[ends] - sums[ends - lengths]).to(alpha.dtype)
    return weights, left


def _cuts(spans: RowSpans, height: int, most_pairs: int) -> list[tuple[int, int]]:
    """Rows cut into runs of at most ``most_pairs`` pairs: (first, one past the last) of each."""
    sums = torch.bincount(spans.y, spans.lengths.double(), minlength=height).cumsum(0).tolist()
    if sums[-1] <= most_pairs:
        return [(0, height)]
    bands, top, done = [], 0, 0.0
    for row in range(1, height):
        if sums[row] - done > most_pairs:
            bands.append((top, row))
            top, done = row, sums[row - 1]
    return [*bands, (top, height)]


def _expand(counts: Tensor) -> tuple[Tensor, Tensor]:
    """For (N,) counts: the row, ``counts[row]`` times over, and 0, 1, 2... within each."""
    rows = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    starts = torch.cumsum(counts, 0) - counts
    return rows, torch.arange(len(rows), device=counts.device) - starts[rows]
