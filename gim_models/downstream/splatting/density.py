"""More gaussians where detail is missing, fewer where they show nothing (after Kerbl et al. 2023, section 5.2).

Kept simple: a round takes the share of gaussians that the loss pulled at most since the last round, so no threshold
depends on resolution or loss; large ones are split in two, small ones get a twin. Then gaussians that are nearly
transparent are taken away. Opacities are never reset, which short trainings would not recover from.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gim_models.downstream.splatting.gaussians import Gaussians, join, rotations

_SHRINK = 1.6  # halves of a split gaussian are so many times thinner


@dataclass(frozen=True)
class DensityRule:
    """When and how the number of gaussians changes.

    Attributes:
        every: steps between two rounds.
        until: share of the training after which the number stays.
        share: of the gaussians that grow in a round.
        most: gaussians that are never exceeded.
        large: standard deviation, as a share of the extent, above which a gaussian is split and not doubled.
        faintest: opacity below which a gaussian is taken away.
    """

    every: int = 100
    until: float = 0.6
    share: float = 0.15
    most: int = 6000
    large: float = 0.01
    faintest: float = 0.005

    def due(self, step: int, steps: int) -> bool:
        """Whether a round follows after ``step`` (1, 2, ...) of ``steps``."""
        return step % self.every == 0 and step <= self.until * steps


@dataclass(frozen=True)
class Round:
    """What a round did.

    Attributes:
        gaussians: those after it.
        kept: (K,) rows of the former gaussians that are the first K of the new ones; the others are new.
    """

    gaussians: Gaussians
    kept: Tensor


def next_generation(gaussians: Gaussians, pull: Tensor, rule: DensityRule, extent: float, seed: int) -> Round:
    """One round.

    Args:
        gaussians: N of them.
        pull: (N,) mean pull of the loss at their centres while they were drawn.
        rule: how.
        extent: of the scene.
        seed: where the halves of split gaussians go.
    """
    alive = gaussians.opacities >= rule.faintest
    room = max(0, rule.most - int(alive.sum()))
    count = min(room, round(rule.share * int(alive.sum())))
    strongest = torch.topk(torch.where(alive, pull, -1.0), count).indices
    chosen = strongest[pull[strongest] > 0]
    large = gaussians.log_scales[chosen].exp().amax(dim=1) > rule.large * extent
    halves = [_half(gaussians.select(chosen[large]), seed, side) for side in (0, 1)]
    twins = gaussians.select(chosen[~large])
    stay = alive.clone()
    stay[chosen[large]] = False  # both halves replace it
    kept = torch.nonzero(stay).flatten()
    return Round(join(join(gaussians.select(kept), twins), join(*halves)), kept)


def _half(parents: Gaussians, seed: int, side: int) -> Gaussians:
    """A thinner gaussian at a random place within each parent."""
    generator = torch.Generator().manual_seed(2 * seed + side)
    draw = torch.randn(parents.means.shape, generator=generator).to(parents.means.device)
    offset = rotations(parents.quaternions) @ (draw * parents.log_scales.exp())[..., None]
    values = parents.tensors() | {
        "means": parents.means + offset[..., 0],
        "log_scales": parents.log_scales - torch.log(torch.tensor(_SHRINK)),
    }
    return Gaussians(**values)
