"""Exact correspondence between two views by depth and pose, with an occlusion test."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gim_data.types import Floats

Points = NDArray[np.float64]
TOLERANCE = 0.01  # relative depth difference up to which two surfaces count as one
_SMOOTH = 0.02  # relative change of depth across a pixel up to which it is one surface without further test
_SLACK = 0.01  # pixels beyond the outermost centres that count as inside
_GRID = 48  # columns of the grid that overlap is measured on


class Posed(Protocol):
    """Anything with exact depth and camera: a rendered ``View``, a frame of a ``TruthStore``."""

    @property
    def depth(self) -> Floats:
        """(H, W) z-depth in metres, 0 where nothing was hit."""
        ...

    @property
    def K(self) -> NDArray[np.float64]:  # noqa: N802 (the field's name)
        """(3, 3) intrinsics."""
        ...

    @property
    def T_w2c(self) -> NDArray[np.float64]:  # noqa: N802 (the field's name)
        """(4, 4) world to camera."""
        ...


def project(
    view0: Posed, view1: Posed, points0: NDArray[np.floating], *, tolerance: float = TOLERANCE
) -> tuple[Points, NDArray[np.bool_]]:
    """Where points of image 0 are in image 1.

    Args:
        view0, view1: depth and camera of both images.
        points0: (N, 2) pixels of image 0, any subpixel position; exact at pixel centres, and between them wherever
            the neighbours lie on one plane.
        tolerance: relative depth difference that still counts as the same surface.

    Returns:
        (N, 2) float64 pixels of image 1 (NaN where image 0 has no depth or the point lies behind camera 1), and
        (N,) True where the point has depth, lands inside image 1 and nothing stands in front of it there.
    """
    near0, known = inverse_depth(view0.depth, points0)
    points1, near1 = transfer(view0, view1, points0, near0)
    inside = known & (near1 > 0) & contains(view1.depth.shape, points1)
    visible = np.zeros(len(points0), bool)
    rows = np.flatnonzero(inside)
    visible[rows] = _agrees(view1.depth, points1[rows], near1[rows], tolerance)
    points1[~(known & (near1 > 0))] = np.nan
    return points1, visible


def overlap(view0: Posed, view1: Posed, *, tolerance: float = TOLERANCE) -> float:
    """Covisible fraction in [0, 1]: the smaller of both directions.

    Each direction is the share of a grid of pixels with depth that ``project`` finds visible in the other image. The
    smaller of the two also falls with a change of scale, which the larger would hide.
    """
    return min(covisible(view0, view1, tolerance=tolerance), covisible(view1, view0, tolerance=tolerance))


def covisible(view0: Posed, view1: Posed, *, tolerance: float = TOLERANCE) -> float:
    """Share of image 0's pixels with depth (on a grid) that image 1 sees."""
    height, width = view0.depth.shape
    step = max(1, width // _GRID)
    y, x = (axis.ravel() for axis in np.mgrid[step // 2 : height : step, step // 2 : width : step])
    solid = view0.depth[y, x] > 0
    if not solid.any():
        return 0.0
    points = np.stack([x[solid], y[solid]], 1).astype(np.float64)
    return float(project(view0, view1, points, tolerance=tolerance)[1].mean())


def transfer(view0: Posed, view1: Posed, points0: NDArray[np.floating], near0: Points) -> tuple[Points, Points]:
    """Move pixels with known inverse depth from image 0 to image 1.

    Args:
        view0, view1: the cameras.
        points0: (N, 2) pixels.
        near0: (N,) inverse depth in image 0, 1/m.

    Returns:
        (N, 2) pixels and (N,) inverse depths in image 1; the inverse depth is not positive behind camera 1.
    """
    T = view1.T_w2c @ np.linalg.inv(view0.T_w2c)
    rays = np.column_stack([points0, np.ones(len(points0))]) @ np.linalg.inv(view0.K).T
    moved = rays @ T[:3, :3].T + near0[:, None] * T[:3, 3]  # in units of the depth in image 0
    seen = moved @ view1.K.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return seen[:, :2] / seen[:, 2:], near0 / moved[:, 2]


def contains(shape: tuple[int, ...], points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether (N, 2) pixels lie between the centres of the outermost pixels of an image of (height, width).

    A hundredth of a pixel beyond still counts, so that rounding does not lose the outermost pixels.
    """
    height, width = shape[:2]
    outer = np.array([width, height]) - 1 + _SLACK
    inside: NDArray[np.bool_] = (points >= -_SLACK) & (points <= outer)
    return inside[:, 0] & inside[:, 1]


def inverse_depth(depth: Floats, points: NDArray[np.floating]) -> tuple[Points, NDArray[np.bool_]]:
    """Inverse depth at subpixel positions.

    Inverse depth is linear in the pixels of a plane, so bilinear interpolation of it is exact there. Across the edge
    of a surface, interpolation would invent a surface in between: there the nearest pixel decides.

    Returns:
        (N,) 1/m, and (N,) whether there is any depth.
    """
    inside = contains(depth.shape, points)
    corners, weights = _neighbours(depth, np.where(inside[:, None], points, 0))
    blend = (corners * weights).sum(1)
    nearest = np.take_along_axis(corners, weights.argmax(1)[:, None], 1)[:, 0]
    used = np.where(weights > 0, corners, corners.max(1, keepdims=True))
    smooth = used.min(1) > (1 - _SMOOTH) * np.where(weights > 0, corners, 0).max(1)
    result = np.where(smooth, blend, nearest)
    return result, inside & (result > 0)


def _agrees(depth: Floats, points: Points, near: Points, tolerance: float) -> NDArray[np.bool_]:
    """Whether a surface at (N,) inverse depth ``near`` is the one an image shows at (N, 2) ``points``."""
    corners, weights = _neighbours(depth, points)
    same = np.abs(corners - near[:, None]) < tolerance * near[:, None]
    blend = (corners * weights).sum(1)
    between = (corners.min(1) <= near) & (near <= corners.max(1)) & (np.abs(blend - near) < tolerance * near)
    result: NDArray[np.bool_] = (same & (weights > 0)).any(1) | between
    return result


def _neighbours(depth: Floats, points: NDArray[np.floating]) -> tuple[Points, Points]:
    """(N, 4) inverse depths around (N, 2) positions inside the image, and their bilinear weights."""
    height, width = depth.shape
    x, y = np.clip(np.asarray(points, np.float64), 0, (width - 1, height - 1)).T
    left, top = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    a, b = x - left, y - top
    values = np.stack([depth[top + dy, left + dx] for dy in (0, 1) for dx in (0, 1)], 1).astype(np.float64)
    weights = np.stack([(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b], 1)
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0), weights
