"""Which correspondences one rigid scene explains: the epipolar fit behind every label (GIM.md 1.7 and 2.4)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.types import Floats

_MIN_POINTS = 8
_MAJORITY = 0.5  # share of all matches that a homography must explain where no epipolar geometry was found
_PLANAR = 0.8  # share of the epipolar inliers that a homography must explain to be considered
_GLANCE = 400  # points on which a homography is tried first: on all of them it costs more than the epipolar fit
_LUCK = 0.35  # share of the homography's outliers that an epipolar geometry takes in without being real


@dataclass(frozen=True)
class Fit:
    """What a robust fit found.

    Attributes:
        inliers: (N,) bool.
        model: ``"fundamental"``, ``"homography"`` where no parallax fixes an epipolar geometry, or ``"none"``.
        reason: why there is no model, else empty.
    """

    inliers: NDArray[np.bool_]
    model: str
    reason: str = ""


def fit_two_view(
    points0: Floats, points1: Floats, *, threshold: float, confidence: float = 0.999999, iterations: int = 10_000
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

    Returns:
        The fit; too few points, or a solver that gives up, is an empty result with a reason, not an exception.
    """
    nothing = np.zeros(len(points0), bool)
    if len(points0) < _MIN_POINTS:
        return Fit(nothing, "none", f"{len(points0)} matches, a fit needs {_MIN_POINTS}")
    settings = (threshold, confidence, iterations)
    epipolar = _fundamental(points0, points1, *settings)
    planar = None
    if epipolar is None or _may_be_planar(points0, points1, epipolar, settings):
        planar = _homography(points0, points1, *settings)
    if epipolar is None:  # the solver gives up now and then where a homography is nearly exact
        if planar is not None and planar.mean() > _MAJORITY:
            return Fit(planar, "homography")
        return Fit(nothing, "none", "no epipolar geometry fits")
    if planar is not None and _says_more(planar, epipolar):
        return Fit(planar, "homography")
    return Fit(epipolar, "fundamental")


def _may_be_planar(
    points0: Floats, points1: Floats, epipolar: NDArray[np.bool_], settings: tuple[float, float, int]
) -> bool:
    """Whether a homography of a few points leaves any hope that one explains most of all of them."""
    if len(points0) <= 2 * _GLANCE:
        return True
    few = np.linspace(0, len(points0) - 1, _GLANCE).astype(int)
    glance = _homography(points0[few], points1[few], *settings)
    return glance is not None and bool(glance.mean() >= _PLANAR**2 * epipolar.mean())


def _says_more(planar: NDArray[np.bool_], epipolar: NDArray[np.bool_]) -> bool:
    most = (planar & epipolar).sum() >= _PLANAR * epipolar.sum()
    return bool(most and epipolar[~planar].sum() <= _LUCK * (~planar).sum())


def _fundamental(
    points0: Floats, points1: Floats, threshold: float, confidence: float, iterations: int
) -> NDArray[np.bool_] | None:
    try:
        _, mask = cv2.findFundamentalMat(points0, points1, cv2.USAC_MAGSAC, threshold, confidence, iterations)
    except cv2.error:
        return None
    return None if mask is None or not mask.any() else np.asarray(mask).ravel() > 0


def _homography(
    points0: Floats, points1: Floats, threshold: float, confidence: float, iterations: int
) -> NDArray[np.bool_] | None:
    try:
        _, mask = cv2.findHomography(
            points0, points1, cv2.USAC_MAGSAC, 2 * threshold, None, min(iterations, 2000), min(confidence, 0.9999)
        )
    except cv2.error:
        return None
    return None if mask is None else np.asarray(mask).ravel() > 0
