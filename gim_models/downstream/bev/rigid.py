"""Turn and shift in the plane from matched points, most of which may be wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
_CHUNK = 256
_REFITS = 10


@dataclass(frozen=True)
class Rigid:
    """``x1 = R(yaw) x0 + shift``.

    Attributes:
        yaw: radians, counter-clockwise.
        shift: (2,) metres.
        inliers: (N,) bool matches within the tolerance.
    """

    yaw: float
    shift: Points
    inliers: NDArray[np.bool_]

    def apply(self, points: Points) -> Points:
        """(N, 2) points of 0 as points of 1."""
        return points @ turn(self.yaw).T + self.shift


def turn(yaw: float) -> Points:
    """(2, 2) rotation by ``yaw`` radians, counter-clockwise."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, -sin], [sin, cos]])


def fit_rigid(
    points0: Points, points1: Points, *, tolerance: float, rng: np.random.Generator, samples: int = 5000
) -> Rigid | None:
    """RANSAC over pairs of matches, all at once, then least squares on the inliers until they stay the same.

    Two matches fix a turn and a shift, and a rigid motion keeps their distance: pairs that do not are never scored.
    Few matches are tried in all pairs, so the generator decides nothing then.

    Args:
        points0, points1: (N, 2) metres.
        tolerance: metres between a moved point and its match, at most.
        rng: draws the pairs.
        samples: how many pairs are drawn.

    Returns:
        The motion with most inliers (truncated squares), or None where no two matches agree.
    """
    first, second = _pairs(len(points0), rng, samples)
    step0, step1 = points0[second] - points0[first], points1[second] - points1[first]
    length0, length1 = np.linalg.norm(step0, axis=1), np.linalg.norm(step1, axis=1)
    sound = (np.abs(length0 - length1) < 2 * tolerance) & (np.minimum(length0, length1) > 4 * tolerance)
    if not sound.any():
        return None
    step0, step1, first, second = step0[sound], step1[sound], first[sound], second[sound]
    cross = step0[:, 0] * step1[:, 1] - step0[:, 1] * step1[:, 0]
    yaws = np.arctan2(cross, (step0 * step1).sum(axis=1))
    middle0, middle1 = (points0[first] + points0[second]) / 2, (points1[first] + points1[second]) / 2
    shifts = middle1 - _turned(yaws, middle0)
    best = int(np.argmax(_scores(points0, points1, yaws, shifts, tolerance)))
    return _refine(points0, points1, float(yaws[best]), shifts[best], tolerance)


def least_squares(points0: Points, points1: Points) -> tuple[float, Points]:
    """Yaw and shift with the smallest sum of squares (Kabsch, in the plane)."""
    centre0, centre1 = points0.mean(axis=0), points1.mean(axis=0)
    a, b = points0 - centre0, points1 - centre1
    yaw = float(np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum()))
    return yaw, centre1 - turn(yaw) @ centre0


def _pairs(count: int, rng: np.random.Generator, samples: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    if count * (count - 1) // 2 <= samples:
        first, second = np.triu_indices(count, 1)
        return first, second
    first = rng.integers(0, count, samples)
    return first, (first + rng.integers(1, count, samples)) % count


def _turned(yaws: Points, points: Points) -> Points:
    """(M, 2) points, each by its own yaw."""
    cos, sin = np.cos(yaws), np.sin(yaws)
    return np.stack([cos * points[:, 0] - sin * points[:, 1], sin * points[:, 0] + cos * points[:, 1]], axis=1)


def _scores(points0: Points, points1: Points, yaws: Points, shifts: Points, tolerance: float) -> Points:
    """(M,) sum over matches of ``max(0, 1 - (distance / tolerance)^2)`` for M motions."""
    scores = np.empty(len(yaws))
    for start in range(0, len(yaws), _CHUNK):
        part = slice(start, start + _CHUNK)
        cos, sin = np.cos(yaws[part, None]), np.sin(yaws[part, None])
        x = cos * points0[:, 0] - sin * points0[:, 1] + shifts[part, 0:1] - points1[:, 0]
        y = sin * points0[:, 0] + cos * points0[:, 1] + shifts[part, 1:2] - points1[:, 1]
        scores[part] = np.maximum(0, 1 - (x * x + y * y) / tolerance**2).sum(axis=1)
    return scores


def _refine(points0: Points, points1: Points, yaw: float, shift: Points, tolerance: float) -> Rigid:
    rigid = _with_inliers(points0, points1, yaw, shift, tolerance)
    for _ in range(_REFITS):
        refit = least_squares(points0[rigid.inliers], points1[rigid.inliers])
        again = _with_inliers(points0, points1, *refit, tolerance)
        if again.inliers.sum() < rigid.inliers.sum():
            break
        settled = bool((again.inliers == rigid.inliers).all())
        rigid = again
        if settled:
            break
    return rigid


def _with_inliers(points0: Points, points1: Points, yaw: float, shift: Points, tolerance: float) -> Rigid:
    distance = np.linalg.norm(points0 @ turn(yaw).T + shift - points1, axis=1)
    return Rigid(yaw, shift, distance < tolerance)
