"""Homographies from matches, and how far they are off: the HPatches protocol of the field (GIM.md 5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gim_data.types import Size

Matrix = NDArray[np.float64]
THRESHOLDS = (3.0, 5.0, 10.0)
"""Pixels; the AUC of mean corner errors up to these."""
_GRID = 20  # points per direction where the corners cannot be used


@dataclass(frozen=True)
class Fit:
    """An estimate: H (3, 3) and its inliers (N,) bool; or ``reason`` why there is none."""

    H: Matrix | None
    inliers: NDArray[np.bool_]
    reason: str = ""


class HomographyProtocol(Protocol):
    """A named way to a homography.

    Attributes:
        name: under which scores are reported.
        most: matches that are used, the most confident first.
    """

    name: str
    most: int

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that decide the result."""
        ...

    def estimate(self, points0: Matrix, points1: Matrix, seed: int) -> Fit:
        """The homography of (N, 2) pixels, N at most ``most``."""
        ...


class RansacV1:
    """What LoFTR and those after it use: at most 1024 matches, OpenCV's RANSAC at 3 pixels with its own defaults."""

    name = "homography-ransac-v1"
    most = 1024
    pixels = 3.0

    def versions(self) -> dict[str, str]:
        """OpenCV's version."""
        import cv2

        return {"opencv": cv2.__version__}

    def estimate(self, points0: Matrix, points1: Matrix, seed: int) -> Fit:
        """OpenCV's homography."""
        import cv2

        if len(points0) < 4:
            return _failed(points0, "fewer than 4 matches")
        cv2.setRNGSeed(seed)
        try:
            H, mask = cv2.findHomography(points0, points1, cv2.RANSAC, self.pixels)
        except cv2.error as error:
            return _failed(points0, f"OpenCV: {error.err}")
        return _failed(points0, "no homography") if H is None else Fit(np.asarray(H), mask.ravel() > 0)


class PoselibHomographyV1:
    """LO-RANSAC with non-linear refinement (PoseLib) at 3 pixels, on at most 1024 matches."""

    name = "homography-poselib-v1"
    most = 1024
    pixels = 3.0

    def versions(self) -> dict[str, str]:
        """PoseLib's version."""
        import poselib

        return {"poselib": poselib.__version__}

    def estimate(self, points0: Matrix, points1: Matrix, seed: int) -> Fit:
        """PoseLib's homography."""
        import poselib

        if len(points0) < 4:
            return _failed(points0, "fewer than 4 matches")
        options = {"max_reproj_error": self.pixels, "seed": seed}
        H, info = poselib.estimate_homography(points0, points1, options, {})
        inliers = np.array(info["inliers"], dtype=bool)
        if inliers.sum() < 4 or not np.isfinite(H).all():
            return _failed(points0, "fewer than 4 inliers")
        return Fit(np.asarray(H, dtype=np.float64), inliers)


PROTOCOLS: Mapping[str, HomographyProtocol] = {p.name: p for p in (RansacV1(), PoselibHomographyV1())}


def estimate_homography(
    points0: Matrix, points1: Matrix, confidence: NDArray[np.float32], protocol: HomographyProtocol, seed: int
) -> Fit:
    """The homography between (N, 2) pixels by the most confident matches; ties keep their order.

    ``inliers`` of the result refers to all N; matches that were not used are none.
    """
    used = np.sort(np.argsort(-confidence, kind="stable")[: protocol.most])
    fit = protocol.estimate(np.ascontiguousarray(points0[used]), np.ascontiguousarray(points1[used]), seed)
    inliers = np.zeros(len(points0), bool)
    inliers[used] = fit.inliers
    return Fit(fit.H, inliers, fit.reason)


def apply(H: Matrix, points: Matrix) -> Matrix:
    """(N, 2) points mapped by a homography; inf where a point goes to or beyond the horizon."""
    mapped = np.column_stack([points, np.ones(len(points))]) @ H.T
    w = mapped[:, 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Matrix = np.where(w * np.sign(np.linalg.det(H)) > 0, mapped[:, :2] / w, np.inf)
    return found


def corners(size: Size) -> Matrix:
    """(4, 2) pixels: the centres of the corner pixels of a (width, height) image."""
    width, height = size
    return np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], dtype=np.float64)


def judges(H: Matrix, sizes: tuple[Size, Size]) -> tuple[Matrix, Matrix]:
    """Points of image 0 by which an estimate is judged, and where they belong in image 1, (N, 2) each.

    The four corners, as the field does. Where the true homography sends a corner beyond the horizon (extreme views),
    the points of a 20 x 20 grid that are seen in image 1.
    """
    points = corners(sizes[0])
    truth = apply(H, points)
    if np.isfinite(truth).all():
        return points, truth
    (width, height), (w1, h1) = sizes
    axes = (np.linspace(0, width - 1, _GRID), np.linspace(0, height - 1, _GRID))
    grid = np.stack(np.meshgrid(*axes), -1).reshape(-1, 2)
    there = apply(H, grid)
    seen = ((there >= 0) & (there <= [w1 - 1, h1 - 1])).all(axis=1)
    return grid[seen], there[seen]


def transfer_error(H: Matrix | None, points0: Matrix, points1: Matrix) -> float:
    """Mean distance in pixels between where ``H`` sends ``points0`` and ``points1``; inf where there is no ``H``."""
    if H is None or not len(points0):
        return float("inf")
    error = float(np.linalg.norm(apply(H, points0) - points1, axis=1).mean())
    return error if np.isfinite(error) else float("inf")


def resizing(factor: float) -> Matrix:
    """(3, 3) map from pixels of an image to pixels of the image resized by a factor, pixel centres at whole numbers."""
    shift = 0.5 * factor - 0.5
    return np.array([[factor, 0, shift], [0, factor, shift], [0, 0, 1]], dtype=np.float64)


def _failed(points: Matrix, reason: str) -> Fit:
    return Fit(None, np.zeros(len(points), bool), reason)
