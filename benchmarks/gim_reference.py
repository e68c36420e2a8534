"""GIM's propagation as GIM.md 2.1 to 2.4 tells it, straight: a file read per pair and set, dictionaries of pixel keys.

The twin that ``propagation.py`` measures ``gim_data.propagation`` against: nothing is kept between start frames, and of
several matches on one pixel the last one wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.propagation.gim_sets import GimSet
from gim_data.types import Floats

FILTER, FINAL, LEAST, REACH = 32, 512, 64, 1000  # matches to be eligible, to link, to keep; skips to go at most

Span = tuple[int, int]
Found = tuple[Floats, Span]


@dataclass(frozen=True)
class Reference:
    """GIM's propagation of one video.

    Attributes:
        sets: its label sets, in the order in which GIM reads them.
        width: of the video, pixels.
    """

    sets: Sequence[GimSet]
    width: int

    @property
    def skips(self) -> list[int]:
        """Frames between both ends of a pair, ascending."""
        return sorted({each.skip for each in self.sets})

    def pairs(self) -> Iterator[Found]:
        """From every eligible start frame its farthest partner."""
        short, middle, long = self.skips
        spans = self._spans(long, FILTER)
        starts = self._eligible(short, middle, long)
        end = max(b for _, b in spans)
        for start in starts:
            found = self.carry(start, min(start + REACH * long, end), [short, middle, long])
            for fewer in ([short, middle], [short]):
                if found is not None and found[1][1] - found[1][0] == fewer[-1] * 2:
                    found = self.carry(*found[1], fewer)
            kept = None if found is None or found[1][1] - found[1][0] == short else _checked(found)
            if kept is not None:
                yield kept

    def carry(self, start: int, end: int, skips: Sequence[int]) -> Found | None:
        """The recursion of GIM.md 2.2: labels of the longest skip, joined with what the shorter ones give."""
        stride, work = skips[-1], []
        for at in range(start, end, stride):
            work.append((at, min(at + stride, end)))
        running: Found | None = None
        while work:
            a, b = work.pop(0)
            if a == b:
                break
            label = self._segment(a, b, skips)
            if label is None:
                continue
            if running is None:
                running = label, (a, b)
                continue
            linked = self._link(running[0], label)
            if linked is not None:
                running = linked, (running[1][0], b)
            else:
                work = [(a, b - skips[0])]
        return running if running is not None and running[1][0] == start else None

    def _segment(self, a: int, b: int, skips: Sequence[int]) -> Floats | None:
        parts = self._direct(a, b) if b - a == skips[-1] else []
        if len(skips) > 1:
            finer = self.carry(a, b, skips[:-1])
            if finer is not None and finer[1] == (a, b):
                parts.append(finer[0])
        return np.concatenate(parts) if parts else None

    def _direct(self, a: int, b: int) -> list[Floats]:
        name = f"{np.array([a, b])}.npy"
        paths = [each.folder / name for each in self.sets if each.skip == b - a]
        return [_read(path) for path in paths if path.exists()]

    def _link(self, left: Floats, right: Floats) -> Floats | None:
        """GIM.md 2.3: matches join where their points in the middle frame round to the same pixel."""
        table0, table1 = self._table(left[:, 2:]), self._table(right[:, :2])
        shared = table0.keys() & table1.keys()
        if len(shared) < FINAL:
            return None
        rows0, rows1 = [table0[key] for key in shared], [table1[key] for key in shared]
        return np.concatenate([left[rows0, :2], right[rows1, 2:]], axis=1)

    def _table(self, points: Floats) -> dict[float, int]:
        keys = np.round(points[:, 0]) + np.round(points[:, 1]) * self.width
        return {key: row for row, key in enumerate(keys.tolist())}

    def _spans(self, skip: int, more_than: int) -> set[Span]:
        """Pairs that every set of this skip has, with more matches than that (GIM.md 2.1)."""
        common: list[set[Span]] = []
        for each in self.sets:
            if each.skip == skip:
                rows = np.load(each.folder / "idxs.npy")[np.load(each.folder / "nums.npy") > more_than]
                common.append({(int(a), int(b)) for a, b in rows})
        return set.intersection(*common)

    def _eligible(self, short: int, middle: int, long: int) -> list[int]:
        far = {a for a, _ in self._spans(long, FILTER)}
        near = {skip: {a for a, _ in self._spans(skip, -1)} for skip in (short, middle)}
        return sorted(
            f
            for f in far
            if f + long in far
            and all(f + i * middle in near[middle] for i in (0, 1))
            and all(f + i * short in near[short] for i in range(4))
        )


def _read(path: Path) -> Floats:
    return np.asarray(np.load(path, allow_pickle=False), np.float32)


def _checked(found: Found) -> Found | None:
    """The last check of GIM.md 2.4."""
    matches, span = found
    _, mask = cv2.findFundamentalMat(matches[:, :2], matches[:, 2:], cv2.USAC_MAGSAC, 1.0, 0.999999, 1000)
    inliers: NDArray[np.bool_] = np.zeros(len(matches), bool) if mask is None else mask.ravel() > 0
    return (matches[inliers], span) if inliers.sum() >= LEAST else None
