"""DKM and RoMa: flow at every scale, certainty where it is known, RoMa's anchors (GIM.md 3.3, its gaps filled).

All of it is asked at points: labels, or random pixels of posed pairs, the same for every scale. GIM leaves the
certainty of videos untrained; here labels say where it should be high, and labels that leave the view and pieces of
other scenes say where it should be low.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gim_data.types import Image
from gim_models.dense.dkm import DKM, DkmShape, demo_dkm, seeded_dkm
from gim_models.dense.matcher import DenseConfig, DenseMatcher, DkmConfig, RomaConfig
from gim_models.dense.roma import RoMa
from gim_models.dense.warp import COARSEST, Pyramid, Warp
from gim_models.training.augment import Views
from gim_models.training.config import Student, TrainConfig
from gim_models.training.families.anchors import anchor_loss
from gim_models.training.families.family import Family, Loss
from gim_models.training.families.frozen import start_roma
from gim_models.training.families.judging import judged, sheet
from gim_models.training.families.known import what_is_known
from gim_models.training.families.points import at, normalised
from gim_models.training.loss import mean_where
from gim_models.training.sample import Batch

_POINTS = 4096  # per pair
_LOCAL = 4.0  # cells that the scale before may be off for a fine scale to learn there: a refiner sees no farther
_FINE = 8  # scales up to this one are gated so
_RIGHT = 4.0  # pixels: no certainty is asked to tell finer errors
_BEND = 1e-4  # where the robust loss turns from square to its power, times the scale, in half image sides
_JUDGED = 1000  # matches per pair in validation; thinning them costs the square of it
_MOST, _PIXELS = 5000, 80  # matches of a pair: GIM's number, and at small sizes one for so many pixels
_SEEN = 640  # pixels along the long side up to which images are seen at twice the size of training
_CYCLE = 2.0  # pixels that a match of a trained network may miss its start by
_CERTAINTY = 0.01  # weight against the flow, as published


class Queries(NamedTuple):
    """Points of the first view of B pairs, padded to one number.

    Attributes:
        start: (B, N, 2) pixels.
        end: (B, N, 2) where they are in the second view, where ``seen``.
        seen, lost: (B, N) bool; neither: unknown.
    """

    start: Tensor
    end: Tensor
    seen: Tensor
    lost: Tensor


def queries(batch: Batch, views: Views, swapped: Tensor, count: int, generator: torch.Generator) -> Queries:
    """At most ``count`` points per pair, drawn evenly from all of the view, or from all labels.

    Args:
        batch, views: the pairs.
        swapped: (B,) bool, pairs that are asked from view 1 to view 0.
        count: of points.
        generator: a CPU generator.
    """
    height, width = views.images.shape[-2:]
    found = []
    for b in range(len(batch)):
        places = torch.rand(count, 2, generator=generator) * torch.tensor([width, height]) - 0.5
        known = what_is_known(batch, views, b, places.to(views.images.device), forth=not bool(swapped[b]))
        known = known._replace(
            end=torch.where(known.seen[:, None], known.end, known.start)
        )  # a far end may be infinite
        chosen = torch.randperm(len(known.start), generator=generator)[:count].to(known.start.device)
        short = count - len(chosen)
        found.append([F.pad(v[chosen], (0, 0) * (v.dim() - 1) + (0, short)) for v in known])
    return Queries(*(torch.stack(values) for values in zip(*found, strict=True)))


def flow_loss(warps: Mapping[int, Warp], asked: Queries, size: tuple[int, int], power: float) -> dict[str, Tensor]:
    """Robust distance to the truth over all scales, and the likelihood of the certainties; each (B,).

    Args:
        warps: scale -> what the network says, coarse to fine.
        asked: what is known.
        size: height and width of the views.
        power: 1 is an Euclidean distance; below 1, far misses pull less.

    Returns:
        ``flow`` and ``certainty``, sums over the scales; ``pixels``, the mean error of the last one.
    """
    start, end = normalised(asked.start, size), normalised(asked.end, size)
    half = start.new_tensor([size[1], size[0]]) / 2
    flow = certainty = start.new_zeros(len(start))
    before: Tensor | None = None
    pixels = flow
    for scale, warp in sorted(warps.items(), reverse=True):
        error = ((at(warp.flow, start) - end) * half).norm(dim=2)
        near = asked.seen
        if scale <= _FINE and before is not None:
            near = near & (before < _LOCAL * scale)
        flow = flow + mean_where(robust(error / half.prod().sqrt(), scale, power), near)
        before = error.detach()
        certainty = certainty + certainty_loss(at(warp.certainty, start)[..., 0], found_by(asked, before, scale))
        pixels = mean_where(before, asked.seen)
    return {"flow": flow, "certainty": certainty, "pixels": pixels}


def found_by(asked: Queries, error: Tensor, scale: int) -> Queries:
    """The same points, ``seen`` where the flow leads to the right cell, and ``lost`` also where it leads elsewhere.

    As published a certainty says whether a point is seen at all, and a network that does not yet know where becomes
    certain of wrong places. One that is always right learns the same from both.

    Args:
        asked: B pairs of N points.
        error: (B, N) pixels of the flow.
        scale: pixels per cell.
    """
    right = error < max(scale, _RIGHT)
    return asked._replace(seen=asked.seen & right, lost=asked.lost | (asked.seen & ~right))


def robust(error: Tensor, scale: int, power: float) -> Tensor:
    """A square near 0 that turns into a power, farther out at coarser scales (RoMa's generalised Charbonnier)."""
    bend = _BEND * scale
    cost: Tensor = bend**power * ((error / bend).square() + 1) ** (power / 2)
    return cost


def certainty_loss(logits: Tensor, asked: Queries) -> Tensor:
    """(B,) cross-entropy of (B, N) logits, half for what is seen and half for what is lost."""
    seen = mean_where(F.softplus(-logits), asked.seen)
    return (seen + mean_where(F.softplus(logits), asked.lost)) / 2


class DenseFamily:
    """A ``Family`` of dense networks.

    Args:
        start: the network before training, from (student, seed).
        config: what goes into ``config.json``.
        losses: named losses (B,) of the network from (network, pyramid0, pyramid1, asked, size); all but ``pixels``
            and ``certainty`` are added up as they are.
    """

    def __init__(
        self,
        start: Callable[[Student, int], Any],
        config: Callable[..., DenseConfig],
        losses: Callable[[Any, Pyramid, Pyramid, Queries, tuple[int, int]], dict[str, Tensor]],
    ) -> None:
        self._start, self._config, self._losses = start, config, losses

    def start(self, student: Student, seed: int) -> Any:
        """Random weights over frozen features."""
        return self._start(student, seed)

    def to(self, device: torch.device) -> None:
        """Nothing stands beside the network."""

    def loss(self, network: Any, batch: Batch, views: Views, config: TrainConfig, generator: torch.Generator) -> Loss:
        """Flow and certainty of every pair in one direction, which is drawn anew each time."""
        swapped = torch.rand(len(batch), generator=generator) < 0.5
        asked = queries(batch, views, swapped, _POINTS, generator)
        pyramids = _pyramids(network, views, swapped, config)
        size = (views.images.shape[-2], views.images.shape[-1])
        told = {name: value.mean() for name, value in self._losses(network, *pyramids, asked, size).items()}
        costs = [value for name, value in told.items() if name not in ("pixels", "certainty")]
        total = torch.stack(costs).sum() + _CERTAINTY * told["certainty"]
        matches = asked.seen.float().sum(1).mean().item()
        return Loss(total, {name: value.item() for name, value in told.items()} | {"matches": matches})

    def validate(self, network: Any, batches: Sequence[Batch], config: TrainConfig) -> dict[str, float]:
        """See ``judging.judged``."""
        return judged(self._matcher(network, config), batches, config)

    def sheet(self, network: Any, batches: Sequence[Batch], config: TrainConfig) -> Image:
        """See ``judging.sheet``."""
        return sheet(self._matcher(network, config), batches, config)

    def describe(self, network: Any, config: TrainConfig) -> DenseConfig:
        """Shape and size, and what its certainty is worth: what is likely wrong, or does not come back, is left out.

        It is convolutional, so images keep their shape, and one trained on small images sees more in larger ones.
        """
        width, height = config.image_size
        longest = max(width, height)
        return self._config(
            shape=network.shape,
            size=config.image_size,
            sharp_size=None,
            longest=max(longest, min(2 * longest, _SEEN)),
            samples=min(_MOST, max(1, width * height // _PIXELS)),
            floor=0.5,
            cycle=_CYCLE,
            attenuation=0.0,
        )

    def _matcher(self, network: Any, config: TrainConfig) -> DenseMatcher:
        described = self.describe(network, config).model_copy(update={"samples": _JUDGED, "longest": None})
        return DenseMatcher("student", network, described, device=config.device)


def _pyramids(network: Any, views: Views, swapped: Tensor, config: TrainConfig) -> tuple[Pyramid, Pyramid]:
    """Features of the view that is asked about, and of the other one."""
    dtype = getattr(torch, config.precision)
    with torch.autocast(views.images.device.type, dtype, enabled=dtype != torch.float32):
        found: Pyramid = network.pyramid(views.images, COARSEST)
    pairs = len(swapped)
    second = torch.arange(pairs) + torch.where(swapped, 0, pairs)
    first = torch.arange(pairs) + torch.where(swapped, pairs, 0)
    sides = [{scale: x[index.to(x.device)].float() for scale, x in found.items()} for index in (first, second)]
    return sides[0], sides[1]


def _dkm_losses(
    network: DKM, pyramid0: Pyramid, pyramid1: Pyramid, asked: Queries, size: tuple[int, int]
) -> dict[str, Tensor]:
    return flow_loss(network.decode(pyramid0, pyramid1), asked, size, 1.0)


def _roma_losses(
    network: RoMa, pyramid0: Pyramid, pyramid1: Pyramid, asked: Queries, size: tuple[int, int]
) -> dict[str, Tensor]:
    logits = network.anchors(pyramid0, pyramid1)
    losses = flow_loss(network.descend(logits, pyramid0, pyramid1), asked, size, 0.5)
    start = normalised(asked.start, size)
    doubt = certainty_loss(at(logits[:, -1:], start)[..., 0], asked)
    coarse = anchor_loss(logits[:, :-1], start, normalised(asked.end, size), asked.seen)
    return losses | {"anchors": coarse, "certainty": losses["certainty"] + doubt}


def _start_dkm(student: Student, seed: int) -> DKM:
    return seeded_dkm(DkmShape() if student.size == "paper" else demo_dkm(), seed)


def dkm() -> Family[Any]:
    """DKM: Euclidean distances."""
    return DenseFamily(_start_dkm, DkmConfig, _dkm_losses)


def roma() -> Family[Any]:
    """RoMa: classification of anchors first, then distances under a square root."""
    return DenseFamily(start_roma, RomaConfig, _roma_losses)
