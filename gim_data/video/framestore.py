"""The sampled frames of one video: JPEGs in one file, memory-mapped, any of them readable in a millisecond."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gim_data.errors import GimError
from gim_data.files import read_json, write_json
from gim_data.pixels import decode, encode_jpeg
from gim_data.types import Image, Size

_BYTES, _INDEX, _META = "frames.bin", "index.parquet", "frames.json"


@dataclass(frozen=True)
class StoredFrame:
    """A frame on its way into a store.

    Attributes:
        time: presentation seconds.
        shot: the number of its shot.
        image: (H, W, 3) RGB.
    """

    time: float
    shot: int
    image: Image


@dataclass(frozen=True)
class FrameStore:
    """Frames of one video, sorted by time. Cheap to open and to pickle; pixels are read when asked for.

    Attributes:
        folder: where it lives.
        times: (F,) float64 presentation seconds.
        shots: (F,) int32; frames of one shot are consecutive.
        size: (width, height) of the stored frames.
        source_size: (width, height) of the video.
        interval: median seconds between frames of one shot.
    """

    folder: Path
    times: NDArray[np.float64]
    shots: NDArray[np.int32]
    size: Size
    source_size: Size
    interval: float
    _offsets: NDArray[np.int64]

    @classmethod
    def open(cls, folder: Path) -> FrameStore:
        """Open a store.

        Raises:
            GimError: the folder holds none, or its parts do not fit together.
        """
        try:
            meta = read_json(folder / _META)
            index = pq.read_table(folder / _INDEX)
            length = (folder / _BYTES).stat().st_size
        except (OSError, ValueError, pa.ArrowException) as error:
            raise GimError(f"{folder} holds no frame store: {error}", "make it anew with 'gim run frames'") from error
        offsets = index["offset"].to_numpy()
        if len(offsets) != meta["count"] + 1 or offsets[-1] != length:
            raise GimError(f"{folder / _BYTES} does not fit its index", "make it anew with 'gim run frames'")
        times, shots = index["time"].to_numpy()[:-1], index["shot"].to_numpy()[:-1]
        size, source_size = tuple(meta["size"]), tuple(meta["source_size"])
        return cls(folder, times, shots, size, source_size, meta["interval"], offsets)

    def __len__(self) -> int:
        return len(self.times)

    def image(self, i: int) -> Image:
        """Frame ``i`` as (H, W, 3) uint8 RGB.

        Raises:
            IndexError: there is no such frame.
            GimError: its bytes are damaged.
        """
        image = decode(self.jpeg(i))
        if image is None:
            raise GimError(f"frame {i} of {self.folder} is damaged", "make it anew with 'gim run frames'")
        return image

    def jpeg(self, i: int) -> bytes:
        """Frame ``i`` as it is stored, for galleries."""
        row = range(len(self))[i]
        begin, end = int(self._offsets[row]), int(self._offsets[row + 1])
        # Mapped per call: the page cache makes it free, and no open handle has to survive a fork or a pickle.
        return np.memmap(self.folder / _BYTES, mode="r", offset=begin, shape=(end - begin,)).tobytes()


def write_frames(folder: Path, frames: Iterable[StoredFrame], *, source_size: Size, quality: int = 95) -> int:
    """Write a store, frame by frame, in constant memory.

    Args:
        folder: an existing empty folder.
        frames: sorted by time, all of one size.
        source_size: (width, height) of the video.
        quality: JPEG quality.

    Returns:
        how many frames were written.

    Raises:
        ValueError: frames of different sizes, or times that do not increase.
    """
    times: list[float] = []
    shots: list[int] = []
    offsets, size = [0], (0, 0)
    with (folder / _BYTES).open("wb") as stream:
        for frame in frames:
            height, width = frame.image.shape[:2]
            if times and (frame.time <= times[-1] or (width, height) != size):
                raise ValueError(f"frame at {frame.time} s: {width}x{height} after {times[-1]} s, {size}")
            size = (width, height)
            stream.write(encode_jpeg(frame.image, quality))
            times.append(frame.time)
            shots.append(frame.shot)
            offsets.append(stream.tell())
    _write_index(folder, times, shots, offsets)
    facts = {"size": size, "source_size": source_size, "quality": quality, "interval": _interval(times, shots)}
    write_json(folder / _META, {**facts, "count": len(times)})
    return len(times)


def _write_index(folder: Path, times: list[float], shots: list[int], offsets: list[int]) -> None:
    """One row a frame, and a last one that holds the end of the last frame."""
    columns = {
        "time": pa.array([*times, np.inf], pa.float64()),
        "shot": pa.array([*shots, -1], pa.int32()),
        "offset": pa.array(offsets, pa.int64()),
    }
    pq.write_table(pa.table(columns), folder / _INDEX, compression="zstd")


def _interval(times: list[float], shots: list[int]) -> float:
    """Median seconds between neighbours of one shot; 0 where no shot has two frames."""
    within = np.diff(shots) == 0
    return float(np.median(np.diff(times)[within])) if within.any() else 0.0
