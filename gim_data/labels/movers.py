"""What moves by itself: places where neighbouring matches agree with each other and not with the motion of the camera.

A match that leaves the epipolar geometry is dropped wherever it is. But of the matches on a car or a walker some agree
with it by chance, and all do over a short time. So a *place* is called a mover, as it is an overlay: where most matches
of a pair go another way than the camera says, and the same way as those beside them, nothing of that frame is kept in
any of its pairs. Over a long skip a slow mover shows what it is, and the short skips learn it from there. What moves
along the epipolar lines, as a car ahead of a driving camera does, no two views tell from what stands still.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gim_data.labels.config import MoversConfig
from gim_data.labels.robust import Fit, homography_px, sampson_px
from gim_data.types import Floats, Matches, Size

_BESIDE = 4  # neighbours that are asked whether they go the same way; most of them must
_ALIKE = 0.2  # of its own motion that a neighbour's may differ, where that is more than ``residual_px``
Cells = NDArray[np.bool_]


@dataclass(frozen=True)
class Movers:
    """Where something moves by itself, frame by frame.

    Attributes:
        cell_px: side of a cell, pixels.
        cells: frame -> (rows, columns) bool; a frame without movers is not in it.
    """

    cell_px: int = 1
    cells: dict[int, Cells] = field(default_factory=dict)

    def on(self, frame: int, points: Floats) -> NDArray[np.bool_]:
        """(N,) bool, which of (N, 2) pixels of a frame lie on a mover."""
        cells = self.cells.get(frame)
        if cells is None:
            return np.zeros(len(points), bool)
        return np.asarray(cells[_cells(points, self.cell_px, cells.shape)])

    def __or__(self, other: Movers) -> Movers:
        """What either calls a mover; both have cells of one size, or one has none."""
        both = dict(self.cells)
        for frame, cells in other.cells.items():
            both[frame] = both[frame] | cells if frame in both else cells
        return Movers(max(self.cell_px, other.cell_px), both)


NO_MOVERS = Movers()
Evidence = tuple[tuple[int, int], Matches, Fit]


def find_movers(pairs: Iterable[Evidence], size: Size, config: MoversConfig) -> Movers:
    """The movers of a video.

    Args:
        pairs: frames, matches (those that a fit rejected among them) and fit of every pair.
        size: (width, height) of the frames.
        config: what makes one.
    """
    columns, rows = (-(-side // config.cell_px) for side in size)
    cells: dict[int, Cells] = {}
    for frames, matches, fit in pairs:
        alone = on_their_own(matches, fit, config)
        if alone.sum() < config.least:
            continue
        for frame, points in zip(frames, (matches.keypoints0, matches.keypoints1), strict=True):
            found = _crowded(points[alone], points[fit.inliers], (rows, columns), config)
            if found.any():
                cells[frame] = cells.get(frame, np.zeros((rows, columns), bool)) | found
    return Movers(config.cell_px, cells)


def on_their_own(matches: Matches, fit: Fit, config: MoversConfig) -> NDArray[np.bool_]:
    """(N,) bool, the matches that leave the camera's motion together with the matches beside them."""
    alone = np.zeros(len(matches), bool)
    if fit.matrix is None:
        return alone
    residual = homography_px if fit.model == "homography" else sampson_px
    far = np.flatnonzero(residual(fit.matrix, matches.keypoints0, matches.keypoints1) > config.residual_px)
    if len(far) <= _BESIDE:
        return alone
    places = matches.keypoints0[far]
    motion = matches.keypoints1[far] - places
    near = cKDTree(places).query(places, k=_BESIDE + 1)
    distance, beside = np.asarray(near[0]), np.asarray(near[1])  # the first of each is the match itself
    difference = np.linalg.norm(motion[beside[:, 1:]] - motion[:, None], axis=2)
    allowed = np.maximum(config.residual_px, _ALIKE * np.linalg.norm(motion, axis=1))
    agree = (difference <= allowed[:, None]) & (distance[:, 1:] <= 2 * config.cell_px)
    alone[far[agree.sum(axis=1) > _BESIDE // 2]] = True
    return alone


def _crowded(moving: Floats, still: Floats, shape: tuple[int, int], config: MoversConfig) -> Cells:
    """The cells in and around which most of the matches are moving ones."""
    counts = [np.zeros(shape, np.float32) for _ in range(2)]
    for count, points in zip(counts, (moving, still), strict=True):
        np.add.at(count, _cells(points, config.cell_px, shape), 1)
    near, others = (cv2.boxFilter(c, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT) for c in counts)
    return np.asarray((near >= config.least) & (near >= config.share * (near + others)))


def _cells(points: Floats, cell_px: int, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    cells = np.floor((points + 0.5) / cell_px).astype(np.int64)
    return cells[:, 1].clip(0, shape[0] - 1), cells[:, 0].clip(0, shape[1] - 1)
