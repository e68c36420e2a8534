"""Balanced sampling: matches where the network is certain, but evenly over the images (DKM, section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor

CERTAIN = 0.05  # above this a match is as good as any
_SPREAD = 0.1  # of the density estimate, in normalised coordinates
_CROWD = 10.0  # fewer neighbours than this make an outlier
_UNLIKELY = 1e-7
_EXPANSION = 4
_ROWS = 128  # of the kernel matrix at a time, which then stay in the processor's cache
_FAR = -40.0  # exponents below count as this: e^-90 is no normal float32, and thirty times as slow on a CPU


def balanced_sample(matches: Tensor, certainty: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Indices of at most ``count`` matches, none of them twice, none of certainty 0.

    Four times as many are drawn where ``certainty`` is above ``CERTAIN``, then thinned by their density.

    Args:
        matches: (N, 4) normalised coordinates in both images.
        certainty: (N,) in [0, 1].
        count: how many.
        generator: the same one gives the same sample.
    """
    chances = torch.where(certainty > CERTAIN, torch.ones_like(certainty), certainty)
    drawn = _draw(chances, _EXPANSION * count, generator)
    if len(drawn) <= 1:
        return drawn
    around = density(matches[drawn])
    rarity = torch.where(around < _CROWD, torch.full_like(around, _UNLIKELY), 1 / (around + 1))
    return drawn[_draw(rarity, count, generator)]


def _draw(chances: Tensor, count: int, generator: torch.Generator) -> Tensor:
    possible = (chances > 0).nonzero()[:, 0]
    if not len(possible):
        return possible
    order = torch.multinomial(chances[possible].cpu(), min(count, len(possible)), generator=generator)
    return possible[order.to(possible.device)]


def density(matches: Tensor) -> Tensor:
    """(N,) Gaussian kernel sums over (N, 4) matches, each its own neighbour of weight 1."""
    scaled = matches / _SPREAD
    half = scaled.square().sum(1, keepdim=True) / -2
    one = torch.ones_like(half)
    left, right = torch.cat([scaled, half, one], 1), torch.cat([scaled, one, half], 1).T
    return torch.cat([(rows @ right).clamp_(min=_FAR).exp_().sum(1) for rows in torch.split(left, _ROWS)])
