"""A sparse map as plain arrays: cameras, poses, points, tracks. What mapping returns and everything else reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gim_data.types import Floats, Size

Matrix = NDArray[np.float64]
HALF = 0.5
"""COLMAP puts the centre of the top-left pixel at (0.5, 0.5), this project at (0, 0)."""
DEFAULT_MODEL = "SIMPLE_RADIAL"
FOCAL_GUESS = 1.2
"""Focal length over long side where nothing is known, COLMAP's own guess."""

_LAYOUT = {  # positions of fx, fy, cx, cy and of k1, k2, p1, p2 among the parameters
    "SIMPLE_PINHOLE": ((0, 0, 1, 2), ()),
    "PINHOLE": ((0, 1, 2, 3), ()),
    "SIMPLE_RADIAL": ((0, 0, 1, 2), (3,)),
    "RADIAL": ((0, 0, 1, 2), (3, 4)),
    "OPENCV": ((0, 1, 2, 3), (4, 5, 6, 7)),
}
CAMERA_MODELS = tuple(_LAYOUT)


@dataclass(frozen=True)
class MapCamera:
    """A camera shared by images of one size.

    Attributes:
        model: COLMAP's name, one of ``CAMERA_MODELS``.
        params: in COLMAP's order and COLMAP's pixels (principal point half a pixel larger than ours).
        size: (width, height) in pixels.
        known_focal: whether the focal length is more than a guess.
    """

    model: str
    params: tuple[float, ...]
    size: Size
    known_focal: bool = False

    @property
    def K(self) -> Matrix:  # noqa: N802
        """(3, 3) intrinsics, centre of the top-left pixel at (0, 0)."""
        fx, fy, cx, cy = (self.params[i] for i in _LAYOUT[self.model][0])
        return np.array([[fx, 0, cx - HALF], [0, fy, cy - HALF], [0, 0, 1]])

    @property
    def distortion(self) -> dict[str, float]:
        """OpenCV's k1, k2, p1, p2, those that the model has."""
        return dict(zip(("k1", "k2", "p1", "p2"), (self.params[i] for i in _LAYOUT[self.model][1]), strict=False))

    @classmethod
    def from_intrinsics(cls, K: Matrix, size: Size) -> MapCamera:
        """An undistorted camera with known (3, 3) intrinsics in our pixels."""
        params = (float(K[0, 0]), float(K[1, 1]), float(K[0, 2] + HALF), float(K[1, 2] + HALF))
        return cls("PINHOLE", params, size, known_focal=True)

    @classmethod
    def guess(cls, size: Size, focal: float | None, model: str = DEFAULT_MODEL) -> MapCamera:
        """A camera to start from: EXIF's focal length or 1.2 long sides, centred, no distortion."""
        length = focal if focal is not None else FOCAL_GUESS * max(size)
        where, more = _LAYOUT[model]
        params = [0.0] * (max((*where, *more)) + 1)
        for position, value in zip(where, (length, length, size[0] / 2, size[1] / 2), strict=True):
            params[position] = value
        return cls(model, tuple(params), size, focal is not None)


@dataclass(frozen=True)
class CameraPlan:
    """Which image has which camera.

    Attributes:
        names: image names.
        cameras: the cameras.
        camera_of: row of its camera for each image.
    """

    names: Sequence[str]
    cameras: Sequence[MapCamera]
    camera_of: Sequence[int]


@dataclass(frozen=True)
class MapView:
    """One registered image.

    Attributes:
        camera: its camera.
        T_w2c: (4, 4) float64.
        keypoints: (N, 2) float32 pixels, ours.
        points: (N,) int64 rows of the map's points, -1 where a keypoint has none.
    """

    camera: MapCamera
    T_w2c: Matrix
    keypoints: Floats
    points: NDArray[np.int64]

    @property
    def centre(self) -> Matrix:
        """(3,) camera centre in the world."""
        centre: Matrix = -self.T_w2c[:3, :3].T @ self.T_w2c[:3, 3]
        return centre


@dataclass(frozen=True)
class SparseMap:
    """Registered images by name, and points.

    Attributes:
        views: image name -> view, registered images only.
        points: (P, 3) float64 world coordinates.
        colours: (P, 3) uint8.
        errors: (P,) mean reprojection error of each point, pixels.
        track_lengths: (P,) images that see each point.
    """

    views: Mapping[str, MapView]
    points: Matrix
    colours: NDArray[np.uint8]
    errors: Matrix
    track_lengths: NDArray[np.int64]

    @property
    def reprojection_error(self) -> float:
        """Mean over observations, pixels; NaN without points."""
        seen = self.track_lengths.sum()
        return float((self.errors * self.track_lengths).sum() / seen) if seen else float("nan")

    @property
    def track_length(self) -> float:
        """Mean images per point; NaN without points."""
        return float(self.track_lengths.mean()) if len(self.track_lengths) else float("nan")
