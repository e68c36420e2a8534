"""A point cloud from above, as a picture with a scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.types import Floats, Image
from gim_models.downstream.bev.clouds import Cloud

Kind = Literal["density", "height", "both"]
_ACROSS = 500  # cells from one side to the other where no cell size is given
_REACH = 99  # percentile of the points' distances that the picture reaches to
_STOREYS = 10  # occupied cells above each other at which density is white
_TALL = 20  # cells of height above the floor at which height is white
_FLAT = 1.5  # cells of height below which a column is floor, and black: a lidar's rings move with the lidar
_AROUND = 15  # cells around a place in which its floor is looked for
_BLUR = 1.8  # cells; keypoints on single returns do not repeat


@dataclass(frozen=True)
class Frame:
    """The square that a picture shows: ``radius`` metres to each side of the origin, in cells of ``cell`` metres.

    Row 0 is farthest forward (+x is up), column 0 farthest left (+y is left), as on a map whose north is forward.
    """

    radius: float
    cell: float

    @property
    def side(self) -> int:
        """Cells across."""
        return 2 * int(np.ceil(self.radius / self.cell))

    def to_pixels(self, metres: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N, 2) x forward, y left in metres as pixels; the centre of the top-left cell is (0, 0)."""
        edge = self.side * self.cell / 2
        return (edge - np.asarray(metres, np.float64)[:, ::-1]) / self.cell - 0.5

    def to_metres(self, pixels: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N, 2) pixels as x forward, y left in metres."""
        edge = self.side * self.cell / 2
        return edge - (np.asarray(pixels, np.float64)[:, ::-1] + 0.5) * self.cell


def frame_for(clouds: Sequence[Cloud], *, radius: float, cell: float | None) -> Frame:
    """One frame for clouds that are compared.

    Args:
        clouds: in metres.
        radius: the most to show; less where no cloud reaches that far.
        cell: metres, or None for about 500 cells across.
    """
    reach = max(float(np.percentile(np.linalg.norm(cloud.points[:, :2], axis=1), _REACH)) for cloud in clouds)
    shown = max(min(radius, reach), 1e-3)
    return Frame(shown, cell or 2 * shown / _ACROSS)


def rasterize(points: Floats, frame: Frame, kind: Kind) -> Image:
    """Draw a cloud from above.

    Args:
        points: (N, 3) metres.
        frame: what to show.
        kind: ``density``: how many cells above each other hold points; ``height``: how far the highest point is above
            the floor nearby; ``both``: the mean of the two.

    Returns:
        (side, side, 3) uint8, grey; the floor and what was not seen are black.
    """
    column_row = np.round(frame.to_pixels(points[:, :2])).astype(np.int64)
    inside = ((column_row >= 0) & (column_row < frame.side)).all(axis=1)
    flat = column_row[inside, 1] * frame.side + column_row[inside, 0]
    levels = points[inside, 2].astype(np.float64) / frame.cell
    lowest, highest = np.full(frame.side**2, np.inf), np.full(frame.side**2, -np.inf)
    np.minimum.at(lowest, flat, levels)
    np.maximum.at(highest, flat, levels)
    shape = (frame.side, frame.side)
    floor = cv2.erode(lowest.reshape(shape).astype(np.float32), np.ones((_AROUND, _AROUND), np.uint8))
    above = np.maximum(highest.reshape(shape) - floor, 0)
    grey = _KINDS[kind](above, _storeys(flat, levels, frame.side)) * (above > _FLAT)
    smooth = cv2.GaussianBlur(np.sqrt(grey.clip(0, 1)).astype(np.float32), (0, 0), _BLUR)
    return np.repeat(np.round(255 * smooth).astype(np.uint8)[..., None], 3, axis=2)


def _storeys(flat: NDArray[np.int64], levels: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """(side, side) number of occupied cells above each other, less the one that a floor occupies."""
    level = np.floor(levels).astype(np.int64)
    level -= level.min(initial=0)
    occupied = np.unique(flat * (level.max(initial=0) + 1) + level) // (level.max(initial=0) + 1)
    storeys: NDArray[np.float64] = np.maximum(np.bincount(occupied, minlength=side**2).reshape(side, side) - 1.0, 0)
    return storeys


def _density(above: NDArray[np.float64], storeys: NDArray[np.float64]) -> NDArray[np.float64]:
    return storeys / _STOREYS


def _height(above: NDArray[np.float64], storeys: NDArray[np.float64]) -> NDArray[np.float64]:
    return above / _TALL


def _both(above: NDArray[np.float64], storeys: NDArray[np.float64]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = (_density(above, storeys).clip(0, 1) + _height(above, storeys).clip(0, 1)) / 2
    return mean


_KINDS: Mapping[Kind, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]] = {
    "density": _density,
    "height": _height,
    "both": _both,
}
