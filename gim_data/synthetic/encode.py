"""A synthetic world as an ordinary video file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from gim_data.files import atomic
from gim_data.stage import Progress, Silent
from gim_data.synthetic.render import open_world
from gim_data.synthetic.spec import SyntheticSpec

_TICKS = 90_000  # per second
# x264's macroblock tree reads memory it never wrote: with it, equal frames give other bytes now and then.
_OPTIONS = {"crf": "18", "preset": "veryfast", "x264-params": "mbtree=0"}


def write_video(spec: SyntheticSpec | str, path: Path, progress: Progress | None = None) -> None:
    """Render a world and encode it as H.264 in MP4.

    Frame k has the presentation time ``k / fps`` seconds (to 1/90000 s), so ``open_world(spec).render(pts)`` is the
    exact view behind any decoded frame. Equal specs give equal bytes: one encoder thread, no timestamps.

    Args:
        spec: the world, or its text.
        path: ends in ``.mp4``; replaced whole.
        progress: told of every frame.

    Raises:
        GimError: the text is no valid spec.
    """
    bar = progress or Silent()
    world = open_world(spec)
    bar.start(f"render {world.spec}", world.spec.frames)
    with (
        atomic(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"fflags": "+bitexact"}) as container,
    ):
        rate = Fraction(world.fps).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate, options=_OPTIONS)
        stream.width, stream.height = world.size
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        stream.codec_context.time_base = Fraction(1, _TICKS)
        for k in range(world.spec.frames):
            frame = av.VideoFrame.from_ndarray(world.render(k / world.fps).image, format="rgb24")
            frame.pts, frame.time_base = round(k * _TICKS / world.fps), Fraction(1, _TICKS)
            container.mux(stream.encode(frame))
            bar.advance()
        container.mux(stream.encode())
