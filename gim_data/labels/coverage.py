"""Where in the frame points lie, on a coarse grid: what "overlap" and "coverage" mean for labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gim_data.types import Floats, Size

COLUMNS = 16
"""Cells along the longer side. Coarse on purpose: a cell is seen when *something* in it is still followed, so that the
loss of single keypoints (detector noise) does not read as loss of overlap."""


def grid_size(size: Size) -> int:
    """How many cells the grid over a frame of ``size`` (width, height) has."""
    across, down = _shape(size)
    return across * down


def cell_of(points: Floats, size: Size) -> NDArray[np.int32]:
    """(N,) the grid cell of each point."""
    across, down = _shape(size)
    pitch = max(size) / COLUMNS
    cells = np.floor((points + 0.5) / pitch).astype(np.int32)
    return np.asarray(cells[:, 0].clip(0, across - 1) + across * cells[:, 1].clip(0, down - 1), np.int32)


def overlap_of(kept: Floats, covered: Floats, size: Size) -> float:
    """Share of the cells touched by ``covered`` (N, 2) that ``kept`` (M, 2) touches too; 0 without any."""
    whole = np.unique(cell_of(covered, size))
    return float(np.isin(whole, cell_of(kept, size)).mean()) if len(whole) else 0.0


def _shape(size: Size) -> tuple[int, int]:
    pitch = max(size) / COLUMNS
    return int(np.ceil(size[0] / pitch)), int(np.ceil(size[1] / pitch))
