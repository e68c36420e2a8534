"""LoFTR: labels become pairs of coarse cells, and places inside the windows around them (GIM.md 3.3).

The positive of a cell is the cell its best label ends in. GIM lets each label compete with every cell of the grid, the
neighbours among which it lies included; and it teaches no cell that it has no match. Here cells compete with cells, and
one that is known to have no match pays for what it gives away. Unknown cells cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from pydantic import BaseModel
from torch import Tensor
from torch.nn import functional as F

from gim_data.types import Image
from gim_models.seeding import seeded
from gim_models.semidense.backbone import XFeatPyramid
from gim_models.semidense.loftr import COARSE, Cells, Grids, LoFTR, Refined, expectation, seeded_loftr, windows
from gim_models.semidense.matcher import LoftrConfig, LoftrMatcher
from gim_models.semidense.shape import LoftrShape, demo_loftr
from gim_models.training.augment import Views
from gim_models.training.config import Student, TrainConfig
from gim_models.training.families.family import Family, Loss
from gim_models.training.families.judging import judged, sheet
from gim_models.training.families.known import Known, what_is_known
from gim_models.training.sample import Batch

_FOCUS = 2.0  # focal exponent: what is nearly learned hardly counts any more
_BALANCE = 0.25  # weight of the coarse loss against the fine one, as published
_REFINED = 512  # matches of a pair whose windows are refined; more teach little and cost memory
_CERTAIN = 1 - 1e-6
_SHARPNESS = 100.0  # similarity that equal descriptors start with; neighbouring cells have nearly equal ones


class CoarseTargets(NamedTuple):
    """What is known of the coarse cells of one pair.

    Attributes:
        index0, index1: (M,) cells that match, every cell at most once.
        offset0, offset1: (M, 2) pixels from the cells to the two ends of the match.
        alone0, alone1: (L,), (S,) bool, cells known to have no match.
    """

    index0: Tensor
    index1: Tensor
    offset0: Tensor
    offset1: Tensor
    alone0: Tensor
    alone1: Tensor


def cell_centres(size: torch.Size, device: torch.device) -> Tensor:
    """(L, 2) pixels of an image (height, width) that coarse cells sit on, row by row."""
    y, x = torch.meshgrid(*(torch.arange(0, side, COARSE, device=device) for side in size), indexing="ij")
    return torch.stack([x, y], -1).view(-1, 2).float()


def coarse_targets(
    forth: Known, back: Known, grid: tuple[int, int], allowed0: Tensor, allowed1: Tensor
) -> CoarseTargets:
    """Cells that match and cells that do not.

    Of several matches in one cell, of either image, the one nearest to both cells' centres is kept.

    Args:
        forth: what is known of view 0.
        back: the same of view 1; its matches are those of ``forth``, only what is lost is read.
        grid: rows and columns of cells, of both views.
        allowed0, allowed1: (L,), (S,) bool, cells that may match at all.
    """
    start, end = forth.start[forth.seen], forth.end[forth.seen]
    index0, inside0 = _cells(start, grid, allowed0)
    index1, inside1 = _cells(end, grid, allowed1)
    offset0, offset1 = start - _on(index0, grid), end - _on(index1, grid)
    badness = offset0.square().sum(1) + offset1.square().sum(1)
    order = badness.masked_fill(~(inside0 & inside1), torch.inf).argsort(stable=True)
    order = order[: int((inside0 & inside1).sum())]
    for index in (index0, index1):
        order = order[_first(index[order])]
    alone0 = _alone(forth, index0[inside0], grid, allowed0)
    alone1 = _alone(back, index1[inside1], grid, allowed1)
    return CoarseTargets(index0[order], index1[order], offset0[order], offset1[order], alone0, alone1)


def _cells(points: Tensor, grid: tuple[int, int], allowed: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest cell of every point, and whether there is one that may match."""
    cell = (points / COARSE).round().long()
    limits = cell.new_tensor([grid[1], grid[0]])
    inside = ((cell >= 0) & (cell < limits)).all(1)
    cell = cell.clamp(min=0).minimum(limits - 1)
    index = cell[:, 1] * grid[1] + cell[:, 0]
    return index, inside & allowed[index]


