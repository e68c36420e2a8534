"""Which frame pairs are matched directly: skips in true time, never across a shot boundary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gim_data.types import Floats


def skip_pairs(
    times: NDArray[np.float64], shots: NDArray[np.int32], skips: Sequence[float]
) -> list[list[tuple[int, int]]]:
    """For every skip, the frame pairs that lie about that long apart.

    Args:
        times: (F,) seconds, increasing within a shot; the spacing may vary.
        shots: (F,) shot of each frame; frames of one shot are consecutive.
        skips: seconds.

    Returns:
        One list of ``(frame0, frame1)`` per skip. A frame's partner is the later frame of its shot nearest in time,
        and none where even that is more than half the sampling interval off (a gap in the recording). A pair that
        two skips ask for belongs to the shorter one, so that no teacher counts twice.
    """
    tolerance = _interval(times, shots) * 0.5 + 1e-6
    taken: set[tuple[int, int]] = set()
    found: dict[float, list[tuple[int, int]]] = {}
    for skip in sorted(skips):
        fresh = [pair for pair in _pairs(times, shots, skip, tolerance) if pair not in taken]
        taken.update(fresh)
        found[skip] = fresh
    return [found[skip] for skip in skips]


def _interval(times: NDArray[np.float64], shots: NDArray[np.int32]) -> float:
    inside = np.diff(times)[np.diff(shots) == 0]
    return float(np.median(inside)) if len(inside) else 0.0


def _pairs(
    times: NDArray[np.float64], shots: NDArray[np.int32], skip: float, tolerance: float
) -> list[tuple[int, int]]:
    pairs = []
    for shot in np.unique(shots):
        frames = np.flatnonzero(shots == shot)
        own = times[frames]
        right = np.searchsorted(own, own + skip).clip(1, len(own) - 1) if len(own) > 1 else np.zeros(0, int)
        nearest = np.where(
            own[right] - (own[: len(right)] + skip) <= own[: len(right)] + skip - own[right - 1], right, right - 1
        )
        for i, j in enumerate(np.maximum(nearest, np.arange(len(right)) + 1)):
            if j < len(own) and abs(own[j] - own[i] - skip) <= tolerance:
                pairs.append((int(frames[i]), int(frames[j])))
    return pairs


def reach(pairs: Sequence[Sequence[tuple[int, int]]]) -> int:
    """The longest pair, in frames: how many frames back features must be kept."""
    return max((b - a for group in pairs for a, b in group), default=0)


def in_frame(points: Floats, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(N,) bool, True for a finite point inside a frame of ``size`` (width, height)."""
    x, y = points[:, 0], points[:, 1]  # nothing compares with a NaN, and infinity is too large
    return np.asarray((x >= -0.5) & (y >= -0.5) & (x <= size[0] - 0.5) & (y <= size[1] - 0.5))
