"""Which correspondences one rigid scene explains: the epipolar fit behind every label (GIM.md 1.7 and 2.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.types import Floats

_MIN_POINTS = 8
_MAJORITY = 0.5  # share of all matches that a homography must explain where no epipolar geometry was found
_PLANAR = 0.8  # share of the epipolar inliers that a homography must explain to be considered
_LUCK = 0.35  # share of the homography's outliers that an epipolar geometry takes in without being real
GLANCE = 400
"""Points that a homography is tried on first; see ``fit_two_view``."""


@dataclass(frozen=True)
class Model:
    """A fundamental matrix or a homography, (3, 3) float64, and the (N,) bool matches that agree with it."""

    matrix: NDArray[np.float64]
    inliers: NDArray[np.bool_]


@dataclass(frozen=True)
class Fit:
    """What a robust fit found.

    Attributes:
        inliers: (N,) bool.
        model: ``"fundamental"``, ``"homography"`` where no parallax fixes an epipolar geometry, or ``"none"``.
        reason: why there is no model, else empty.
        matrix: (3, 3) float64 of the model, pixels of image 0 to lines or pixels of image 1; None without a model.
    """

    inliers: NDArray[np.bool_]
    model: str
    reason: str = ""
    matrix: NDArray[np.float64] | None = None


def fit_two_view(
    points0: Floats,
    points1: Floats,
    *,
    threshold: float,
    confidence: float = 0.999999,
    iterations: int = 10_000,
    glance: int = GLANCE,
) -> Fit:
    """Keep what agrees with one two-view geometry: MAGSAC fundamental matrix, or homography where that says more.

    A camera that only turns (or stands still, or looks at a plane) leaves the epipole free, and then a fundamental
    matrix lets half of the wrong matches pass along its lines. When a homography explains most, and of the rest the
    epipolar geometry gets no more than luck would give it, the homography is the model. The same points give the same
    answer: OpenCV's USAC has a fixed seed.

    Args:
        points0, points1: (N, 2) float32 pixels.
        threshold: largest distance to the epipolar line, pixels (twice that to the homography's point).
        confidence: when to stop sampling.
        iterations: when to stop at the latest.
        glance: where there are more than twice as many points, a homography is tried on so many of them first. On all
            of them it costs more than the epipolar fit, and where one explains most, a few hundred samples find it.

    Returns:
        The fit; too few points, or a solver that gives up, is an empty result with a reason, not an exception.
    """
    nothing = np.zeros(len(points0), bool)
    if len(points0) < _MIN_POINTS:
        return Fit(nothing, "none", f"{len(points0)} matches, a fit needs {_MIN_POINTS}")
    planar_settings: dict[str, Any] = {
        "threshold": 2 * threshold,
        "confidence": min(confidence, 0.9999),
        "iterations": min(iterations, 2000),
    }
    epipolar = fit_fundamental(points0, points1, threshold=threshold, confidence=confidence, iterations=iterations)
    planar = None
    brief = {**planar_settings, "iterations": max(1, min(iterations // 5, 2000))}
    if epipolar is None or _may_be_planar(points0, points1, epipolar, glance, brief):
        planar = fit_homography(points0, points1, **planar_settings)
    if epipolar is None:  # the solver gives up now and then where a homography is nearly exact
        if planar is not None and planar.inliers.mean() > _MAJORITY:
            return Fit(planar.inliers, "homography", matrix=planar.matrix)
        return Fit(nothing, "none", "no epipolar geometry fits")
    if planar is not None and _says_more(planar.inliers, epipolar.inliers):
        return Fit(planar.inliers, "homography", matrix=planar.matrix)
    return Fit(epipolar.inliers, "fundamental", matrix=epipolar.matrix)


def fit_sampled(
    points0: Floats, points1: Floats, *, sample: int, threshold: float, confidence: float = 0.999999, iterations: int
) -> Fit:
    """``fit_two_view`` to ``sample`` correspondences, evenly chosen from all, and the verdict of its model on the rest.

    Five hundred correspondences fix a geometry as well as six thousand do, at a small part of the cost.

    Args:
        points0, points1: (N, 2) float32 pixels.
        sample: how many the model is fitted to.
        threshold, confidence, iterations: as in ``fit_two_view``.
    """
    settings: dict[str, Any] = {
        "threshold": threshold,
        "confidence": confidence,
        "iterations": iterations,
        "glance": min(GLANCE, sample // 4),
    }
    if len(points0) <= sample:
        return fit_two_view(points0, points1, **settings)
    few = np.linspace(0, len(points0) - 1, sample).astype(int)
    fit = fit_two_view(points0[few], points1[few], **settings)
    if fit.matrix is None:
        return Fit(np.zeros(len(points0), bool), fit.model, fit.reason)
    residual = (
        homography_px(fit.matrix, points0, points1)
        if fit.model == "homography"
        else sampson_px(fit.matrix, points0, points1)
    )
    return Fit(residual <= (2 * threshold if fit.model == "homography" else threshold), fit.model, matrix=fit.matrix)


def sampson_px(F: NDArray[np.float64], points0: Floats, points1: Floats) -> NDArray[np.float64]:
    """(N,) first-order distance, pixels, of (N, 2) correspondences from agreeing with a fundamental matrix."""
    x0, y0, x1, y1 = (np.ascontiguousarray(points[:, i], np.float64) for points in (points0, points1) for i in (0, 1))
    (a1, b1, c1), (a0, b0) = _lines(F, x0, y0), _lines(F.T, x1, y1)[:2]
    slope = a1 * a1 + b1 * b1 + a0 * a0 + b0 * b0
    return np.asarray(np.abs(x1 * a1 + y1 * b1 + c1) / np.sqrt(np.maximum(slope, 1e-300)))


def homography_px(H: NDArray[np.float64], points0: Floats, points1: Floats) -> NDArray[np.float64]:
    """(N,) pixels between (N, 2) ``points1`` and where ``H`` takes ``points0``; infinite for a point on the horizon."""
    moved = _homogeneous(points0) @ H.T
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.linalg.norm(moved[:, :2] / moved[:, 2:] - points1, axis=1)
    return np.asarray(np.nan_to_num(gap, nan=np.inf, posinf=np.inf))


def fit_fundamental(
    points0: Floats, points1: Floats, *, threshold: float, confidence: float = 0.999999, iterations: int = 10_000
) -> Model | None:
    """MAGSAC fundamental matrix of (N, 2) pixels, ``threshold`` pixels to the epipolar line; None if there is none."""
    try:
        matrix, mask = cv2.findFundamentalMat(points0, points1, cv2.USAC_MAGSAC, threshold, confidence, iterations)
    except cv2.error:
        return None
    return _model(matrix, mask)


def fit_homography(
    points0: Floats, points1: Floats, *, threshold: float, confidence: float = 0.9999, iterations: int = 2000
) -> Model | None:
    """MAGSAC homography of (N, 2) pixels, ``threshold`` pixels to the point of image 1; None if there is none."""
    try:
        matrix, mask = cv2.findHomography(points0, points1, cv2.USAC_MAGSAC, threshold, None, iterations, confidence)
    except cv2.error:
        return None
    return _model(matrix, mask)


def _model(matrix: NDArray[np.float64] | None, mask: NDArray[np.uint8] | None) -> Model | None:
    if matrix is None or mask is None or matrix.shape != (3, 3) or not np.any(mask):
        return None
    return Model(np.asarray(matrix, np.float64), np.asarray(mask).ravel() > 0)


def _homogeneous(points: Floats) -> NDArray[np.float64]:
    return np.column_stack([points.astype(np.float64), np.ones(len(points))])


def _lines(F: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The three coefficients, (N,) each, of the epipolar lines ``F @ (x, y, 1)``: a column at a time stays in cache."""
    return [x * row[0] + y * row[1] + row[2] for row in F]


def _may_be_planar(points0: Floats, points1: Floats, epipolar: Model, glance: int, settings: dict[str, Any]) -> bool:
    """Whether a homography of ``glance`` points leaves any hope that one explains most of all of them."""
    if len(points0) <= 2 * glance:
        return True
    few = np.linspace(0, len(points0) - 1, glance).astype(int)
    found = fit_homography(points0[few], points1[few], **settings)
    return found is not None and bool(found.inliers.mean() >= _PLANAR**2 * epipolar.inliers.mean())


def _says_more(planar: NDArray[np.bool_], epipolar: NDArray[np.bool_]) -> bool:
    most = (planar & epipolar).sum() >= _PLANAR * epipolar.sum()
    return bool(most and epipolar[~planar].sum() <= _LUCK * (~planar).sum())
