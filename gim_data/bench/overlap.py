"""Overlap of two posed images without a depth map: how much of what one camera can see lies in the other's image.

Real depth gives the paper's overlap. Most posed sequences have none, so the scene's depth is taken from a sparse
triangulation of a few pairs with known pose, and the overlap is that of the two view frusta cut to those depths. It
knows nothing of occlusion: it ranks pairs, it does not measure covisible surface.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.bench.checks import load_image
from gim_data.types import Image, Size, TwoViewPair

Matrix = NDArray[np.float64]
_GRID = (16, 12)
_FEATURES = 2000
_QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
_EPIPOLAR = 2.0  # pixels
_MIN_ANGLE = np.radians(1.0)  # of triangulation


def frustum_overlap(K0: Matrix, K1: Matrix, sizes: tuple[Size, Size], T_0to1: Matrix, depths: Sequence[float]) -> float:
    """Share of points of one image, placed at ``depths``, that fall into the other; the smaller of both directions.

    Args:
        K0, K1: (3, 3) intrinsics in pixels.
        sizes: (width, height) of both images.
        T_0to1: (4, 4).
        depths: depths that the scene has, in the unit of ``T_0to1``, equally likely.

    Returns:
        In [0, 1].
    """
    forward = _seen(K0, K1, sizes, T_0to1, depths)
    inverse = np.asarray(np.linalg.inv(T_0to1), dtype=np.float64)
    backward = _seen(K1, K0, (sizes[1], sizes[0]), inverse, depths)
    return min(forward, backward)


def scene_depths(pairs: Sequence[TwoViewPair]) -> list[float]:
    """Typical depths (five quantiles) of a scene in the unit of its poses, triangulated from SIFT matches.

    Args:
        pairs: a handful of posed pairs that see the same things.

    Returns:
        Five depths, ascending; empty where fewer than 20 points could be triangulated.
    """
    found = [triangulated_depths(pair, load_image(pair.image0), load_image(pair.image1)) for pair in pairs]
    depths = np.concatenate(found) if found else np.zeros(0)
    return [float(d) for d in np.quantile(depths, _QUANTILES)] if len(depths) >= 20 else []


def triangulated_depths(pair: TwoViewPair, image0: Image, image1: Image) -> Matrix:
    """Depths in camera 0 of SIFT matches that agree with the known pose, (N,)."""
    points0, points1 = _sift_matches(image0, image1)
    if not len(points0):
        return np.zeros(0)
    x0 = _rays(points0, pair.K0)
    x1 = _rays(points1, pair.K1)
    R, t = pair.T_0to1[:3, :3], pair.T_0to1[:3, 3]
    E = np.cross(np.eye(3), t) @ R if np.linalg.norm(t) else np.zeros((3, 3))
    lines = x0 @ E.T
    distance = np.abs((x1 * lines).sum(1)) / np.maximum(np.linalg.norm(lines[:, :2], axis=1), 1e-12)
    good = distance * pair.K1[0, 0] < _EPIPOLAR
    return _depths(x0[good], x1[good], R, t)


def rotation_degrees(T: Matrix) -> float:
    """Angle of the rotation part of a (4, 4) motion, in degrees."""
    return float(np.degrees(np.arccos(np.clip((np.trace(T[:3, :3]) - 1) / 2, -1, 1))))


def _depths(x0: Matrix, x1: Matrix, R: Matrix, t: Matrix) -> Matrix:
    """Depth along each ray of camera 0 that brings it closest to the ray of camera 1; others are left out."""
    a = x0 @ R.T
    cosine = (a * x1).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(x1, axis=1)
    cross = np.cross(x1, a)
    depth = -(cross * np.cross(x1, t)).sum(1) / np.maximum((cross * cross).sum(1), 1e-18)
    good = (np.arccos(np.clip(cosine, -1, 1)) > _MIN_ANGLE) & (depth > 0)
    return np.asarray(depth[good], dtype=np.float64)


def _seen(K0: Matrix, K1: Matrix, sizes: tuple[Size, Size], T: Matrix, depths: Sequence[float]) -> float:
    (w0, h0), (w1, h1) = sizes
    grid = np.stack(np.meshgrid(np.linspace(0, w0 - 1, _GRID[0]), np.linspace(0, h0 - 1, _GRID[1])), -1).reshape(-1, 2)
    world = (_rays(grid, K0)[None] * np.asarray(depths)[:, None, None]).reshape(-1, 3) @ T[:3, :3].T + T[:3, 3]
    z = world[:, 2]
    pixels = world @ K1.T
    x, y = (pixels[:, i] / np.where(z > 0, z, 1.0) for i in (0, 1))
    return float(((z > 0) & (x >= 0) & (x <= w1 - 1) & (y >= 0) & (y <= h1 - 1)).mean())


def _rays(points: Matrix, K: Matrix) -> Matrix:
    rays: Matrix = np.column_stack([points, np.ones(len(points))]) @ np.linalg.inv(K).T
    return rays


def _sift_matches(image0: Image, image1: Image) -> tuple[Matrix, Matrix]:
    """Mutual ratio-test matches of up to 2000 SIFT features, (N, 2) pixels each."""
    sift = cv2.SIFT.create(nfeatures=_FEATURES)
    keypoints, descriptors = zip(
        *(sift.detectAndCompute(cv2.cvtColor(i, cv2.COLOR_RGB2GRAY), None) for i in (image0, image1)), strict=True
    )
    if any(d is None or len(d) < 2 for d in descriptors):
        return np.zeros((0, 2)), np.zeros((0, 2))
    matches = cv2.BFMatcher().knnMatch(descriptors[0], descriptors[1], k=2)
    best = [first for first, second in matches if first.distance < 0.8 * second.distance]
    points0 = np.array([keypoints[0][m.queryIdx].pt for m in best], dtype=np.float64).reshape(-1, 2)
    points1 = np.array([keypoints[1][m.trainIdx].pt for m in best], dtype=np.float64).reshape(-1, 2)
    return points0, points1
