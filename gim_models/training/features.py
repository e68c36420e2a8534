"""Frozen features of an augmented batch, a fixed number per image, and what is known about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gim_models.sparse.detectors import TrainableDetector
from gim_models.sparse.lightglue import Side
from gim_models.sparse.xfeat import XFeatExtractor
from gim_models.training.augment import Views, move_points
from gim_models.training.config import TrainConfig
from gim_models.training.occlusion import within
from gim_models.training.sample import Batch
from gim_models.training.supervision import (
    Camera,
    Labels,
    Targets,
    Transfer,
    exact_targets,
    label_targets,
    near,
    transfer,
    without_strangers,
)


class Supervised(NamedTuple):
    """A batch as the loss sees it: keypoints of both images and their targets."""

    side0: Side
    side1: Side
    targets: Targets


@torch.no_grad()
def supervise(
    batch: Batch, views: Views, extractor: TrainableDetector, config: TrainConfig, generator: torch.Generator
) -> Supervised:
    """Detect keypoints, put label points among them, and tell matches from non-matches.

    Args:
        batch: B pairs.
        views: the same after augmentation.
        extractor: the frozen detector.
        config: ``keypoints``, ``snap_px``, ``inserted`` (not over SIFT, which does not describe any point),
            ``positive_px``, ``negative_px``.
        generator: chooses which labels are inserted where there are too many: a random subset, never a strip.
    """
    pairs = len(batch)
    maps: Any = extractor.dense(views.images)
    points, _, descriptors = extractor.detect(maps, config.keypoints, views.allowed)
    labels = [_labels(batch, views, b) for b in range(pairs)]
    if config.inserted > 0 and isinstance(extractor, XFeatExtractor):
        _insert_all(points, labels, config, generator)
        descriptors = extractor.describe(maps, points)
    sides = _sides(points, descriptors, views)
    targets = [_targets(batch, views, b, points, labels[b], config) for b in range(pairs)]
    return Supervised(*sides, Targets(*map(torch.cat, zip(*targets, strict=True))))


def _insert_all(points: Tensor, labels: Sequence[Labels], config: TrainConfig, generator: torch.Generator) -> None:
    for b, known in enumerate(labels):
        labels0, labels1 = known.whole()
        if len(labels0):
            new0, new1 = insert_labels(points[b], points[len(labels) + b], labels0, labels1, config, generator)
            points[b], points[len(labels) + b] = new0, new1


def insert_labels(
    points0: Tensor, points1: Tensor, labels0: Tensor, labels1: Tensor, config: TrainConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Replace the weakest keypoints of both images by label points that no detected pair stands for.

    Args:
        points0, points1: (N, 2) keypoints, best first.
        labels0, labels1: (L, 2).
        config: ``inserted`` bounds the share replaced.
        generator: picks the subset.
    """
    found = near(labels0, points0, config.snap_px) & near(labels1, points1, config.snap_px)
    missing = torch.nonzero(~found).flatten()
    count = min(len(missing), int(config.inserted * len(points0)))
    if count == 0:
        return points0, points1
    chosen = missing[torch.randperm(len(missing), generator=generator)[:count].to(missing.device)]
    return torch.cat([points0[:-count], labels0[chosen]]), torch.cat([points1[:-count], labels1[chosen]])


def _labels(batch: Batch, views: Views, b: int) -> Labels:
    sides = (b, len(batch) + b)
    ends = [move_points(views.H[i], points[b]) for i, points in zip(sides, (batch.points0, batch.points1), strict=True)]
    shown = [views.allowed[i, 0] & ~views.foreign[i, 0] for i in sides]
    return Labels(*ends, *map(within, shown, ends))


def _sides(points: Tensor, descriptors: Tensor, views: Views) -> tuple[Side, Side]:
    pairs = len(points) // 2
    height, width = views.images.shape[-2:]
    size = points.new_tensor([width, height]).expand(pairs, 2)
    return Side(points[:pairs], descriptors[:pairs], size), Side(points[pairs:], descriptors[pairs:], size)


def _targets(batch: Batch, views: Views, b: int, points: Tensor, labels: Labels, config: TrainConfig) -> Targets:
    sides = (b, len(batch) + b)
    points0, points1 = (points[i] for i in sides)
    foreign0, foreign1 = (views.foreign[i, 0] for i in sides)
    if batch.exact[b]:
        cameras = [Camera(batch.depths[i], batch.K[i], views.H[i]) for i in sides]
        forth = uncovered(transfer(points0, cameras[0], cameras[1], batch.T_0to1[b]), foreign1)
        back = uncovered(transfer(points1, cameras[1], cameras[0], torch.linalg.inv(batch.T_0to1[b])), foreign0)
        limits = {"positive": config.positive_px, "negative": config.negative_px}
        targets = exact_targets(points0, points1, forth, back, **limits)
    else:
        targets = label_targets(points0, points1, labels, snap=config.snap_px)
    return without_strangers(targets, within(foreign0, points0), within(foreign1, points1))


def uncovered(found: Transfer, foreign: Tensor) -> Transfer:
    """What of a transfer is still seen when part (H, W) of the view shows something else."""
    return found._replace(visible=found.visible & ~within(foreign, found.points))
