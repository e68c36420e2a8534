"""Frames of a video, in order, upright, at their true times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from gim_data.errors import BadInput
from gim_data.types import Image, Size

_REMEDY = "replace the file or remove it from corpus.videos"


@dataclass(frozen=True)
class DecodedFrame:
    """One frame; its pixels are converted only when asked for.

    Attributes:
        time: presentation time in seconds, strictly increasing along the video.
        size: (width, height) of the upright picture with square pixels.
        rotation: degrees counter-clockwise that make the stored picture upright, a multiple of 90.
    """

    time: float
    size: Size
    rotation: int
    _frame: Any

    def image(self, max_side: int | None = None, *, order: str = "rgb24") -> Image:
        """The upright picture, reduced so that its long side is at most ``max_side``.

        Args:
            max_side: pixels, or None for full size.
            order: ``rgb24`` or ``bgr24``.

        Returns:
            (H, W, 3) uint8.
        """
        return self.image_of(fit(self.size, max_side), order=order)

    def image_of(self, size: Size, *, order: str = "rgb24") -> Image:
        """The upright picture at a given (width, height)."""
        width, height = size[::-1] if self.rotation % 180 else size
        smaller = width < self._frame.width
        pixels = self._frame.reformat(width, height, order, interpolation="AREA" if smaller else "BICUBIC").to_ndarray()
        return np.ascontiguousarray(np.rot90(pixels, self.rotation // 90))


@dataclass
class Damage:
    """What decoding met: filled while frames are read."""

    errors: int = 0
    dropped: int = 0

    def summary(self) -> list[str]:
        """One line for each kind of damage, for people."""
        lines = [f"{self.errors} packet(s) could not be decoded"] if self.errors else []
        return lines + ([f"{self.dropped} damaged frame(s) left out"] if self.dropped else [])


def fit(size: Size, max_side: int | None) -> Size:
    """``size`` reduced to a long side of ``max_side``, never enlarged; whole pixels, at least one."""
    scale = 1.0 if max_side is None else min(1.0, max_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


@contextmanager
def open_video(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its first video stream (cover art aside).

    Raises:
        BadInput: the file is missing, is no video, or has no video stream.
    """
    try:
        container = av.open(str(path), metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadInput(f"{path.name} cannot be opened as a video: {why}", _REMEDY) from error
    with container:
        streams = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
        if not streams:
            raise BadInput(f"{path.name} has no video stream", _REMEDY)
        stream = streams[0]
        stream.thread_type = "AUTO"
        yield container, stream


def read_frames(path: Path, *, damage: Damage | None = None) -> Iterator[DecodedFrame]:
    """Decode a video once, front to back; what is damaged is left out and counted.

    Args:
        path: the file.
        damage: counts what went wrong.

    Raises:
        BadInput: the file cannot be opened or has no video stream.
    """
    damage = damage or Damage()
    with open_video(path) as (container, stream):
        clock = _Clock(float(stream.average_rate or stream.guessed_rate or Fraction(25)))
        for frame in _decoded(container, stream, damage):
            if frame.is_corrupt:
                damage.dropped += 1
                clock.tick(frame.time)
                continue
            rotation = round(frame.rotation / 90) * 90 % 360
            yield DecodedFrame(clock.tick(frame.time), _upright(frame, stream, rotation), rotation, frame)


@dataclass
class _Clock:
    """Presentation times that always increase: gaps are kept, absent and backward ones become one frame later."""

    rate: float
    last: float | None = None
    offset: float = 0.0

    def tick(self, time: float | None) -> float:
        """The time of the next frame, given the time it carries."""
        expected = 0.0 if self.last is None else self.last + 1 / self.rate
        now = expected if time is None else time + self.offset
        if self.last is not None and now <= self.last:
            self.offset += expected - now
            now = expected
        self.last = now
        return now


def _decoded(container: Any, stream: Any, damage: Damage) -> Iterator[Any]:
    """Frames of every packet that decodes."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError:
            damage.errors += 1
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            damage.errors += 1
            continue
        yield from frames


def _upright(frame: Any, stream: Any, rotation: int) -> Size:
    """(width, height) of the frame with square pixels, turned upright."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    stretched = abs(aspect - 1) > 0.02 and Fraction(1, 4) < aspect < 4  # encoders round: 1.002 is no anamorphic film
    width = max(1, round(frame.width * aspect)) if stretched else frame.width
    return (frame.height, width) if rotation % 180 else (width, frame.height)
