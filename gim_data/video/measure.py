"""One pass over a video at reduced size: what each frame looks like, where the cuts are, whether the camera moves."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from gim_data.types import Image
from gim_data.video.config import ShotsConfig

_CELL = 16  # pixels of a texture cell at analysis size
_GRADIENT = 12.0  # grey levels a pixel, root mean square over the cell, above which it has texture
_CORNERS = 200
_REPEATED = 0.3  # mean difference in grey levels under which a frame repeats the one before
_HELD = 4  # repeats in a row that are held back; a longer pause is a picture of its own
_PROBES = 4  # times per ``static_gap`` that motion is measured


@dataclass(frozen=True)
class Measures:
    """What one pass over a video measured; F frames were looked at.

    Attributes:
        time: (F,) presentation seconds, increasing.
        luma: (F,) mean luma, 0-255.
        bright: (F,) share of pixels that are clipped to white.
        texture: (F,) share of cells with texture.
        still: (F,) share of corners that one small shift explains, as for a standing camera; 0 where unknown.
        cuts: (F,) True on the first frame after a cut.
    """

    time: NDArray[np.float64]
    luma: NDArray[np.float32]
    bright: NDArray[np.float32]
    texture: NDArray[np.float32]
    still: NDArray[np.float32]
    cuts: NDArray[np.bool_]


def measure(frames: Iterable[tuple[float, Image]], config: ShotsConfig) -> Measures:
    """Measure a video, frame by frame, in constant memory.

    Args:
        frames: (presentation seconds, (H, W, 3) BGR) at analysis size.
        config: cut and motion parameters.
    """
    rows: list[tuple[float, float, float, float]] = []
    cuts, motion = _Cuts(config), _Stillness(config)
    for time, image in frames:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        cuts.add(len(rows), image)
        rows.append((time, float(grey.mean()), float((grey >= 250).mean()), _texture(grey)))
        motion.add(time, grey)
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    times = table[:, 0]
    luma, bright, texture = table[:, 1:].T.astype(np.float32)
    cut = cuts.mask(len(times))
    return Measures(times, luma, bright, texture, motion.per_frame(times, cut), cut)


def _texture(grey: NDArray[np.uint8]) -> float:
    """Share of cells whose gradient is strong enough to be matched."""
    smooth = cv2.GaussianBlur(grey, (3, 3), 0)
    dx, dy = (cv2.Sobel(smooth, cv2.CV_32F, *axes, ksize=3, scale=1 / 8) for axes in ((1, 0), (0, 1)))
    energy = dx * dx + dy * dy
    cells = cv2.resize(
        energy, (max(1, grey.shape[1] // _CELL), max(1, grey.shape[0] // _CELL)), interpolation=cv2.INTER_AREA
    )
    return float((cells > _GRADIENT).mean())


class _Cuts:
    """scenedetect's adaptive detector, fed frame by frame.

    Repeated frames (slow content in a fast container) are held back: each change would stand out as a cut among them.
    """

    def __init__(self, config: ShotsConfig) -> None:
        self._detector = AdaptiveDetector(config.cut_ratio, min_scene_len=0, min_content_val=config.cut_change)
        self._last: Image | None = None
        self._held = 0
        self._fed: list[int] = []
        self._found: list[int] = []

    def add(self, index: int, image: Image) -> None:
        """Look at the next frame."""
        repeated = self._last is not None and cv2.norm(image, self._last, cv2.NORM_L1) < _REPEATED * image.size
        self._held = self._held + 1 if repeated else 0
        if 0 < self._held <= _HELD:
            return
        self._last, self._held = image, 0
        timecode = FrameTimecode(len(self._fed), fps=25.0)  # only counts: presentation times are kept elsewhere
        self._fed.append(index)
        self._found += [self._fed[cut.frame_num] for cut in self._detector.process_frame(timecode, image)]

    def mask(self, count: int) -> NDArray[np.bool_]:
        """(count,) True on the first frame after a cut."""
        mask = np.zeros(count, dtype=bool)
        mask[self._found] = True
        return mask


@dataclass
class _Stillness:
    """Share of corners that share one small shift: near 1 for a standing camera, whatever walks through its view.

    The common shift of a second is taken out, for tripods shake in the wind; what it adds up to over some seconds may
    not grow, or a slow pan would count as still.
    """

    config: ShotsConfig
    _past: deque[tuple[float, NDArray[np.uint8]]] = field(default_factory=deque)
    _probes: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    def add(self, time: float, grey: NDArray[np.uint8]) -> None:
        """Take a probe now and then, compared with the picture a gap ago."""
        gap = self.config.static_gap * 0.999
        if self._past and time < self._past[-1][0] + gap / _PROBES:
            return
        self._past.append((time, grey))
        while len(self._past) > 1 and self._past[1][0] <= time - gap:
            self._past.popleft()
        before, old = self._past[0]
        if before <= time - gap:
            self._probes.append((before, time, *self._shift(old, grey)))

    def per_frame(self, time: NDArray[np.float64], cuts: NDArray[np.bool_]) -> NDArray[np.float32]:
        """(F,) the share at the probe nearest to each frame of its shot, smoothed; 0 where the camera drifts."""
        still = np.zeros(len(time), dtype=np.float32)
        edges = [0, *np.flatnonzero(cuts).tolist(), len(time)]
        probes = np.array(self._probes).reshape(-1, 5)
        for begin, end in pairwise(edges):
            shot = time[begin:end]
            inside = probes[(probes[:, 0] >= shot[0]) & (probes[:, 1] <= shot[-1])] if len(shot) else probes[:0]
            if len(inside):
                middles = inside[:, :2].mean(axis=1)
                nearest = np.searchsorted((middles[1:] + middles[:-1]) / 2, shot)
                still[begin:end] = self._smooth(inside[:, 2:])[nearest]
        return still

    def _smooth(self, shifts: NDArray[np.float64]) -> NDArray[np.float64]:
        """(P,) share of corners that move as one, medians over a second; 0 where their shift lasts."""
        dx, dy, share = shifts.T
        drift = np.hypot(_medians(dx, 2 * _PROBES), _medians(dy, 2 * _PROBES))
        return np.where(drift <= self.config.static_drift, _medians(share, _PROBES // 2), 0.0)

    def _shift(self, old: NDArray[np.uint8], new: NDArray[np.uint8]) -> tuple[float, float, float]:
        """(dx, dy) the median shift over the long side, and the share of corners that move with it."""
        corners = cv2.goodFeaturesToTrack(old, _CORNERS, 0.01, 5)
        if corners is None:
            return 0.0, 0.0, 0.0
        there, seen, _ = cv2.calcOpticalFlowPyrLK(old, new, corners, None, winSize=(15, 15), maxLevel=2)
        back, seen_back, _ = cv2.calcOpticalFlowPyrLK(new, old, there, None, winSize=(15, 15), maxLevel=2)
        returned = np.linalg.norm((back - corners).reshape(-1, 2), axis=1) < 1.0
        trusted = (seen.ravel() > 0) & (seen_back.ravel() > 0) & returned
        if not trusted.any():
            return 0.0, 0.0, 0.0
        shift = (there - corners).reshape(-1, 2)[trusted] / max(old.shape)
        common = np.median(shift, axis=0)
        agree = np.linalg.norm(shift - common, axis=1) < self.config.static_motion
        return float(common[0]), float(common[1]), float(agree.sum() / len(corners))


def _medians(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """The median over ``reach`` neighbours on each side."""
    return np.array([np.median(values[max(0, i - reach) : i + reach + 1]) for i in range(len(values))])
