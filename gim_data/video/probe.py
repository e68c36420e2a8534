"""What a video file is: measured from its packets, since headers lie and are absent."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from gim_data.errors import BadInput
from gim_data.types import Size
from gim_data.video.decode import open_video, read_frames

_REMEDY = "replace the file or remove it from corpus.videos"
_VARIABLE = 0.1  # share of frame intervals that differ from the median by more than a tenth


@dataclass(frozen=True)
class VideoInfo:
    """What a video is.

    Attributes:
        container, codec: FFmpeg's names.
        width, height: of the upright picture with square pixels, pixels.
        rotation: degrees counter-clockwise that were applied to make it upright, a multiple of 90.
        fps: frames over duration.
        duration: seconds from the first frame's presentation to the end of the last's.
        frames: number of video packets.
        variable_rate: whether frame intervals differ.
        notes: what is wrong with it but can be lived with.
    """

    container: str
    codec: str
    width: int
    height: int
    rotation: int
    fps: float
    duration: float
    frames: int
    variable_rate: bool
    notes: tuple[str, ...] = ()


def probe(path: Path) -> VideoInfo:
    """Look into a video: every packet's timestamp, and its first frames decoded.

    Raises:
        BadInput: not a video, no video stream, nothing decodable, or a single frame.
    """
    frames = _first_frames(path)
    with open_video(path) as (container, stream):
        times, corrupt = _packet_times(container, stream)
        promised = _promised(container, stream)
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        fps, duration, variable = _timing(times, float(rate))
        notes = _notes(corrupt, promised, times, duration, variable)
        size: Size = frames[0].size
        return VideoInfo(
            container.format.name,
            stream.codec_context.name,
            size[0],
            size[1],
            frames[0].rotation,
            fps,
            duration,
            len(times),
            variable,
            notes,
        )


def _first_frames(path: Path) -> list[Any]:
    """The first two frames that decode, whatever precedes them."""
    frames: list[Any] = []
    for frame in read_frames(path):
        frames.append(frame)
        if len(frames) == 2:
            return frames
    if frames:
        raise BadInput(f"{path.name} has a single frame; labels need motion", _REMEDY)
    raise BadInput(f"{path.name}: not one frame can be decoded", _REMEDY)


def _packet_times(container: Any, stream: Any) -> tuple[NDArray[np.float64], int]:
    """Presentation time of each packet in seconds (NaN where it has none), and how many are flagged corrupt."""
    times, corrupt = [], 0
    try:
        for packet in container.demux(stream):
            if packet.size:
                times.append(float("nan") if packet.pts is None else float(packet.pts * packet.time_base))
                corrupt += bool(packet.is_corrupt)
    except av.FFmpegError:
        corrupt += 1
    return np.array(times, dtype=np.float64), corrupt


def _timing(times: NDArray[np.float64], rate: float) -> tuple[float, float, bool]:
    """(fps, duration, variable rate); streams without timestamps count as ``rate`` frames a second."""
    known = np.sort(times[np.isfinite(times)])
    if len(known) < 2 or len(known) < len(times) / 2 or known[-1] <= known[0]:
        return rate, len(times) / rate, False
    steps = np.diff(known)
    typical = float(np.median(steps))
    duration = float(known[-1] - known[0]) + typical
    variable = bool(np.mean(np.abs(steps - typical) > 0.1 * typical) > _VARIABLE)
    return len(known) / duration, duration, variable


def _promised(container: Any, stream: Any) -> float:
    """Seconds of video that the header speaks of; 0 where it does not."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return float(container.duration or 0) / float(av.time_base)


def _notes(
    corrupt: int, promised: float, times: NDArray[np.float64], duration: float, variable: bool
) -> tuple[str, ...]:
    notes = []
    if corrupt:
        notes.append(f"{corrupt} corrupt packet(s)")
    if promised - duration > max(0.5, 0.05 * promised):
        notes.append(f"truncated: {duration:.1f} s of the {promised:.1f} s that its header promises")
    if np.isfinite(times).sum() < len(times) / 2:
        notes.append("carries no timestamps: frames are timed by its nominal rate")
    if variable:
        notes.append("variable frame rate")
    return tuple(notes)
