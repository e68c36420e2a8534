"""Where the pixels of a reference image are in the world, measured and not triangulated: depth maps and scans."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gim_data.errors import BadInput
from gim_data.pixels import read_depth
from gim_data.types import Floats, Size
from gim_models.downstream.mapping.model import Matrix

_AGREE = 0.03  # of the distance: corners of a pixel further apart than that lie on two surfaces
_CACHED = 16


class Surface(Protocol):
    """What one image shows, as points."""

    def points(self, pixels: Floats) -> Matrix:
        """(N, 3) world points at (N, 2) pixels of the image; NaN where nothing was measured.

        Raises:
            BadInput: the file cannot be read.
        """
        ...


@dataclass(frozen=True)
class DepthMap:
    """A depth map: 16-bit PNG of millimetres along the optical axis, 0 where unknown.

    Attributes:
        path: the file; of any size, it shows what the image shows.
        K: (3, 3) intrinsics of the image.
        T_w2c: (4, 4) of the image.
        size: (width, height) of the image.
    """

    path: Path
    K: Matrix
    T_w2c: Matrix
    size: Size

    def points(self, pixels: Floats) -> Matrix:
        """World points: along each pixel's ray to its depth."""
        grid = _read_depth(self.path)
        depth = sampled(grid, _resized(pixels, self.size, grid))[:, 0]
        rays = np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.inv(self.K).T
        seen = rays * depth[:, None] - self.T_w2c[:3, 3]
        return np.asarray(seen @ self.T_w2c[:3, :3])


@dataclass(frozen=True)
class Scan:
    """A cutout of a laser scan as InLoc has them: ``XYZcut`` (H, W, 3) in a MATLAB file, NaN where unknown.

    Attributes:
        path: the file.
        T_s2w: (4, 4) scanner to world.
        size: (width, height) of the image.
    """

    path: Path
    T_s2w: Matrix
    size: Size

    def points(self, pixels: Floats) -> Matrix:
        """World points of the scan."""
        grid = _read_scan(self.path)
        found = sampled(grid, _resized(pixels, self.size, grid))
        return np.asarray(found @ self.T_s2w[:3, :3].T + self.T_s2w[:3, 3])


def sampled(grid: NDArray[np.floating], pixels: Floats) -> Matrix:
    """Values of a (H, W, C) grid at (N, 2) pixels, bilinear; NaN outside, and where nothing was measured.

    Where the four corners of a pixel lie on two surfaces, or one of them is unknown, the nearest corner counts: the
    mean of foreground and background is a point that does not exist.
    """
    height, width = grid.shape[:2]
    inside = ((pixels >= -0.5) & (pixels <= np.array([width, height]) - 0.5)).all(axis=1)
    clipped = pixels.astype(np.float64).clip(0, np.array([width, height]) - 1)
    low = np.minimum(np.floor(clipped).astype(int), np.maximum(np.array([width, height]) - 2, 0))
    high = np.minimum(low + 1, np.array([width, height]) - 1)
    share = clipped - low
    corners = np.stack([grid[y, x] for y in (low[:, 1], high[:, 1]) for x in (low[:, 0], high[:, 0])], axis=1)
    weights = np.stack([v * u for v in (1 - share[:, 1], share[:, 1]) for u in (1 - share[:, 0], share[:, 0])], axis=1)
    mean = (corners * weights[..., None]).sum(axis=1)
    nearest = corners[np.arange(len(pixels)), weights.argmax(axis=1)]
    ranges = np.linalg.norm(corners, axis=2)
    spread = ranges.max(axis=1) - ranges.min(axis=1)  # NaN, and so not one surface, where a corner is unknown
    found = np.where((spread <= _AGREE * ranges.min(axis=1))[:, None], mean, nearest).astype(np.float64)
    found[~inside] = np.nan
    return np.asarray(found)


def _resized(pixels: Floats, size: Size, grid: NDArray[np.floating]) -> Floats:
    """Pixels of the image as pixels of its grid."""
    factor = np.array(grid.shape[1::-1], np.float64) / np.array(size)
    return np.asarray((pixels + 0.5) * factor - 0.5, np.float32)


@lru_cache(_CACHED)
def _read_depth(path: Path) -> NDArray[np.float64]:
    depth = read_depth(path).astype(np.float64)
    depth[depth == 0] = np.nan
    return np.asarray(depth[..., None])


@lru_cache(_CACHED)
def _read_scan(path: Path) -> NDArray[np.float64]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        grid = np.asarray(loadmat(path)["XYZcut"], np.float64)
    except (OSError, ValueError, KeyError, NotImplementedError, TypeError, MatReadError) as error:
        raise BadInput(f"scan {path} cannot be read: {error}", "restore it; it holds XYZcut (H, W, 3)") from None
    if grid.ndim != 3 or grid.shape[2] != 3:
        raise BadInput(f"scan {path}: XYZcut has the shape {grid.shape}", "it must be (H, W, 3)")
    return grid
