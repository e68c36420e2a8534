"""Two point clouds, aligned through what they look like from above."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gim_data.types import Floats, Image, Matcher, Matches
from gim_models.downstream.bev.clouds import Cloud
from gim_models.downstream.bev.raster import Frame, Kind, frame_for, rasterize
from gim_models.downstream.bev.rigid import Rigid, fit_rigid, turn

_FLOOR_CELL = 1.0  # metres, the size of places whose floors are compared
_FLOOR_RANK = 0.1  # quantile of the heights in a place that is its floor: the lowest point may be an echo
_FLOOR_PLACES = 10  # fewest places seen by both clouds


@dataclass(frozen=True)
class BevSettings:
    """How clouds are drawn and aligned.

    Attributes:
        kind: what the picture shows.
        radius: metres to each side, at most; less where no cloud reaches that far.
        cell: metres per pixel; None for about 500 pixels across.
        tolerance: metres between a moved keypoint and its match, at most; None for three cells.
        headings: how many headings of cloud 0 are tried, evenly spread over a turn; the best supported one counts.
        least: inliers below which a motion may be chance.
        seed: of RANSAC.
    """

    kind: Kind = "height"
    radius: float = 50.0
    cell: float | None = None
    tolerance: float | None = None
    headings: int = 1
    least: int = 8
    seed: int = 0


@dataclass(frozen=True)
class Alignment:
    """What became of a pair of clouds.

    Attributes:
        T_0to1: (4, 4) float64, sensor 0 to sensor 1: a turn about z and a shift; None with a ``reason``.
        image0, image1: the pictures that were matched; picture 0 shows cloud 0 turned by ``heading``.
        frame: their common scale.
        heading: radians by which cloud 0 was turned before it was drawn.
        matches: all, in pixels of the pictures.
        inliers: (N,) bool.
        reason: why there is no motion, or "".
    """

    T_0to1: NDArray[np.float64] | None
    image0: Image
    image1: Image
    frame: Frame
    heading: float
    matches: Matches
    inliers: NDArray[np.bool_]
    reason: str = ""

    def facts(self) -> dict[str, Any]:
        """What is written as JSON: metres and degrees."""
        facts: dict[str, Any] = {
            "matches": len(self.matches),
            "inliers": int(self.inliers.sum()),
            "reason": self.reason,
            "cell_m": self.frame.cell,
            "radius_m": self.frame.radius,
            "heading_deg": float(np.degrees(self.heading)),
            "T_0to1": None,
        }
        if self.T_0to1 is not None:
            x, y, z = self.T_0to1[:3, 3].tolist()
            facts |= {"T_0to1": self.T_0to1.tolist(), "yaw_deg": float(np.degrees(yaw_of(self.T_0to1)))}
            facts |= {"x_m": x, "y_m": y, "z_m": z}
        return facts


def align(matcher: Matcher, cloud0: Cloud, cloud1: Cloud, settings: BevSettings) -> Alignment:
    """Draw both clouds from above, match the pictures, find the motion in the plane and then the height.

    A matcher that knows no turned pictures can be given several headings: the cloud is turned, not the picture, so
    nothing is interpolated.

    Args:
        matcher: any.
        cloud0, cloud1: in metres, z up to a few degrees.
        settings: how.
    """
    frame = frame_for([cloud0, cloud1], radius=settings.radius, cell=settings.cell)
    image1 = rasterize(cloud1.points, frame, settings.kind)
    tried = [
        _try(matcher, cloud0, image1, frame, heading, settings)
        for heading in 2 * np.pi * np.arange(settings.headings) / settings.headings
    ]
    best, rigid = max(tried, key=lambda one: int(one[0].inliers.sum()))
    count = int(best.inliers.sum())
    if rigid is None or count < settings.least:
        reason = f"{count} of {len(best.matches)} matches agree on a motion; {settings.least} are needed"
        return replace(best, reason=reason)
    T_0to1 = lift(Rigid(rigid.yaw + best.heading, rigid.shift, rigid.inliers))
    rise = vertical_offset(moved(cloud0.points, T_0to1), cloud1.points)
    if rise is None:
        return replace(best, reason="moved onto each other, the clouds have no floor in common")
    T_0to1[2, 3] = rise
    return replace(best, T_0to1=T_0to1)


def lift(rigid: Rigid) -> NDArray[np.float64]:
    """The (4, 4) motion of a turn and a shift in the plane."""
    T = np.eye(4)
    T[:2, :2], T[:2, 3] = turn(rigid.yaw), rigid.shift
    return T


def moved(points: Floats, T: NDArray[np.float64]) -> Floats:
    """(N, 3) points through a (4, 4) motion."""
    return np.asarray(points @ T[:3, :3].T + T[:3, 3], np.float32)


def yaw_of(T: NDArray[np.float64]) -> float:
    """Radians about z of a (4, 4) motion that hardly tilts."""
    return float(np.arctan2(T[1, 0] - T[0, 1], T[0, 0] + T[1, 1]))


def vertical_offset(points0: Floats, points1: Floats) -> float | None:
    """Metres by which cloud 0, already moved in the plane, must rise to stand on the floor of cloud 1.

    The median over places of a square metre that both saw of the difference of their floors; None where there are
    fewer than ten.
    """
    (places0, floors0), (places1, floors1) = _floors(points0), _floors(points1)
    _, rows0, rows1 = np.intersect1d(places0, places1, assume_unique=True, return_indices=True)
    if len(rows0) < _FLOOR_PLACES:
        return None
    return float(np.median(floors1[rows1] - floors0[rows0]))


def _floors(points: Floats) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places as sorted keys, and a low quantile of the heights in each."""
    column_row = np.floor(points[:, :2] / _FLOOR_CELL).astype(np.int64) + 2**20
    keys = (column_row[:, 0] << 32) | column_row[:, 1]
    order = np.lexsort((points[:, 2], keys))
    places, starts, counts = np.unique(keys[order], return_index=True, return_counts=True)
    return places, points[order, 2][starts + (_FLOOR_RANK * counts).astype(np.int64)].astype(np.float64)


def _try(
    matcher: Matcher, cloud0: Cloud, image1: Image, frame: Frame, heading: float, settings: BevSettings
) -> tuple[Alignment, Rigid | None]:
    turned = lift(Rigid(heading, np.zeros(2), np.ones(0, bool)))
    image0 = rasterize(moved(cloud0.points, turned), frame, settings.kind)
    matches = matcher.match(image0, image1)
    rigid = fit_rigid(
        frame.to_metres(matches.keypoints0),
        frame.to_metres(matches.keypoints1),
        tolerance=settings.tolerance or 3 * frame.cell,
        rng=np.random.default_rng(settings.seed),
    )
    inliers = np.zeros(len(matches), bool) if rigid is None else rigid.inliers
    return Alignment(None, image0, image1, frame, heading, matches, inliers), rigid
