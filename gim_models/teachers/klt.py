"""The temporal teacher ``klt``: corners followed through every picture by pyramidal Lucas-Kanade.

Lucas and Kanade (IJCAI 1981), Bouguet's pyramids, the corners of Shi and Tomasi (CVPR 1994), and the forward-backward
check of Kalal et al. (ICPR 2010): from a sampled frame to the next one and all the way back, a point must come home.
Then the first picture is compared with the last one directly, beginning at the place that was reached: what the way
added up of small errors is taken back, and a point that the direct look puts elsewhere is dropped.

Windows are small on purpose. A large one holds more of what lies behind an edge, and follows that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.labels.engine import Pair
from gim_data.types import Floats, Matches, Size
from gim_data.video.moments import Moment

Grey = NDArray[np.uint8]
_LONGEST = 64  # pictures that are held for the way back; a longer way is checked in parts
_QUALITY = 0.003  # of the best corner's eigenvalue that makes a corner
_SPACING = 0.5  # corners keep at least this share of the distance that they would have if spread evenly


@dataclass(frozen=True)
class Points:
    """Points on their way.

    Attributes:
        ids: (N,) int64, increasing; what identifies a point from frame to frame.
        places: (N, 2) float32 pixels, where they are now.
        error: (N,) float32 pixels, how far from home the last way back ended.
    """

    ids: NDArray[np.int64]
    places: Floats
    error: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, keep: NDArray[np.bool_]) -> Points:
        """Those at ``keep``, (N,) bool."""
        return Points(self.ids[keep], self.places[keep], self.error[keep])


@dataclass(frozen=True)
class Klt:
    """A ``gim_data.labels.temporal.TemporalMatcher``.

    Attributes:
        window: side of the patch that is followed, pixels.
        levels: of the pyramid above the picture.
        home_px: how far from home the way back may end.
        direct_window: side of the patch of the direct look.
        direct_px: how far from the place reached by the way the direct look may end.
    """

    window: int = 9
    levels: int = 3
    home_px: float = 0.2
    direct_window: int = 7
    direct_px: float = 0.35
    name: str = "klt"

    def follow(
        self, moments: Iterable[Moment], pairs: Sequence[Pair], keypoints: int
    ) -> Iterator[tuple[Pair, Matches]]:
        """See the protocol."""
        earlier = defaultdict(list)
        for a, b in pairs:
            earlier[b].append(a)
        reach = max((b - a for a, b in pairs), default=0)
        walk = _Walk(self, keypoints)
        seen: dict[int, Points] = {}
        for moment in moments:
            walk.step(moment)
            if moment.frame is None:
                continue
            seen[moment.frame] = walk.arrive()
            size = moment.image.shape[1], moment.image.shape[0]
            for a in earlier[moment.frame]:
                yield (a, moment.frame), _common(seen, a, moment.frame, size, self.home_px)
            seen.pop(moment.frame - reach, None)

    def track(self, before: Grey, after: Grey, places: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Where (N, 2) points of one picture are in another, and (N,) bool whether they were found there at all."""
        return _lucas_kanade(before, after, places, places, self.window, self.levels, 0)

    def look_directly(
        self, before: Grey, after: Grey, places: Floats, reached: Floats
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """The same near the places already ``reached``, (N, 2), and whether it agrees with them."""
        flag = cv2.OPTFLOW_USE_INITIAL_FLOW
        there, found = _lucas_kanade(before, after, places, reached, self.direct_window, 0, flag)
        return there, found & (np.linalg.norm(there - reached, axis=1) <= self.direct_px)


def _lucas_kanade(
    before: Grey, after: Grey, places: Floats, guess: Floats, window: int, levels: int, flags: int
) -> tuple[Floats, NDArray[np.bool_]]:
    if not len(places):
        return places, np.zeros(0, bool)
    settings: dict[str, Any] = {"winSize": (window, window), "maxLevel": levels, "flags": flags}
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.003)
    there, status, _ = cv2.calcOpticalFlowPyrLK(before, after, places, guess.copy(), criteria=stop, **settings)
    inside = (there >= 0) & (there <= np.subtract(after.shape[::-1], 1))
    return there, (status.ravel() > 0) & inside.all(axis=1)


