"""Tiny videos with known content, made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from gim_data.types import Image

SIZE = (96, 64)


def texture(seed: int, size: tuple[int, int] = (400, 300), grain: int = 6) -> Image:
    """Blotches of ``grain`` pixels with corners everywhere, (H, W, 3)."""
    shape = (size[1] // grain + 1, size[0] // grain + 1, 3)
    noise = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)


def pan(seed: int, count: int, *, step: float = 2.0, size: tuple[int, int] = SIZE, grain: int = 6) -> list[Image]:
    """A camera that slides over a texture by ``step`` pixels a frame."""
    ground = texture(seed, (size[0] + int(step * count) + 8, size[1] + 8), grain)
    return [ground[2 : 2 + size[1], (x := round(i * step)) : x + size[0]].copy() for i in range(count)]


def coded(count: int, size: tuple[int, int] = SIZE) -> list[Image]:
    """Frames whose grey level says their index: 40 + 4 i on the left half, bright on the right."""
    frames = np.full((count, size[1], size[0], 3), 220, np.uint8)
    frames[:, :, : size[0] // 2] = (40 + 4 * np.arange(count))[:, None, None, None]
    return list(frames)


def write(
    path: Path,
    frames: Sequence[Image],
    times: Sequence[float] | None = None,
    *,
    fps: float = 25.0,
    rotation: int = 0,
    codec: str = "libx264",
) -> Path:
    """Encode frames at the given presentation seconds (default: steady fps)."""
    ticks, rate = 12_800, Fraction(fps).limit_denominator(1001)
    height, width = frames[0].shape[:2]
    options = {"crf": "12", "preset": "ultrafast"} if codec == "libx264" else {}
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height = width, height
        stream.pix_fmt = {"libx264": "yuv444p", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        stream.thread_count = 1
        stream.codec_context.gop_size = 10
        if rotation:
            stream.set_display_rotation(rotation)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, ticks)
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = i, 1 / rate
            if times is not None:
                frame.pts, frame.time_base = round(times[i] * ticks), Fraction(1, ticks)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def write_audio(path: Path) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path
