"""Protocols: from matches to a pose error, under a name and a version that every score carries.

``zeb-paper-v1`` is what ZEB's code says (GIM.md 4.5), ``zeb-released-v1`` what that code does, ``poselib-v1`` the
better estimator. A failed pose is a result with a reason here; only ``PairScore.error`` maps it to 180 degrees.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gim_data.epipolar import essential
from gim_data.types import TwoViewPair

Matrix = NDArray[np.float64]
FAILED = 180.0
"""Degrees that a failed pair counts as."""
_PRECISE = 5e-4  # squared symmetric epipolar distance in normalised coordinates below which a match is right


@dataclass(frozen=True)
class Pose:
    """An estimate: R (3, 3), t (3,) of unit length or zero, inliers (N,) bool; or ``reason`` why there is none."""

    R: Matrix | None = None
    t: Matrix | None = None
    inliers: NDArray[np.bool_] | None = None
    reason: str = ""


@dataclass(frozen=True)
class PairScore:
    """How one matcher did on one pair.

    Attributes:
        identifier: of the pair.
        overlap: of the pair, NaN where unknown.
        rotation_deg, translation_deg: errors in degrees; inf where the pose failed. Translation is folded to 90.
        matches, inliers: counts.
        precision_before, precision_after: share of matches, and of inliers, with a squared symmetric epipolar distance
            below 5e-4 in normalised coordinates; 0 where there are none.
        reason: why there is no pose, or "".
    """

    identifier: str
    overlap: float
    rotation_deg: float
    translation_deg: float
    matches: int
    inliers: int
    precision_before: float
    precision_after: float
    reason: str

    @property
    def error(self) -> float:
        """max(rotation, translation) in degrees; a failure is 180 (GIM.md 4.5, steps 4 and 5)."""
        worst = max(self.rotation_deg, self.translation_deg)
        return worst if np.isfinite(worst) else FAILED


class PoseProtocol(Protocol):
    """A named way to a relative pose."""

    @property
    def name(self) -> str:
        """What its scores carry."""
        ...

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that decide the result."""
        ...

    def estimate(self, points0: Matrix, points1: Matrix, pair: TwoViewPair, seed: int) -> Pose:
        """The relative pose of a pair from (N, 2) float64 pixels, or the reason why there is none."""
        ...


