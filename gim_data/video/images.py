"""A folder of images as a video: the JPEG files' own bytes, one packet each, nothing encoded twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from gim_data.errors import BadInput
from gim_data.stage import Job
from gim_data.types import Size
from gim_data.video.fetched import Fetched
from gim_data.video.sources import VideoSource, image_files, notes_beside, sequence_fps

_TICKS = 90_000  # time base of the container, per second
_JPEG = frozenset({".jpg", ".jpeg", ".jpe"})
_QUALITY = 98
_HEADER = 1 << 16  # bytes at the start of a JPEG that may hold EXIF


def join_images(source: VideoSource, job: Job) -> Fetched:
    """Fetcher of image sequences: one motion-JPEG file, frame i at i / fps seconds.

    Raises:
        BadInput: fewer than two images can be read.
    """
    assert source.path is not None
    files = image_files(source.path)
    fps = sequence_fps(source.path, job.params["acquire"])
    job.progress.start(f"images {job.unit}", len(files))
    target = job.scratch / "images.mov"
    left_out: list[str] = []
    size = _first_size(source, files)
    count = write_motion_jpeg(target, _packets(files, size, left_out, job), size, fps=fps)
    if count < 2:
        raise BadInput(f"{source.spec}: {count} readable image(s) of one size", "an image sequence needs two or more")
    notes = [f"{len(left_out)} image(s) unreadable or of another size: {', '.join(left_out[:5])}"] if left_out else []
    beside = notes_beside(files[0]) or notes_beside(source.path)
    return Fetched(target, beside.get("title", ""), beside.get("licence", ""), tuple(notes))


def write_motion_jpeg(target: Path, images: Iterator[bytes], size: Size, *, fps: float) -> int:
    """Write JPEG files as the packets of a QuickTime file.

    Args:
        target: ``.mov``.
        images: JPEG files of one size.
        size: (width, height).
        fps: frames per second.

    Returns:
        how many there were.
    """
    count = 0
    base = Fraction(1, _TICKS)
    with av.open(
        str(target), "w", format="mov", options={"fflags": "+bitexact", "video_track_timescale": str(_TICKS)}
    ) as out:
        stream: Any = out.add_stream("mjpeg", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt, stream.time_base = *size, "yuvj420p", base
        for data in images:
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = stream, base, True
            packet.pts = packet.dts = round(count * _TICKS / fps)
            packet.duration = round((count + 1) * _TICKS / fps) - packet.pts
            out.mux(packet)
            count += 1
    return count


def _packets(files: Sequence[Path], size: Size, left_out: list[str], job: Job) -> Iterator[bytes]:
    for path in files:
        data = _jpeg(path, size)
        if data is None:
            left_out.append(path.name)
        else:
            yield data
        job.progress.advance(1)


def _jpeg(path: Path, size: Size) -> bytes | None:
    """The file's bytes if it is a JPEG that needs no turning, else the picture encoded as one; None if unfit."""
    image = _read(path)
    if image is None or (image.shape[1], image.shape[0]) != size:
        return None
    if path.suffix.lower() in _JPEG:
        data = path.read_bytes()
        if b"Exif" not in data[:_HEADER] or not _turned(path, image):
            return data
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].data)


def _turned(path: Path, upright: Any) -> bool:
    """Whether EXIF turns the picture: a decoder of video would not."""
    stored = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return stored is None or not np.array_equal(stored, upright)


def _first_size(source: VideoSource, files: Sequence[Path]) -> Size:
    """(width, height) of the first image that can be read."""
    for path in files:
        image = _read(path)
        if image is not None:
            return image.shape[1], image.shape[0]
    raise BadInput(f"{source.spec}: none of its {len(files)} images can be read", "replace them or remove the entry")


def _read(path: Path) -> Any:
    """(H, W, 3) BGR, upright, 8 bits; None where it is no image."""
    return cv2.imread(str(path), cv2.IMREAD_COLOR)
