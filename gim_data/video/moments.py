"""Every picture of a video between its sampled frames, decoded once: what points are followed through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gim_data.errors import GimError
from gim_data.types import Image
from gim_data.video.decode import DecodedFrame, read_frames
from gim_data.video.framestore import FrameStore

_SAME = 1e-6  # seconds; the store keeps the very times that decoding gives


@dataclass(frozen=True)
class Moment:
    """One picture of a video.

    Attributes:
        image: (H, W, 3) RGB, of the size of the sampled frames.
        shot: the shot that it belongs to.
        frame: row of the frame store, None for a picture between two sampled frames.
    """

    image: Image
    shot: int
    frame: int | None = None


def moments_of(path: Path, frames: FrameStore) -> Iterator[Moment]:
    """The pictures of every shot from its first sampled frame to its last, in order; no other is converted.

    Args:
        path: the video that the frames were sampled from.
        frames: the sampled frames.

    Raises:
        BadInput: the file cannot be opened.
        GimError: a sampled frame is not in it: it is another video, or was decoded otherwise.
    """
    due = 0
    for decoded in read_frames(path):
        if due == len(frames) or decoded.time > frames.times[due] + _SAME:
            break
        sampled = decoded.time > frames.times[due] - _SAME
        if sampled or (due > 0 and frames.shots[due - 1] == frames.shots[due]):
            yield _moment(decoded, frames, due, sampled)
        due += sampled
    if due < len(frames):
        raise GimError(
            f"{path} shows nothing at {frames.times[due]:.6f} s, where frame {due} of {frames.folder} is from",
            "run 'gim run frames' again: the video has changed since",
        )


def _moment(decoded: DecodedFrame, frames: FrameStore, due: int, sampled: bool) -> Moment:
    return Moment(decoded.image_of(frames.size), int(frames.shots[due]), due if sampled else None)
