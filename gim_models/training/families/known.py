"""What a pair says about points of one image: where they are in the other, or that they are not in it.

A pixel of a posed pair and an end of a label are the same thing to a network that matches whole images: a point whose
place in the other image is known. So every family but the sparse one reads both through ``what_is_known``. What neither
geometry nor labels tell is unknown, and brings no loss.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gim_models.training.augment import Views, move_points
from gim_models.training.features import uncovered
from gim_models.training.occlusion import within
from gim_models.training.sample import Batch
from gim_models.training.supervision import Camera, transfer


class Known(NamedTuple):
    """Points of one view and what is known of them in the other.

    Attributes:
        start: (N, 2) pixels.
        end: (N, 2) where they are in the other view; meaningless unless ``seen``.
        seen: (N,) bool, certainly visible there.
        lost: (N,) bool, certainly not: out of view, or behind something. Neither: unknown.
    """

    start: Tensor
    end: Tensor
    seen: Tensor
    lost: Tensor

    def rows(self, index: Tensor) -> Known:
        """Some of the points."""
        return Known(*(values[index] for values in self))


def what_is_known(batch: Batch, views: Views, b: int, places: Tensor, *, forth: bool) -> Known:
    """What pair ``b`` tells about view 0 (``forth``) or view 1.

    Args:
        batch: the pairs.
        views: the same after augmentation.
        b: which pair.
        places: (N, 2) pixels to ask for. Geometry answers all of them; labels bring points of their own, and only such
            places count beside them as show another scene.
        forth: whether the points are of view 0.
    """
    if batch.exact[b]:
        return by_geometry(batch, views, b, places, forth=forth)
    source = _sides(batch, b, forth=forth)[0]
    labels = by_labels(batch, views, b, forth=forth)
    strange = places[within(views.foreign[source, 0], places)]
    none, all_of_them = (torch.full((len(strange),), answer, device=places.device) for answer in (False, True))
    return Known(*map(torch.cat, zip(labels, Known(strange, strange, none, all_of_them), strict=True)))


def by_geometry(batch: Batch, views: Views, b: int, places: Tensor, *, forth: bool) -> Known:
    """Exact depth and pose carry ``places`` over and tell what is hidden."""
    source, target = _sides(batch, b, forth=forth)
    here, there = (Camera(batch.depths[i], batch.K[i], views.H[i]) for i in (source, target))
    T = batch.T_0to1[b] if forth else torch.linalg.inv(batch.T_0to1[b])
    found = uncovered(transfer(places, here, there, T), views.foreign[target, 0])
    strange = within(views.foreign[source, 0], places)
    shown = within(views.allowed[source, 0], places)
    seen = found.visible & framed(found.points, views.images.shape[-2:])
    lost = (found.known & ~seen & shown) | strange
    return Known(places, found.points, seen & shown & ~strange, lost)


def by_labels(batch: Batch, views: Views, b: int, *, forth: bool) -> Known:
    """The labels that start in view; one whose end has left the frame or lies under something is lost."""
    source, target = _sides(batch, b, forth=forth)
    ends = (batch.points0[b], batch.points1[b]) if forth else (batch.points1[b], batch.points0[b])
    start, end = (move_points(views.H[i], points) for i, points in zip((source, target), ends, strict=True))
    box = batch.boxes[target]
    on_canvas = ((ends[1] >= box[:2] - 0.5) & (ends[1] <= box[2:] - 0.5)).all(1)
    gone = ~(on_canvas & framed(end, views.images.shape[-2:])) | within(views.foreign[target, 0], end)
    seen = within(views.allowed[target, 0], end) & ~gone
    here = within(views.allowed[source, 0] & ~views.foreign[source, 0], start)
    return Known(start, end, seen, gone).rows(here)


def framed(points: Tensor, size: torch.Size) -> Tensor:
    """Which of (N, 2) points lie on pixels of an image (height, width)."""
    return ((points >= -0.5) & (points <= points.new_tensor([size[1], size[0]]) - 0.5)).all(1)


def _sides(batch: Batch, b: int, *, forth: bool) -> tuple[int, int]:
    return (b, len(batch) + b) if forth else (len(batch) + b, b)
