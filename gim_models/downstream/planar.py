"""A homography between two images, and whether the scene has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gim_data.labels.robust import Model, fit_fundamental, fit_homography
from gim_data.types import Matches
from gim_models.downstream.chance import likely
from gim_models.downstream.residuals import transfer_distance

Verdict = Literal["yes", "partly", "no"]
SAMPLE = 4
"""Matches that fix a homography: more have to agree before it says anything."""
_MOST = 0.85  # share of the matches with an epipolar geometry that one plane must hold to stand for the scene
_SOME = 0.3  # ... to stand for a part of it
_EPIPOLAR = 1 / 3  # threshold of the epipolar fit, over that of the homography: a line asks less than a point


@dataclass(frozen=True)
class Planar:
    """A homography and what speaks for it.

    Attributes:
        H_0to1: (3, 3) float64, last entry 1, or None where no four matches agree on one.
        inliers: (N,) bool.
        verdict: ``"yes"``: one plane, or a camera that only turned; ``"partly"``: a plane among other things; ``"no"``.
        reason: the verdict in words.
        share: of the matches that a rigid scene explains, those on the plane; NaN where unknown.
        error_px: median transfer error of the inliers, NaN without any.
    """

    H_0to1: NDArray[np.float64] | None
    inliers: NDArray[np.bool_]
    verdict: Verdict
    reason: str
    share: float = float("nan")
    error_px: float = float("nan")

    def facts(self) -> dict[str, Any]:
        """What is written as JSON."""
        return {
            "H_0to1": None if self.H_0to1 is None else self.H_0to1.tolist(),
            "verdict": self.verdict,
            "reason": self.reason,
            "matches": len(self.inliers),
            "inliers": int(self.inliers.sum()),
            "share_of_rigid_matches": None if np.isnan(self.share) else self.share,
            "median_inlier_error_px": None if np.isnan(self.error_px) else self.error_px,
        }


def estimate_homography(matches: Matches, *, threshold: float) -> Planar:
    """Robust homography (MAGSAC), and a verdict by comparison with the epipolar geometry of the same matches.

    Parallax is what a homography cannot explain and an epipolar geometry can. So where the scene is one plane, or the
    camera only turned, the homography holds nearly all that the epipolar geometry holds.

    Args:
        matches: of one pair.
        threshold: largest distance in image 1 of an inlier to its point, pixels.
    """
    points0, points1 = matches.keypoints0, matches.keypoints1
    nothing = np.zeros(len(matches), bool)
    if len(matches) <= SAMPLE:
        return Planar(None, nothing, "no", f"only {len(matches)} matches, of which any {SAMPLE} fit one")
    plane = fit_homography(points0, points1, threshold=threshold, iterations=10_000)
    if plane is None or abs(plane.matrix[2, 2]) < 1e-12:
        return Planar(None, nothing, "no", "no four matches agree on a homography")
    rigid = fit_fundamental(points0, points1, threshold=threshold * _EPIPOLAR)
    share = _share(plane, rigid)
    verdict, reason = _by_chance(plane, matches, threshold) or judge(plane, share)
    error = np.median(transfer_distance(plane.matrix, points0, points1)[plane.inliers])
    return Planar(plane.matrix / plane.matrix[2, 2], plane.inliers, verdict, reason, share, float(error))


def _by_chance(plane: Model, matches: Matches, threshold: float) -> tuple[Verdict, str] | None:
    """The verdict on a homography that wrong matches would reach as well, else None.

    A wrong match ends in the disc around its point as often as that covers image 1. Matches that share a place in
    either image count once: they are right or wrong together.
    """
    agreed = min(
        len(np.unique(np.round(points[plane.inliers] / (2 * threshold)), axis=0))
        for points in (matches.keypoints0, matches.keypoints1)
    )
    luck = np.pi * threshold**2 / (matches.size1[0] * matches.size1[1])
    if not likely(agreed, len(matches), SAMPLE, luck):
        return None
    count = f"only {int(plane.inliers.sum())} of {len(matches)} matches agree on it"
    return "no", f"{count}: chance gives as many, no overlap is to be seen"


def judge(plane: Model, share: float) -> tuple[Verdict, str]:
    """Whether a homography with that share of the rigid matches stands for the scene, and why."""
    count = int(plane.inliers.sum())
    if np.isnan(share):
        return "yes", f"{count} of {len(plane.inliers)} matches agree, and no epipolar geometry fits better"
    percent = f"{100 * share:.0f} %"
    if share >= _MOST:
        return (
            "yes",
            f"it holds {percent} of the matches that fit a rigid scene: one plane, or a camera that only turned",
        )
    if share >= _SOME:
        return "partly", f"it holds {percent} of the matches that fit a rigid scene: the rest shows parallax"
    return (
        "no",
        f"it holds only {percent} of the matches that fit a rigid scene: the scene is not flat and the camera moved",
    )


def _share(plane: Model, rigid: Model | None) -> float:
    if rigid is None or not rigid.inliers.any():
        return float("nan")
    return float((plane.inliers & rigid.inliers).sum() / rigid.inliers.sum())