def klt(device: str) -> Klt:
    """The registry's factory; OpenCV runs on the CPU whatever ``device`` says."""
    return Klt()


class _Walk:
    """The points of one shot, and the pictures since they were last sure to be right."""

    def __init__(self, teacher: Klt, most: int) -> None:
        self._teacher, self._most = teacher, most
        self._next = 0
        self._begin(-1)

    def _begin(self, shot: int) -> None:
        self._shot = shot
        self._held: list[Grey] = []
        self._points = Points(np.zeros(0, np.int64), np.zeros((0, 2), np.float32), np.zeros(0, np.float32))
        self._home = self._points.places

    def step(self, moment: Moment) -> None:
        """Follow all points into the next picture; a new shot begins with none."""
        if moment.shot != self._shot:
            self._begin(moment.shot)
        grey = np.asarray(cv2.cvtColor(moment.image, cv2.COLOR_RGB2GRAY), np.uint8)
        if self._held:
            places, found = self._teacher.track(self._held[-1], grey, self._points.places)
            self._points = replace(self._points, places=places).select(found)
            self._home = self._home[found]
        self._held.append(grey)
        if len(self._held) > _LONGEST:
            self._look_back()

    def arrive(self) -> Points:
        """The points at a sampled frame, new ones among them."""
        self._look_back()
        self._fill_up()
        return self._points

    def _look_back(self) -> None:
        """Drop what does not come home, correct what drifted, and call the present place home."""
        back = self._points.places
        good = np.ones(len(back), bool)
        for later, sooner in pairwise(reversed(self._held)):
            back, found = self._teacher.track(later, sooner, back)
            good &= found
        error = np.linalg.norm(back - self._home, axis=1).astype(np.float32)
        good &= error <= self._teacher.home_px
        places = self._points.places
        if len(self._held) > 1:
            places, agree = self._teacher.look_directly(self._held[0], self._held[-1], self._home, places)
            good &= agree
        self._points = Points(self._points.ids, places, error).select(good)
        self._home, self._held = self._points.places, self._held[-1:]

    def _fill_up(self) -> None:
        """Corners where no point is."""
        room, grey = self._most - len(self._points), self._held[-1]
        if room <= 0:
            return
        spacing = max(3.0, _SPACING * float(np.sqrt(grey.size / self._most)))
        free = np.full(grey.shape, 255, np.uint8)
        for x, y in np.round(self._points.places).astype(int).tolist():
            cv2.circle(free, (x, y), int(spacing), 0, -1)
        corners = cv2.goodFeaturesToTrack(grey, room, _QUALITY, spacing, mask=free)
        places = np.zeros((0, 2), np.float32) if corners is None else corners.reshape(-1, 2)
        old = self._points
        self._points = Points(
            np.concatenate([old.ids, self._next + np.arange(len(places))]),
            np.concatenate([old.places, places]).astype(np.float32),
            np.concatenate([old.error, np.zeros(len(places), np.float32)]),
        )
        self._home = self._points.places
        self._next += len(places)


def _common(seen: Mapping[int, Points], a: int, b: int, size: Size, home_px: float) -> Matches:
    """The points that live from frame a to frame b; as sure as the worst of their ways between."""
    alive = np.intersect1d(seen[a].ids, seen[b].ids, assume_unique=True)
    rows = {frame: np.searchsorted(seen[frame].ids, alive) for frame in range(a, b + 1)}
    ways = [seen[frame].error[rows[frame]] for frame in range(a + 1, b + 1)]
    confidence = np.asarray(1 - np.max(ways, axis=0) / home_px, np.float32)
    return Matches(seen[a].places[rows[a]], seen[b].places[rows[b]], confidence, size, size)
