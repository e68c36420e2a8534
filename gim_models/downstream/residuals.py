"""How far matches are from a two-view model, in pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gim_data.labels.robust import Fit
from gim_data.types import Floats

Matrix = NDArray[np.float64]


def residuals(fit: Fit, points0: Floats, points1: Floats) -> Matrix:
    """(N,) pixels to the fitted model, NaN where there is none.

    Args:
        fit: an epipolar geometry or a homography.
        points0, points1: (N, 2) pixels.
    """
    if fit.matrix is None:
        return np.full(len(points0), np.nan)
    measure = epipolar_distance if fit.model == "fundamental" else transfer_distance
    return measure(fit.matrix, points0, points1)


def epipolar_distance(F: Matrix, points0: Floats, points1: Floats) -> Matrix:
    """(N,) root mean square of a match's distances to its epipolar lines in both images, pixels."""
    x0, x1 = (np.column_stack([p, np.ones(len(p))]).astype(np.float64) for p in (points0, points1))
    lines1, lines0 = x0 @ F.T, x1 @ F
    off = np.einsum("nk,nk->n", x1, lines1) ** 2
    weight = sum(1 / np.maximum((lines[:, :2] ** 2).sum(1), 1e-30) for lines in (lines0, lines1))
    distance: Matrix = np.sqrt(off * weight / 2)
    return distance


def transfer_distance(H_0to1: Matrix, points0: Floats, points1: Floats) -> Matrix:
    """(N,) distance in image 1 between a match and where the homography puts it, pixels; inf beyond the horizon."""
    distance: Matrix = np.linalg.norm(warp_points(H_0to1, points0) - points1, axis=1)
    return distance


def warp_points(H: Matrix, points: NDArray[np.floating]) -> Matrix:
    """(N, 2) pixels through a homography; inf where it sends them to or beyond infinity.

    The sign of H is free: the side of the horizon on which most of the points lie is the visible one.
    """
    mapped = np.column_stack([points, np.ones(len(points))]) @ H.T
    depth = mapped[:, 2] * np.sign(np.median(mapped[:, 2]) or 1.0) if len(mapped) else mapped[:, 2]
    scale = np.where(depth > 0, mapped[:, 2], np.nan)
    return np.nan_to_num(mapped[:, :2] / scale[:, None], nan=np.inf)
