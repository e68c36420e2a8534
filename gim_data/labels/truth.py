"""Synthetic videos with their truth, and how far a label is from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gim_data.synthetic.correspondence import inverse_depth, project, transfer
from gim_data.synthetic.render import View, World, open_world
from gim_data.types import Floats, Image, PairLabel, Size
from gim_data.video.moments import Moment

CELL = 16
"""Pixels of the cells that recall and coverage are counted on."""
_OFFSETS = np.array([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)], float)


@dataclass(frozen=True)
class RenderedVideo:
    """A synthetic video in memory; ``gim_data.labels.engine.Frames`` with a truth.

    Attributes:
        views: image, depth and camera of every frame.
        times: (F,) seconds.
        world: what renders the pictures between them; None for a video without any.
    """

    views: list[View]
    times: NDArray[np.float64]
    world: World | None = None

    @property
    def shots(self) -> NDArray[np.int32]:
        """One shot."""
        return np.zeros(len(self.views), np.int32)

    @property
    def size(self) -> Size:
        """(width, height)."""
        height, width = self.views[0].depth.shape
        return width, height

    def __len__(self) -> int:
        return len(self.views)

    def image(self, index: int) -> Image:
        """One frame."""
        return self.views[index].image

    def moments(self) -> Iterator[Moment]:
        """The frames, and between two of them as many pictures as the world's video shows in that time."""
        for index, time in enumerate(self.times.tolist()):
            if index and self.world is not None:
                before = float(self.times[index - 1])
                steps = round((time - before) * self.world.fps)
                for between in np.linspace(before, time, steps + 1)[1:-1].tolist() if steps > 1 else ():
                    yield Moment(self.world.render(between).image, 0)
            yield Moment(self.image(index), 0, index)

    def errors(self, label: PairLabel) -> NDArray[np.float64]:
        """(N,) see the function of this name."""
        return errors(self, label)

    def visible(self, frame0: int, frame1: int) -> NDArray[np.bool_]:
        """(C,) see ``visible_cells``."""
        return visible_cells(self, frame0, frame1)


def rendered(spec: str, *, seconds: float, interval: float) -> RenderedVideo:
    """Render the frames that labelling would sample.

    Args:
        spec: a synthetic video, such as ``street?seed=1``.
        seconds: how much of it.
        interval: seconds between frames.

    Raises:
        GimError: the spec is not valid.
    """
    world = open_world(f"{spec}{'&' if '?' in spec else '?'}seconds={seconds:g}")
    times = np.arange(0, seconds, interval)
    return RenderedVideo([world.render(float(t)) for t in times], times, world)


def errors(video: RenderedVideo, label: PairLabel) -> NDArray[np.float64]:
    """(N,) distance of each correspondence from the truth, pixels; NaN where the first point has no depth (sky).

    On a depth edge, a surface within one pixel of the first point counts too: keypoints like to sit there.
    """
    view0, view1 = video.views[label.frame0], video.views[label.frame1]
    points0 = label.points0.astype(np.float64)
    found = np.full((len(_OFFSETS), len(label)), np.inf)
    for row, offset in zip(found, _OFFSETS, strict=True):
        near, known = inverse_depth(view0.depth, points0 + offset)
        points1, near1 = transfer(view0, view1, points0, near)
        distance = np.linalg.norm(points1 - label.points1, axis=1)
        row[:] = np.where(known & (near1 > 0), distance, np.inf)
    solid = inverse_depth(view0.depth, points0)[1]
    return np.where(solid, found.min(axis=0), np.nan)


def visible_cells(video: RenderedVideo, frame0: int, frame1: int) -> NDArray[np.bool_]:
    """(C,) bool, the cells of frame0 whose middle frame1 sees."""
    across, down = _grid(video.size)
    y, x = (axis.ravel() for axis in np.mgrid[0:down, 0:across])
    middles = np.minimum(np.stack([x, y], axis=1) * CELL + (CELL - 1) / 2, np.subtract(video.size, 1))
    return project(video.views[frame0], video.views[frame1], middles)[1]


def cells_of(points: Floats, size: Size) -> NDArray[np.int64]:
    """(N,) the cell of each point."""
    across, down = _grid(size)
    cells = np.floor((points + 0.5) / CELL).astype(np.int64)
    return np.asarray(cells[:, 0].clip(0, across - 1) + across * cells[:, 1].clip(0, down - 1))


def _grid(size: Size) -> tuple[int, int]:
    return -(-size[0] // CELL), -(-size[1] // CELL)
