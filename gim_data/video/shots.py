"""From measurements to spans: cut-free, moving, well-exposed ones are kept, the others keep their reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gim_data.files import read_json, write_json
from gim_data.video.config import ShotsConfig
from gim_data.video.measure import Measures

SHOTS_FILE = "shots.json"
_GOOD, _STATIC, _FLAT, _BRIGHT, _DARK, _BLACK, _FADE, _TRIM = range(8)
_REASONS = ("", "static", "low texture", "overexposed", "too dark", "black", "fade", "trimmed")
_SOFT = (_GOOD, _STATIC, _FLAT, _BRIGHT)  # a short spell of these may be bridged
_BLACK_LUMA = 6.0  # mean grey level of a black screen, its noise included
_FADE_STEP = 0.02  # relative change of luma a frame that makes a ramp
_FADE_SECONDS = 2.0


@dataclass(frozen=True)
class Span:
    """A stretch of a video between two of its frames, both included.

    Attributes:
        start, end: presentation seconds of its first and last frame.
        kept: whether labels are made from it.
        reason: why not, else "".
    """

    start: float
    end: float
    kept: bool
    reason: str = ""

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


def trim_range(first: float, last: float, config: ShotsConfig) -> tuple[float, float]:
    """What head and tail leave of a video, in presentation seconds.

    Args:
        first, last: presentation seconds of the video's first and last frame.
        config: the trimming rule.
    """
    cut = config.trimmed_end(last - first)
    return first + cut, last - cut


def find_spans(measures: Measures, config: ShotsConfig) -> list[Span]:
    """Partition a video into spans.

    Args:
        measures: of every frame looked at.
        config: thresholds.

    Returns:
        spans in order; together they hold every frame that was looked at.
    """
    if len(measures.time) == 0:
        return []
    states = _bridge(_states(measures, config), measures, config)
    edges = _edges(states, measures.cuts)
    return [_span(measures.time, states, begin, end, config) for begin, end in pairwise(edges)]


def write_spans(folder: Path, spans: list[Span], extra: dict[str, Any]) -> None:
    """Write ``shots.json``: the spans, and facts about the pass."""
    write_json(folder / SHOTS_FILE, {**extra, "spans": [asdict(span) for span in spans]})


def read_spans(folder: Path) -> list[Span]:
    """The spans of a shots unit."""
    return [Span(**row) for row in read_json(folder / SHOTS_FILE)["spans"]]


def _span(time: NDArray[np.float64], states: NDArray[np.int8], begin: int, end: int, config: ShotsConfig) -> Span:
    start, stop = float(time[begin]), float(time[end - 1])
    reason = _REASONS[states[begin]]
    if reason == "static" and config.static == "keep":
        reason = ""
    if not reason and stop - start < config.min_seconds:
        reason = "short"
    return Span(start, stop, not reason, reason)


def _states(m: Measures, config: ShotsConfig) -> NDArray[np.int8]:
    """(F,) what is wrong with each frame, the gravest last."""
    states = np.full(len(m.time), _GOOD, dtype=np.int8)
    states[m.still >= config.static_share] = _STATIC
    states[m.texture < config.flat_below] = _FLAT
    states[m.bright > config.bright_share] = _BRIGHT
    dark = m.luma < config.dark_below
    states[dark] = _DARK
    states[m.luma < min(_BLACK_LUMA, config.dark_below)] = _BLACK
    states[_ramps(m, dark)] = _FADE
    first, last = trim_range(float(m.time[0]), float(m.time[-1]), config)
    states[(m.time < first) | (m.time > last)] = _TRIM
    return states


def _ramps(m: Measures, dark: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(F,) frames on a steady ramp of luma into or out of the dark."""
    ramp = np.zeros(len(dark), dtype=bool)
    for begin, end in _runs(dark.astype(np.int8)):
        if dark[begin]:
            _climb(m, ramp, range(end, len(dark)), not_at=m.cuts)
            _climb(m, ramp, range(begin - 1, -1, -1), not_at=np.roll(m.cuts, -1))
    return ramp & ~dark


def _climb(m: Measures, ramp: NDArray[np.bool_], way: range, *, not_at: NDArray[np.bool_]) -> None:
    """Mark frames along ``way`` for as long as each is clearly brighter than the one before it."""
    for i in way:
        previous = i - way.step
        rising = m.luma[i] > m.luma[previous] * (1 + _FADE_STEP) + 0.1
        if not rising or not_at[i] or abs(m.time[i] - m.time[way.start]) > _FADE_SECONDS:
            return
        ramp[i] = True


def _bridge(states: NDArray[np.int8], m: Measures, config: ShotsConfig) -> NDArray[np.int8]:
    """Short soft spells take the state of the spell before them in the same shot, else of the one after."""
    states = states.copy()
    edges = _edges(states, m.cuts)
    for begin, end in pairwise(edges):
        if states[begin] not in _SOFT or m.time[end - 1] - m.time[begin] >= config.bridge_seconds:
            continue
        if begin > 0 and not m.cuts[begin] and states[begin - 1] in _SOFT:
            states[begin:end] = states[begin - 1]
        elif end < len(states) and not m.cuts[end] and states[end] in _SOFT:
            states[begin:end] = states[end]
    return states


def _edges(states: NDArray[np.int8], cuts: NDArray[np.bool_]) -> list[int]:
    """Indices where a span begins, and the number of frames at the end."""
    begins = np.flatnonzero(np.concatenate([[True], (np.diff(states) != 0) | cuts[1:]]))
    return [*begins.tolist(), len(states)]


def _runs(values: NDArray[np.int8]) -> list[tuple[int, int]]:
    """(begin, end) of each run of equal values."""
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return list(pairwise(edges))