def _on(index: Tensor, grid: tuple[int, int]) -> Tensor:
    return torch.stack([index % grid[1], index // grid[1]], -1) * COARSE


def _first(values: Tensor) -> Tensor:
    """Positions of the first occurrence of every value, in order."""
    kinds, kind = torch.unique(values, return_inverse=True)
    places = torch.arange(len(values), device=values.device)
    first = places.new_full((len(kinds),), len(values)).scatter_reduce(0, kind, places, "amin")
    return first.sort().values


def _alone(known: Known, matched: Tensor, grid: tuple[int, int], allowed: Tensor) -> Tensor:
    """Cells in which something is lost and nothing matches."""
    index, inside = _cells(known.start, grid, allowed)
    alone = torch.zeros_like(allowed)
    alone[index[inside & known.lost]] = True
    alone[matched] = False
    return alone


def coarse_loss(similarity: Tensor, targets: CoarseTargets) -> tuple[Tensor, Tensor]:
    """Focal likelihood of what matches, and of what does not.

    Args:
        similarity: (L, S) logits of one pair; hugely negative where matching is not allowed.
        targets: what is known.
    """
    rows, columns = similarity.logsumexp(1), similarity.logsumexp(0)
    index0, index1 = targets.index0, targets.index1
    log_confidence = 2 * similarity[index0, index1] - rows[index0] - columns[index1]
    zero = similarity.sum() * 0
    positive = focal(log_confidence).mean() if len(index0) else zero
    given = (2 * similarity[targets.alone0] - rows[targets.alone0, None] - columns).exp().sum(1)
    taken = (2 * similarity[:, targets.alone1] - rows[:, None] - columns[targets.alone1]).exp().sum(0)
    astray = torch.cat([given, taken]).clamp(max=_CERTAIN)
    negative = focal(torch.log1p(-astray)).mean() if len(astray) else zero
    return positive, negative


def focal(log_probability: Tensor) -> Tensor:
    """Negative log-likelihood, less for what is nearly certain (Lin et al., ICCV 2017)."""
    return -((1 - log_probability.exp()) ** _FOCUS) * log_probability


def refined_at(network: LoFTR, grids0: Grids, grids1: Grids, cells: Cells, offset0: Tensor) -> Refined:
    """As ``LoFTR.refine``, for points ``offset0`` (M, 2) pixels beside the cells of image 0."""
    side, width = network.shape.window, grids0.coarse.shape[-1]
    window0, window1 = (
        windows(grids.fine, cells.batch, index, width, side)
        for grids, index in ((grids0, cells.index0), (grids1, cells.index1))
    )
    window0, window1 = network.loftr_fine(window0, window1)
    image = window0.transpose(1, 2).unflatten(2, (side, side))
    where = (offset0 / network.reach())[:, None, None]
    query = F.grid_sample(image, where, mode="bilinear", padding_mode="border", align_corners=True)
    return expectation(query[:, :, 0, 0], window1)


def fine_loss(refined: Refined, target: Tensor) -> Tensor:
    """Squared distance (M, 2) to the truth, weighted towards sharp heat maps (LoFTR, section 3.5); one pair.

    Args:
        refined: where the network sees the matches.
        target: (M, 2) in [-1, 1].
    """
    sure = (1 / refined.deviation).detach()
    weight = sure / sure.mean().clamp(min=1e-10)
    return ((refined.offset - target).square().sum(1) * weight).mean()


class LoftrFamily:
    """A ``Family`` of LoFTRs."""

    def start(self, student: Student, seed: int) -> LoFTR:
        """Random weights; at the demo size a matcher by nearest XFeat descriptors."""
        if student.size == "paper":
            return seeded_loftr(LoftrShape(), seed)
        return nearest_neighbour(demo_loftr(), seed)

    def to(self, device: torch.device) -> None:
        """Nothing stands beside the network."""

    def loss(self, network: LoFTR, batch: Batch, views: Views, config: TrainConfig, generator: torch.Generator) -> Loss:
        """Coarse and fine loss, each a mean over the pairs."""
        grids0, grids1, similarity = _forward(network, views, config)
        size = (grids0.coarse.shape[-2], grids0.coarse.shape[-1])
        places = cell_centres(views.images.shape[-2:], views.images.device)
        pairs, cells = len(batch), views.allowed[:, 0, ::COARSE, ::COARSE].flatten(1)
        parts = []
        for b in range(pairs):
            forth, back = (what_is_known(batch, views, b, places, forth=way) for way in (True, False))
            targets = coarse_targets(forth, back, size, cells[b], cells[pairs + b])
            coarse = coarse_loss(similarity[b], targets)
            fine, error = _fine(network, grids0, grids1, targets, b, generator)
            parts.append(torch.stack([*coarse, fine, error, fine.new_tensor(len(targets.index0))]))
        positive, negative, fine, error, matches = torch.stack(parts).mean(0)
        total = _BALANCE * (positive + negative) / 2 + fine
        named = {"positive": positive, "negative": negative, "fine": fine, "fine_px": error, "matches": matches}
        return Loss(total, {name: value.item() for name, value in named.items()})

    def validate(self, network: LoFTR, batches: Sequence[Batch], config: TrainConfig) -> dict[str, float]:
        """See ``judging.judged``."""
        return judged(self._matcher(network, config), batches, config)

    def sheet(self, network: LoFTR, batches: Sequence[Batch], config: TrainConfig) -> Image:
        """See ``judging.sheet``."""
        return sheet(self._matcher(network, config), batches, config)

    def describe(self, network: LoFTR, config: TrainConfig) -> BaseModel:
        """Shape and thresholds."""
        return LoftrConfig(shape=network.shape)

    def _matcher(self, network: LoFTR, config: TrainConfig) -> LoftrMatcher:
        return LoftrMatcher("student", network, LoftrConfig(shape=network.shape), device=config.device)


def _forward(network: LoFTR, views: Views, config: TrainConfig) -> tuple[Grids, Grids, Tensor]:
    """Grids of both views, and similarities (B, L, S) that are hugely negative where matching is not allowed."""
    dtype = getattr(torch, config.precision)
    pairs = len(views.images) // 2
    with torch.autocast(views.images.device.type, dtype, enabled=dtype != torch.float32):
        grids = network.grids(views.images, views.allowed[:, 0])
        halves = [Grids(*(part[side] for part in grids)) for side in (slice(pairs), slice(pairs, None))]  # type: ignore[index]
        tokens = network.tokens(*halves)
    halves = [half._replace(coarse=half.coarse.float(), fine=half.fine.float()) for half in halves]
    similarity = network.similarity(*(part.float() for part in tokens))
    shown = [half.valid.flatten(1) for half in halves]  # type: ignore[union-attr]
    return halves[0], halves[1], similarity.masked_fill(~(shown[0][:, :, None] & shown[1][:, None]), -1e9)


def _fine(
    network: LoFTR, grids0: Grids, grids1: Grids, targets: CoarseTargets, b: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The fine loss of pair ``b``, and the mean error in pixels."""
    reach = network.reach()
    near = (targets.offset0.abs().amax(1) <= reach) & (targets.offset1.abs().amax(1) <= reach)
    chosen = near.nonzero()[:, 0]
    chosen = chosen[torch.randperm(len(chosen), generator=generator)[:_REFINED].to(chosen.device)]
    if not len(chosen):
        zero = grids0.fine.sum() * 0
        return zero, zero.detach()
    index0, index1 = targets.index0[chosen], targets.index1[chosen]
    cells = Cells(torch.full_like(index0, b), index0, index1, torch.ones_like(index0, dtype=torch.float32))
    refined = refined_at(network, grids0, grids1, cells, targets.offset0[chosen])
    target = targets.offset1[chosen] / reach
    error = (refined.offset - target).detach().norm(dim=1).mean() * reach
    return fine_loss(refined, target), error


@torch.no_grad()
def nearest_neighbour(shape: LoftrShape, seed: int) -> LoFTR:
    """A LoFTR over XFeat that starts by comparing descriptors as they are; only the windows have all to learn.

    Descriptors enter through an isometry, and the layers between add nothing yet (their last norm is 0).
    """
    network = seeded_loftr(shape, seed)
    assert isinstance(network.backbone, XFeatPyramid)
    flat = network.backbone.coarse.weight.flatten(1)
    gain = (_SHARPNESS * shape.coarse_dim * shape.temperature) ** 0.5
    seeded(lambda: torch.nn.init.orthogonal_(flat, gain=gain), seed)
    for name, parameter in network.loftr_coarse.named_parameters():
        if ".norm2." in name:
            torch.nn.init.zeros_(parameter)
    return network


def loftr() -> Family[Any]:
    """LoFTR."""
    return LoftrFamily()
