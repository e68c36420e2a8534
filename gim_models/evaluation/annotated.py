"""Epipolar geometry from matches, judged by points that people clicked (WxBS and the like)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gim_models.evaluation.homography import Fit

Matrix = NDArray[np.float64]
NAME = "fundamental-magsac-v1"
THRESHOLDS = (3.0, 5.0, 10.0)
"""Pixels; the share of annotated points within these."""
_PIXELS, _CONFIDENCE, _ITERATIONS = 1.0, 0.999999, 10_000  # GIM's two-view demo (GIM.md 5.6)


def versions() -> dict[str, str]:
    """OpenCV's version."""
    import cv2

    return {"opencv": cv2.__version__}


def estimate_fundamental(points0: Matrix, points1: Matrix) -> Fit:
    """The fundamental matrix of (N, 2) pixels by MAGSAC at 1 pixel; the same for the same points."""
    import cv2

    none = np.zeros(len(points0), bool)
    if len(points0) < 8:
        return Fit(None, none, "fewer than 8 matches")
    try:
        F, mask = cv2.findFundamentalMat(points0, points1, cv2.USAC_MAGSAC, _PIXELS, _CONFIDENCE, maxIters=_ITERATIONS)
    except cv2.error as error:
        return Fit(None, none, f"OpenCV: {error.err}")
    if F is None or F.shape != (3, 3) or not np.isfinite(F).all():
        return Fit(None, none, "no fundamental matrix")
    return Fit(np.asarray(F), mask.ravel() > 0)


def epipolar_pixels(F: Matrix | None, points0: Matrix, points1: Matrix) -> Matrix:
    """(N,) distance of each point to the epipolar line of the other, the larger of both images; inf without ``F``.

    A point on its line may still be anywhere along it, so shares of points within a distance are never zero by chance.
    """
    if F is None:
        return np.full(len(points0), np.inf)
    x0, x1 = (np.column_stack([points, np.ones(len(points))]) for points in (points0, points1))
    lines1, lines0 = x0 @ F.T, x1 @ F
    algebraic = np.abs((x1 * lines1).sum(1))
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = algebraic / np.minimum(*(np.linalg.norm(lines[:, :2], axis=1) for lines in (lines0, lines1)))
    found: Matrix = np.nan_to_num(distance, nan=np.inf)
    return found
