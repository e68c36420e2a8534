"""Keypoints for matchers that have none: matches of many pairs snapped to shared points, so that tracks are long.

A dense or semi-dense matcher finds a world point at slightly different pixels in each pair. Written to COLMAP as they
are, no two pairs share a point and every track has two images: few images register (the failures of users in GIM.md
issues 34 and 64). Here each image's endpoints vote, weighted by confidence; local maxima of the vote become keypoints,
placed at the weighted mean of their voters (so nothing is rounded to a grid); endpoints snap to the nearest keypoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gim_data.types import Floats, Matches
from gim_models.downstream.mapping.pairing import Pair

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Quantizer:
    """How endpoints become keypoints.

    Attributes:
        radius: pixels of the image as it was matched; keypoints are at least so far apart, and no endpoint moves
            further.
        most: keypoints kept per image, those with most votes.
    """

    radius: float = 2.0
    most: int = 8192

    def enlarged(self, factor: float) -> Quantizer:
        """The same for an image ``factor`` times as large as it was matched."""
        return replace(self, radius=self.radius * factor)

    def keypoints(self, points: Floats, scores: Floats) -> Floats:
        """Shared keypoints of one image.

        Args:
            points: (N, 2) endpoints in the image, of all its pairs.
            scores: (N,) confidences, positive.

        Returns:
            (K, 2) float32, by falling vote.
        """
        if len(points) == 0:
            return np.zeros((0, 2), np.float32)
        cells, votes = _weighted_cells(points, scores, self.radius / 2)
        chosen = suppress(cells, votes, self.radius)[: self.most]
        moved = self._settle(cells[chosen], points, scores)
        # Means may have drawn together: those that came too close give way again.
        return moved[suppress(moved, votes[chosen], self.radius)]

    def snap(self, points: Floats, keypoints: Floats) -> Indices:
        """(N,) rows of the nearest keypoints; -1 where none lies within the radius."""
        if len(keypoints) == 0 or len(points) == 0:
            return np.full(len(points), -1, np.int64)
        distance, row = cKDTree(keypoints).query(points, distance_upper_bound=self.radius)
        return np.where(np.isfinite(distance), row, -1).astype(np.int64)

    def _settle(self, keypoints: Floats, points: Floats, scores: Floats) -> Floats:
        """Each keypoint at the weighted mean of the endpoints that snap to it: where the world point most likely is."""
        row = self.snap(points, keypoints)
        used = row >= 0
        weight = np.bincount(row[used], scores[used], len(keypoints))
        total = [np.bincount(row[used], scores[used] * points[used, axis], len(keypoints)) for axis in (0, 1)]
        mean = np.stack(total, 1) / np.maximum(weight, 1e-12)[:, None]
        return np.where(weight[:, None] > 0, mean, keypoints).astype(np.float32)


@dataclass(frozen=True)
class Quantized:
    """What goes into the database.

    Attributes:
        keypoints: (K_i, 2) float32 per image.
        matches: pair -> (M, 2) rows into the keypoints of its two images, one-to-one.
    """

    keypoints: list[Floats]
    matches: dict[Pair, Indices]


def quantize(pairs: Iterable[Pair], matches: Callable[[Pair], Matches], quantizers: Sequence[Quantizer]) -> Quantized:
    """Keypoints and index matches from matches of any matcher.

    Args:
        pairs: which were matched.
        matches: of a pair; called twice, so that not all need to be in memory.
        quantizers: of each image, how endpoints become keypoints.
    """
    pairs, count = list(pairs), len(quantizers)
    points: list[list[Floats]] = [[np.zeros((0, 2), np.float32)] for _ in range(count)]
    scores: list[list[Floats]] = [[np.zeros(0, np.float32)] for _ in range(count)]
    for i, j in pairs:
        found = matches((i, j))
        for row, ends in ((i, found.keypoints0), (j, found.keypoints1)):
            points[row].append(ends)
            scores[row].append(np.maximum(found.confidence, 1e-6))
    keypoints = [
        quantizer.keypoints(np.concatenate(p), np.concatenate(s))
        for quantizer, p, s in zip(quantizers, points, scores, strict=True)
    ]
    snapped = {}
    for i, j in pairs:
        found = matches((i, j))
        rows0 = quantizers[i].snap(found.keypoints0, keypoints[i])
        rows1 = quantizers[j].snap(found.keypoints1, keypoints[j])
        snapped[i, j] = one_to_one(rows0, rows1, found.confidence)
    return Quantized(keypoints, snapped)


def one_to_one(rows0: Indices, rows1: Indices, confidence: Floats) -> Indices:
    """(M, 2) matches in which no keypoint of either image occurs twice; the more confident match wins."""
    usable = np.flatnonzero((rows0 >= 0) & (rows1 >= 0))
    order = usable[np.argsort(-confidence[usable], kind="stable")]
    order = order[np.sort(np.unique(rows0[order], return_index=True)[1])]
    order = order[np.sort(np.unique(rows1[order], return_index=True)[1])]
    return np.stack([rows0[order], rows1[order]], axis=1)


def suppress(points: Floats, votes: Floats, radius: float) -> Indices:
    """Greedy non-maximum suppression: rows of the points, by falling vote, that have no chosen one within ``radius``.

    The same as going through them one by one, but in rounds: whoever beats all undecided neighbours is chosen.
    """
    order = np.argsort(-votes, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    near = cKDTree(points).query_pairs(radius * (1 - 1e-9), output_type="ndarray")
    better, worse = np.where((rank[near[:, 0]] < rank[near[:, 1]])[:, None], near, near[:, ::-1]).T
    undecided, chosen = np.ones(len(points), bool), np.zeros(len(points), bool)
    while undecided.any():
        live = undecided[better] & undecided[worse]
        beaten = np.zeros(len(points), bool)
        beaten[worse[live]] = True
        winners = undecided & ~beaten
        chosen |= winners
        undecided &= ~winners
        undecided[worse[winners[better]]] = False
    rows = np.flatnonzero(chosen)
    return rows[np.argsort(rank[rows])]


def _weighted_cells(points: Floats, scores: Floats, side: float) -> tuple[Floats, Floats]:
    """Weighted means and total scores of the points of each occupied cell of a grid."""
    cell = np.floor(points / side).astype(np.int64)
    _, row = np.unique(cell, axis=0, return_inverse=True)
    row = row.ravel()
    votes = np.bincount(row, scores)
    mean = np.stack([np.bincount(row, scores * points[:, axis]) for axis in (0, 1)], 1) / votes[:, None]
    return mean.astype(np.float32), votes.astype(np.float32)
