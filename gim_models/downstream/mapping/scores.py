"""How good a map is: against reference cameras after similarity alignment, and by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gim_data.bench.posed import Camera
from gim_models.downstream.mapping.model import Matrix, SparseMap

CLOSE = 0.01
"""A camera is right where its centre is within this share of the extent of the reference."""


@dataclass(frozen=True)
class Similarity:
    """``y = scale * R @ x + t``."""

    scale: float
    R: Matrix
    t: Matrix

    def apply(self, points: Matrix) -> Matrix:
        """(N, 3) points mapped."""
        mapped: Matrix = self.scale * points @ self.R.T + self.t
        return mapped


@dataclass(frozen=True)
class MapScore:
    """One map against its reference; numbers that cannot be had are None.

    Attributes:
        images: reference images.
        registered: of these, images in the map.
        extent: largest distance between two reference camera centres, in the reference's units.
        centre_error: median distance of registered centres after alignment, in the reference's units.
        relative_error: the same over the extent.
        rotation_deg: median rotation error of registered images, degrees.
        within_1_percent: share of all reference images whose centre is within 1 % of the extent; those that are
            missing count as wrong.
        points, track_length, reprojection_px: of the map itself.
    """

    images: int
    registered: int
    extent: float
    centre_error: float | None
    relative_error: float | None
    rotation_deg: float | None
    within_1_percent: float
    points: int
    track_length: float | None
    reprojection_px: float | None

    def as_json(self) -> dict[str, Any]:
        """Field names and values."""
        return asdict(self)


def score_map(found: SparseMap | None, reference: Sequence[Camera]) -> MapScore:
    """Score a map.

    Args:
        found: the map, or None where mapping failed.
        reference: true cameras; images are told apart by file name.
    """
    centres = np.array([centre_of(camera.T_w2c) for camera in reference])
    extent = extent_of(centres)
    names = [camera.image.name for camera in reference]
    rows = [row for row, name in enumerate(names) if found is not None and name in found.views]
    if found is None or len(rows) < 3:
        return MapScore(len(names), len(rows), extent, None, None, None, 0.0, 0, None, None)
    views = [found.views[names[row]] for row in rows]
    aligned = align(np.array([view.centre for view in views]), centres[rows])
    errors = np.linalg.norm(aligned.apply(np.array([view.centre for view in views])) - centres[rows], axis=1)
    turns = [
        rotation_angle(reference[row].T_w2c[:3, :3] @ aligned.R @ view.T_w2c[:3, :3].T)
        for row, view in zip(rows, views, strict=True)
    ]
    return MapScore(
        len(names),
        len(rows),
        extent,
        float(np.median(errors)),
        float(np.median(errors)) / extent,
        float(np.median(turns)),
        float((errors < CLOSE * extent).sum() / len(names)),
        len(found.points),
        _known(found.track_length),
        _known(found.reprojection_error),
    )


def align(source: Matrix, target: Matrix) -> Similarity:
    """The similarity that takes (N, 3) points to (N, 3) points with least squares (Umeyama, PAMI 1991).

    Three or more points are needed, not all on a line.
    """
    mean0, mean1 = source.mean(0), target.mean(0)
    centred0, centred1 = source - mean0, target - mean1
    U, singular, Vt = np.linalg.svd(centred1.T @ centred0 / len(source))
    mirror = np.array([1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])
    R = U * mirror @ Vt
    variance = (centred0**2).sum() / len(source)
    scale = float((singular * mirror).sum() / max(variance, 1e-30))
    return Similarity(scale, R, mean1 - scale * R @ mean0)


def centre_of(T_w2c: Matrix) -> Matrix:
    """(3,) camera centre of a (4, 4) world-to-camera pose."""
    centre: Matrix = -T_w2c[:3, :3].T @ T_w2c[:3, 3]
    return centre


def extent_of(centres: Matrix) -> float:
    """Largest distance between two of (N, 3) points."""
    return float(max((np.linalg.norm(centres - centre, axis=1).max() for centre in centres), default=0.0))


def rotation_angle(R: Matrix) -> float:
    """Angle of a (3, 3) rotation in degrees."""
    # By its chord, not by its trace: arccos loses everything below a hundredth of a degree.
    chord = np.linalg.norm(R - np.eye(3)) / np.sqrt(8)
    return float(np.degrees(2 * np.arcsin(min(1.0, chord))))


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
