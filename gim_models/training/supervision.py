"""What is known about each keypoint of a pair: its match, that it has none, or nothing (GIM.md 3.3, its bugs fixed).

Exact geometry knows matches (below 3 px both ways) and non-matches (nothing within 5 px, out of view, occluded).
Labels know matches, and rule out partners far from where the labels around a keypoint go; what they do not cover is
unknown and never a negative.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gim_models.training.augment import move_points
from gim_models.training.surroundings import ruled_out

UNMATCHED = -1
UNKNOWN = -2
_DEPTH_AGREES = 0.05
_DEPTH_EDGE = 0.1


class Targets(NamedTuple):
    """What the assignment of B pairs should be.

    Attributes:
        match0: (B, M) int64, the keypoint of image 1, or ``UNMATCHED``, or ``UNKNOWN``.
        match1: (B, N) int64, the same from the other side.
        impossible: (B, M, N) bool, pairs known not to match.
    """

    match0: Tensor
    match1: Tensor
    impossible: Tensor


class Transfer(NamedTuple):
    """Keypoints of one image carried into the other by exact geometry.

    Attributes:
        points: (N, 2) where they land.
        visible: (N,) they are seen there.
        known: (N,) whether they are seen can be told at all.
    """

    points: Tensor
    visible: Tensor
    known: Tensor


class Camera(NamedTuple):
    """One image of a pair with its geometry.

    Attributes:
        depth: (H, W) on the canvas.
        K: (3, 3) of the canvas.
        H: (3, 3) canvas to view (the augmentation).
    """

    depth: Tensor
    K: Tensor
    H: Tensor


def transfer(points: Tensor, source: Camera, target: Camera, T: Tensor) -> Transfer:
    """Carry (N, 2) view points of ``source`` into the view of ``target``, with an occlusion test.

    Args:
        points: pixels of the augmented source view.
        source, target: the images.
        T: (4, 4) source to target camera.
    """
    canvas = move_points(torch.linalg.inv(source.H), points)
    depth, certain = _read_depth(source.depth, canvas)
    rays = torch.cat([canvas, torch.ones_like(canvas[:, :1])], 1) @ torch.linalg.inv(source.K).mT
    there = (rays * depth[:, None]) @ T[:3, :3].mT + T[:3, 3]
    ahead = there[:, 2] > 1e-3
    image = there @ target.K.mT
    landed = image[:, :2] / image[:, 2:].clamp(min=1e-3)
    height, width = target.depth.shape
    within = ((landed >= 0) & (landed <= landed.new_tensor([width - 1, height - 1]))).all(1) & ahead
    seen, _ = _read_depth(target.depth, landed)
    agrees = (seen - there[:, 2]).abs() < _DEPTH_AGREES * there[:, 2]
    hidden = (seen > 0) & (seen < (1 - _DEPTH_AGREES) * there[:, 2])
    decided = ~within | agrees | hidden
    return Transfer(move_points(target.H, landed), within & agrees & certain, certain & decided)


def exact_targets(
    points0: Tensor, points1: Tensor, forth: Transfer, back: Transfer, *, positive: float, negative: float
) -> Targets:
    """Matches and non-matches from exact geometry, for one pair (batch dimension 1).

    Args:
        points0, points1: (M, 2), (N, 2) keypoints of the views.
        forth: ``points0`` in view 1.
        back: ``points1`` in view 0.
        positive: largest distance of a match in both views, pixels.
        negative: a keypoint with nothing nearer than this to where it lands is unmatched.
    """
    d01 = torch.cdist(forth.points, points1)
    d10 = torch.cdist(points0, back.points)
    worst = torch.maximum(d01, d10)
    worst = worst.masked_fill(~(forth.visible[:, None] & back.visible[None]), torch.inf)
    match0, match1 = _mutual(worst, positive)
    alone0 = forth.known & (~forth.visible | (d01.min(1).values > negative)) & (match0 < 0)
    alone1 = back.known & (~back.visible | (d10.min(0).values > negative)) & (match1 < 0)
    apart = (forth.known[:, None] & (d01 > negative)) | (back.known[None] & (d10 > negative))
    match0, match1 = match0.masked_fill(alone0, UNMATCHED), match1.masked_fill(alone1, UNMATCHED)
    return Targets(match0[None], match1[None], apart[None])


class Labels(NamedTuple):
    """The ends of the labels of one pair, in its views.

    Attributes:
        points0, points1: (L, 2).
        seen0, seen1: (L,) bool, whether the view shows the end: it may lie outside the frame, or under something.
    """

    points0: Tensor
    points1: Tensor
    seen0: Tensor
    seen1: Tensor

    def whole(self) -> tuple[Tensor, Tensor]:
        """Those with both ends in view: (L', 2), (L', 2)."""
        both = self.seen0 & self.seen1
        return self.points0[both], self.points1[both]


def label_targets(points0: Tensor, points1: Tensor, labels: Labels, *, snap: float) -> Targets:
    """Matches and non-matches from labels, for one pair.

    Keypoints at the two ends of one label match if they are mutually nearest. A keypoint at a label of which the other
    view does not show the other end has no match; nor has one of which every partner is ruled out.

    Args:
        points0, points1: (M, 2), (N, 2) keypoints.
        labels: what is known.
        snap: largest distance of a keypoint from a label's end, pixels.
    """
    labels0, labels1 = labels.whole()
    match0 = torch.full((len(points0),), UNKNOWN, dtype=torch.long, device=points0.device)
    match1 = torch.full((len(points1),), UNKNOWN, dtype=torch.long, device=points1.device)
    if len(labels0):
        _, taken0 = _mutual(torch.cdist(points0, labels0), snap)
        _, taken1 = _mutual(torch.cdist(points1, labels1), snap)
        both = (taken0 >= 0) & (taken1 >= 0)
        match0[taken0[both]] = taken1[both]
        match1[taken1[both]] = taken0[both]
    apart = ruled_out(points0, points1, labels0, labels1)
    lost0 = near(points0, labels.points0[labels.seen0 & ~labels.seen1], snap)
    lost1 = near(points1, labels.points1[labels.seen1 & ~labels.seen0], snap)
    match0 = match0.masked_fill((match0 < 0) & (apart.all(1) | lost0), UNMATCHED)
    match1 = match1.masked_fill((match1 < 0) & (apart.all(0) | lost1), UNMATCHED)
    return Targets(match0[None], match1[None], apart[None])


def without_strangers(targets: Targets, foreign0: Tensor, foreign1: Tensor) -> Targets:
    """Targets of one pair in which keypoints (M,), (N,) that show another scene match nothing."""
    match0 = targets.match0.masked_fill(foreign0, UNMATCHED)
    match1 = targets.match1.masked_fill(foreign1, UNMATCHED)
    return Targets(match0, match1, targets.impossible | foreign0[:, None] | foreign1)


def near(points: Tensor, others: Tensor, limit: float) -> Tensor:
    """Which of (N, 2) points have one of (L, 2) others within ``limit``."""
    return (torch.cdist(points, others) < limit).any(1)


def _mutual(distances: Tensor, limit: float) -> tuple[Tensor, Tensor]:
    """Mutually nearest rows and columns below ``limit``; ``UNKNOWN`` elsewhere."""
    best0, best1 = distances.min(1), distances.min(0)
    rows = torch.arange(len(distances), device=distances.device)
    columns = torch.arange(distances.shape[1], device=distances.device)
    good0 = (best1.indices[best0.indices] == rows) & (best0.values < limit)
    good1 = (best0.indices[best1.indices] == columns) & (best1.values < limit)
    return best0.indices.masked_fill(~good0, UNKNOWN), best1.indices.masked_fill(~good1, UNKNOWN)


def _read_depth(depth: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Depth at the nearest pixel; and whether it is known and not at an edge, where a keypoint is on either side."""
    height, width = depth.shape
    x = points[:, 0].round().long().clamp(1, width - 2)
    y = points[:, 1].round().long().clamp(1, height - 2)
    patch = torch.stack([depth[y + dy, x + dx] for dx, dy in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))])
    low, high = patch.min(0).values, patch.max(0).values
    return patch[0], (low > 0) & (high - low < _DEPTH_EDGE * high)
