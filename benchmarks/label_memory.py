"""What labelling a long 1080p video holds in memory, and what it leaves on disk.

    python benchmarks/label_memory.py --minutes 10
    python benchmarks/label_memory.py --minutes 2 --profile small

Films a camera that circles above posters at two depths, makes the acquisition and labelling stages of it by ``gim
run`` in a workspace of its own, and prints for every stage its seconds of CPU and the largest sum over its processes of
what each alone holds and its share of the rest (PSS). Linux only: it reads ``/proc``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from result_files import publish

from gim_data.files import read_json
from gim_data.labels.store import LabelStore
from gim_data.synthetic import patterns
from gim_data.synthetic.textures import TexturePool
from gim_data.types import Image, Size

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("videos", "shots", "frames", "matches", "tracks")
LABELS = ("frames", "matches")  # the folders whose files are counted
_LOOP = 30  # seconds until the camera is where it began
_SPEED = 90  # pixels a second of the nearer posters
_PAUSE = 0.25  # seconds between two looks at the memory


@dataclass(frozen=True)
class Row:
    """One stage: seconds of CPU, and the peak of its memory in bytes."""

    stage: str
    seconds: float
    peak: float


def posters(seed: int, cells: int = 8, side: int = 512) -> Image:
    """A canvas of photographs and patterns, ``cells`` times ``cells`` of them."""
    rng, pool = np.random.default_rng(seed), TexturePool("demo", side)
    kinds = (patterns.bricks, patterns.foliage, patterns.carpet, patterns.stones)
    drawn = [kind(rng, side) for kind in kinds] + [pool.photograph(rng) for _ in range(12)]
    rows = [np.hstack([drawn[int(rng.integers(len(drawn)))] for _ in range(cells)]) for _ in range(cells)]
    return np.ascontiguousarray(np.vstack(rows))


def filmed(size: Size, fps: int) -> Iterator[Image]:
    """One loop of the camera: posters in front of posters twice as far away."""
    far, near = posters(1), posters(2)
    there = np.kron(np.random.default_rng(3).random((8, 8)) < 0.3, np.ones((512, 512))).astype(np.uint8)
    radius = _SPEED * _LOOP / (2 * np.pi)
    for angle in np.linspace(0, 2 * np.pi, _LOOP * fps, endpoint=False):
        way = radius * np.array([1 + np.cos(angle), 1 + np.sin(angle)])
        height = 1 + 0.2 * np.sin(3 * angle)
        views = []
        for canvas, depth in ((far, 1 + height), (near, height), (there, height)):
            shift = np.array([[depth, 0, way[0]], [0, depth, way[1]]])  # where the camera looks, of pixels of the film
            flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_NEAREST if canvas is there else cv2.INTER_LINEAR)
            views.append(cv2.warpAffine(canvas, shift, size, flags=flags, borderMode=cv2.BORDER_WRAP))
        yield np.where(views[2][..., None] > 0, views[1], views[0])


def film(path: Path, minutes: float, size: Size, fps: int) -> None:
    """Encode one loop, and repeat its packets."""
    with av.open(str(path.with_suffix(".loop.mp4")), "w") as loop:
        stream = loop.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "23", "g": str(fps)})
        stream.width, stream.height = size
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        for image in filmed(size, fps):
            loop.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        loop.mux(stream.encode())
    with av.open(str(path), "w") as whole:
        target = None
        for turn in range(max(1, round(minutes * 60 / _LOOP))):
            with av.open(str(path.with_suffix(".loop.mp4"))) as loop:
                source = loop.streams.video[0]
                target = target or whole.add_stream_from_template(source)
                for packet in loop.demux(source):
                    if packet.dts is None:
                        continue
                    later = round(turn * _LOOP / packet.time_base)
                    packet.pts, packet.dts, packet.stream = packet.pts + later, packet.dts + later, target
                    whole.mux(packet)


def run(workspace: Path, *words: str) -> Row:
    """A command of ``gim`` in a process of its own, watched."""
    command = [sys.executable, "-m", "orchestration.cli", "--root", str(workspace), *words]
    before, peak = os.times(), 0
    with subprocess.Popen(command, cwd=workspace, env=os.environ | {"PYTHONPATH": str(ROOT)}) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(held, family(process.pid))))
            time.sleep(_PAUSE)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return Row(words[-1], spent, peak)


def family(pid: int) -> Iterator[int]:
    """A process and all that it started."""
    yield pid
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = listed.read_text().split()
        except OSError:  # it has ended
            continue
        for child in children:
            yield from family(int(child))


def held(pid: int) -> int:
    """Bytes of a process: its own, and its share of what it holds with others; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def prepare(workspace: Path, video: Path, profile: str | None) -> None:
    """Write ``params.yaml``: defaults, or a profile of the project's."""
    target = workspace / "params.yaml"
    if profile is None:
        target.write_text(f"corpus: {{videos: {json.dumps([str(video)])}}}\n")
        return
    shutil.copy(ROOT / "params.yaml", target)
    run(workspace, "use", "--videos", str(video), "--profile", profile)


def report(workspace: Path, rows: list[Row], minutes: float) -> str:
    """The table, and what is on disk."""
    lines = ["| stage | CPU s | peak memory, GB |", "|---|---:|---:|"]
    lines += [f"| {row.stage} | {row.seconds:.0f} | {row.peak / 1e9:.2f} |" for row in rows]
    labels = [LabelStore.open(path) for path in (workspace / "data/matches").rglob("*.parquet")]
    matches = sum(len(label) for store in labels for label in store.labels())
    size = sum(store.path.stat().st_size for store in labels)
    files = sum(path.is_file() for stage in LABELS for path in (workspace / "data" / stage).rglob("*"))
    frames = [read_json(path)["count"] for path in (workspace / "data/frames").rglob("frames.json")]
    facts = [
        f"peak of all: {max(row.peak for row in rows) / 1e9:.2f} GB",
        f"{minutes:g} minutes of video, of which {sum(frames)} frames were labelled after trimming",
        f"files of frames and matches: {files}, {files * 60 / minutes:.0f} a video hour",
        f"{matches} matches, {size / max(1, matches):.1f} bytes each",
    ]
    return "\n".join([*lines, "", *facts]) + "\n"


def main() -> None:
    """Read the arguments, film, label, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--size", type=int, nargs=2, default=(1920, 1080), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--profile", default=None, help="demo, small or gim of params.yaml; the defaults without it")
    parser.add_argument("--out", type=Path, default=None, help="path without suffix")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace, video = Path(folder) / "workspace", Path(folder) / "long.mp4"
        workspace.mkdir()
        film(video, args.minutes, (args.size[0], args.size[1]), args.fps)
        prepare(workspace, video, args.profile)
        rows = [run(workspace, "run", stage) for stage in STAGES]
        publish(args.out, [asdict(row) for row in rows], report(workspace, rows, args.minutes))


if __name__ == "__main__":
    main()
