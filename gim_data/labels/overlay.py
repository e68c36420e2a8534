"""What is painted onto the picture instead of being in the scene, found from how it moves, or rather does not.

GIM drops every match that moves less than a pixel (GIM.md 1.6). That also removes everything a standing camera sees and
the far background ahead of a driving one. Here a *place* is called an overlay when its matches stay put in most of the
pairs in which the rest of the picture moves; pairs that do not move say nothing and lose nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gim_data.labels.config import OverlayConfig
from gim_data.types import Floats, Matches, Size


def motion(matches: Matches) -> Floats:
    """(N,) how far each match moves, pixels: the larger of both axes, as in GIM.md 1.6."""
    return np.asarray(np.abs(matches.keypoints1 - matches.keypoints0).max(axis=1, initial=0.0))


def is_static(matches: Matches, config: OverlayConfig) -> bool:
    """Whether the picture as a whole stands still: the median match moves less than ``static_px``."""
    return bool(len(matches)) and float(np.median(motion(matches))) < config.static_px


def overlay_mask(pairs: Iterable[Matches], size: Size, config: OverlayConfig) -> NDArray[np.bool_]:
    """Where the video carries an overlay.

    Args:
        pairs: matches of many frame pairs of one video, of any teachers and skips.
        size: (width, height) of the frames.
        config: when a place counts as one.

    Returns:
        (rows, columns) bool over cells of ``cell_px``, True on the overlay; all False for a camera that stands still.
    """
    columns, rows = (-(-side // config.cell_px) for side in size)
    static, moving = np.zeros((rows, columns)), np.zeros((rows, columns))
    informative = 0
    for matches in pairs:
        moved = motion(matches)
        if len(matches) == 0 or np.median(moved) < config.moving_px:
            continue
        informative += 1
        for counts, chosen in ((static, moved < config.static_px), (moving, moved >= config.static_px)):
            row, column = _cells(matches.keypoints0[chosen], config.cell_px, counts.shape)
            counts[tuple(np.unique(np.stack([row, column]), axis=1))] += 1
    if informative < config.min_pairs:
        return np.zeros((rows, columns), bool)
    often = static >= config.presence * informative
    return often & (static >= config.share * (static + moving))


def on_overlay(matches: Matches, mask: NDArray[np.bool_], config: OverlayConfig) -> NDArray[np.bool_]:
    """(N,) bool, True for a match that stands still on an overlay cell."""
    row, column = _cells(matches.keypoints0, config.cell_px, mask.shape)
    return np.asarray(mask[row, column] & (motion(matches) < config.static_px))


def _cells(points: Floats, cell_px: int, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    cells = np.floor((points + 0.5) / cell_px).astype(np.int64)
    return cells[:, 1].clip(0, shape[0] - 1), cells[:, 0].clip(0, shape[1] - 1)