@dataclass(frozen=True)
class ZebProtocol:
    """GIM.md 4.5: OpenCV's RANSAC at half a pixel over the mean focal length.

    Two of its habits are kept on purpose: the threshold is divided by the mean of K0[0, 0] and K1[1, 1] (each averaged
    twice in the original, so x of one camera and y of the other), and OpenCV's default number of iterations holds.

    Attributes:
        name: of the protocol.
        far: baselines beyond which a point does not count as in front of a camera. The original passes 1e9 as the fifth
            positional argument of ``recoverPose``, which is an output in the overload that OpenCV then takes: its
            default of 50 holds, and pairs of little parallax fail however right their matches are. Of the 789 pairs
            that DKM fails in the published dumps, 769 have a hundred matches of which more than 90 % are right.
    """

    name: str
    far: float
    pixels: float = 0.5
    confidence: float = 0.99999

    def versions(self) -> dict[str, str]:
        """OpenCV's version."""
        import cv2

        return {"opencv": cv2.__version__}

    def estimate(self, points0: Matrix, points1: Matrix, pair: TwoViewPair, seed: int) -> Pose:
        """Essential matrix by RANSAC, then the decomposition with the most points in front of both cameras."""
        import cv2

        if len(points0) < 5:
            return Pose(reason="fewer than 5 matches")
        x0, x1 = normalise(points0, pair.K0), normalise(points1, pair.K1)
        cv2.setRNGSeed(seed)
        threshold = self.pixels / np.mean([pair.K0[0, 0], pair.K1[1, 1]])
        try:
            stacked, mask = cv2.findEssentialMat(
                x0, x1, np.eye(3), method=cv2.RANSAC, prob=self.confidence, threshold=threshold
            )
        except cv2.error as error:
            return Pose(reason=f"OpenCV: {error.err}")
        if stacked is None:
            return Pose(reason="no essential matrix")
        return self._decompose(stacked, mask, x0, x1)

    def _decompose(self, stacked: Matrix, mask: NDArray[np.uint8], x0: Matrix, x1: Matrix) -> Pose:
        import cv2

        best, most = Pose(reason="no point in front of both cameras"), 0
        for E in np.split(stacked, len(stacked) // 3):
            count, R, t, kept, _ = cv2.recoverPose(E, x0, x1, np.eye(3), distanceThresh=self.far, mask=mask.copy())
            if count > most:
                best, most = Pose(R, t[:, 0], kept.ravel() > 0), count
        return best


class PoselibV1:
    """LO-RANSAC with non-linear refinement (PoseLib), Sampson threshold 1 pixel, its own defaults otherwise."""

    name = "poselib-v1"
    pixels = 1.0

    def versions(self) -> dict[str, str]:
        """PoseLib's version."""
        import poselib

        return {"poselib": poselib.__version__}

    def estimate(self, points0: Matrix, points1: Matrix, pair: TwoViewPair, seed: int) -> Pose:
        """PoseLib's relative pose."""
        import poselib

        if len(points0) < 5:
            return Pose(reason="fewer than 5 matches")
        cameras = [_pinhole(K, points) for K, points in ((pair.K0, points0), (pair.K1, points1))]
        options = {"max_epipolar_error": self.pixels, "seed": seed}
        pose, info = poselib.estimate_relative_pose(points0, points1, *cameras, options, {})
        inliers = np.array(info["inliers"], dtype=bool)
        if inliers.sum() < 5 or not np.isfinite(pose.R).all():
            return Pose(reason="fewer than 5 inliers")
        return Pose(np.array(pose.R), np.array(pose.t), inliers)


PROTOCOLS: Mapping[str, PoseProtocol] = {
    p.name: p for p in (ZebProtocol("zeb-paper-v1", far=1e9), ZebProtocol("zeb-released-v1", far=50.0), PoselibV1())
}


def score_pair(protocol: PoseProtocol, pair: TwoViewPair, points: tuple[Matrix, Matrix], seed: int) -> PairScore:
    """Estimate and score one pair.

    Args:
        protocol: how the pose is found.
        pair: the truth.
        points: (N, 2) pixels in either image.
        seed: of the run; each pair adds its identifier, so that neither order nor company changes its result.
    """
    points0, points1 = (np.ascontiguousarray(p, dtype=np.float64) for p in points)
    pose = protocol.estimate(points0, points1, pair, pair_seed(pair.identifier, seed))
    right = epipolar_distance2(points0, points1, pair) < _PRECISE
    inliers = pose.inliers if pose.inliers is not None else np.zeros(len(points0), bool)
    R_error, t_error = (np.inf, np.inf) if pose.R is None or pose.t is None else pose_error(pose.R, pose.t, pair.T_0to1)
    return PairScore(
        pair.identifier,
        pair.overlap,
        R_error,
        t_error,
        len(points0),
        int(inliers.sum()),
        _share(right),
        _share(right[inliers]),
        pose.reason,
    )


def pose_error(R: Matrix, t: Matrix, T_0to1: Matrix) -> tuple[float, float]:
    """Angular errors in degrees of rotation and of translation direction, the latter folded to at most 90.

    The sign of t is not scored, as in GIM.md 4.5 step 4. Where the true translation is zero its direction error is 0.
    """
    cosine = np.clip((np.trace(R.T @ T_0to1[:3, :3]) - 1) / 2, -1, 1)
    length = np.linalg.norm(t) * np.linalg.norm(T_0to1[:3, 3])
    if length == 0:
        return float(np.degrees(np.arccos(cosine))), 0.0
    along = np.clip(t @ T_0to1[:3, 3] / length, -1, 1)
    angle = float(np.degrees(np.arccos(along)))
    return float(np.degrees(np.arccos(cosine))), min(angle, 180 - angle)


def normalise(points: Matrix, K: Matrix) -> Matrix:
    """(N, 2) pixels as normalised coordinates; skew is ignored, as in GIM.md 4.5 step 1."""
    normalised: Matrix = (points - K[[0, 1], [2, 2]]) / K[[0, 1], [0, 1]]
    return normalised


def epipolar_distance2(points0: Matrix, points1: Matrix, pair: TwoViewPair) -> Matrix:
    """Squared symmetric epipolar distance to the true pose, (N,), in normalised coordinates: the dumps' measure."""
    x0, x1 = (np.column_stack([normalise(p, K), np.ones(len(p))]) for p, K in ((points0, pair.K0), (points1, pair.K1)))
    E = essential(pair.T_0to1)
    lines1, lines0 = x0 @ E.T, x1 @ E
    weight = 1 / np.maximum((lines1[:, :2] ** 2).sum(1), 1e-30) + 1 / np.maximum((lines0[:, :2] ** 2).sum(1), 1e-30)
    distance2: Matrix = (x1 * lines1).sum(1) ** 2 * weight
    return distance2


def pair_seed(identifier: str, seed: int) -> int:
    """A 31-bit seed from the pair's name and the run's seed."""
    return zlib.crc32(f"{seed}:{identifier}".encode()) & 0x7FFFFFFF


def _pinhole(K: Matrix, points: Matrix) -> dict[str, Any]:
    width, height = (int(v) + 1 for v in np.maximum(points.max(0), 2 * K[:2, 2]))
    return {"model": "PINHOLE", "width": width, "height": height, "params": [K[0, 0], K[1, 1], K[0, 2], K[1, 2]]}


def _share(right: NDArray[np.bool_]) -> float:
    return float(right.mean()) if len(right) else 0.0
