"""A posed image sequence as a video with a truth: how far a label's second point is from its true epipolar line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gim_data.bench.checks import image_size, load_image
from gim_data.bench.posed import Camera, read_cameras
from gim_data.epipolar import fundamental
from gim_data.errors import BadInput
from gim_data.labels.temporal import sampled_only
from gim_data.types import Image, PairLabel, Size
from gim_data.video.moments import Moment


@dataclass(frozen=True)
class PosedVideo:
    """Images with cameras, taken for frames at a steady rate; a ``gim_data.labels.audit.Truth``.

    Attributes:
        cameras: one a frame, in order of time.
        size: (width, height) of all of them.
        interval: seconds between frames.
    """

    cameras: list[Camera]
    size: Size
    interval: float

    @property
    def times(self) -> NDArray[np.float64]:
        """(F,) seconds."""
        return np.asarray(np.arange(len(self.cameras)) * self.interval, np.float64)

    @property
    def shots(self) -> NDArray[np.int32]:
        """One shot."""
        return np.zeros(len(self.cameras), np.int32)

    def __len__(self) -> int:
        return len(self.cameras)

    def image(self, index: int) -> Image:
        """One frame."""
        return load_image(self.cameras[index].image)

    def moments(self) -> Iterator[Moment]:
        """The images themselves; there are none between."""
        return sampled_only(self)

    def errors(self, label: PairLabel) -> NDArray[np.float64]:
        """(N,) pixels between each second point and the line that its first point has there.

        A match that slides along its line goes unnoticed: without depth this is a lower bound.
        """
        camera0, camera1 = self.cameras[label.frame0], self.cameras[label.frame1]
        F = fundamental(camera0.K, camera1.K, camera1.T_w2c @ np.linalg.inv(camera0.T_w2c))
        first, second = (np.column_stack([points, np.ones(len(points))]) for points in (label.points0, label.points1))
        lines = first @ F.T
        across = np.abs(np.einsum("ij,ij->i", second, lines))
        return np.asarray(across / np.maximum(np.linalg.norm(lines[:, :2], axis=1), 1e-300))

    def visible(self, frame0: int, frame1: int) -> NDArray[np.bool_]:
        """No cell: what both frames see is not known without depth, and so neither are recall and coverage."""
        return np.zeros(0, np.bool_)


def posed_video(folder: Path, *, seconds: float, interval: float) -> PosedVideo:
    """The first ``seconds`` of a posed folder (``gim_data.bench.posed``) whose images lie ``interval`` apart.

    Raises:
        BadInput: fewer than two cameras, an impossible one, or images of different sizes.
    """
    cameras = read_cameras(folder)[: int(seconds / interval) + 1]
    if len(cameras) < 2:
        raise BadInput(
            f"{folder} has {len(cameras)} cameras, an audit needs two", "name a folder with frames.json or cameras.json"
        )
    size = image_size(cameras[0].image)
    for camera in cameras:
        if image_size(camera.image) != size:
            raise BadInput(f"{camera.image} is not {size[0]}x{size[1]} as the first image", "leave the folder out")
    return PosedVideo(cameras, size, interval)
