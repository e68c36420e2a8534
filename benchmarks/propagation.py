"""Propagation of a planted corpus: GIM's way, our ``cell`` rule, our default. Time, pairs, matches, precision.

    python benchmarks/propagation.py --out results/propagation

120 sampled frames of a virtual walk and the 24 label sets that GIM would make of it, 1,500 matches a pair, detector
noise 0.2 px. Every method starts from the folders on disk. Times are seconds of CPU in one process, and by the clock on
the wall, which depends on the neighbours. A match is right at r pixels when its second point lies within r of where the
planted track under its first point goes. Writes ``<out>.json`` and ``<out>.md`` and prints the latter.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from gim_reference import Reference
from planted_walk import GAP, METHODS, SIZE, VIDEO, Walk, plan_walk, write_sets
from result_files import publish

from gim_data.heap import keep_freed_memory
from gim_data.propagation.config import PropagationConfig
from gim_data.propagation.gim_sets import find_sets, frame_ids, read_source
from gim_data.propagation.stage import propagate_video
from gim_data.stage import Silent
from gim_data.types import Floats

Pair = tuple[int, int, Floats, Floats]
CELL = {"link": "cell", "quorum": len(METHODS), "min_support": 1, "epipolar_px": 1.0, "overlap_bins": (0.0, 1.0)}
"""GIM's rule with its constants: all methods must have labelled a pair, no second route, one farthest partner."""


@dataclass(frozen=True)
class Row:
    """What one method did.

    Attributes:
        method: its name.
        cpu_seconds: of the whole, reading included.
        wall_seconds: the same by the clock.
        pairs, matches: what came out.
        matches_per_pair: their mean.
        span: mean sampled frames between both ends.
        precision_1px, precision_3px: shares of the matches.
    """

    method: str
    cpu_seconds: float
    wall_seconds: float
    pairs: int
    matches: int
    matches_per_pair: float
    span: float
    precision_1px: float
    precision_3px: float


def gims_way(root: Path) -> Iterator[Pair]:
    """The straight program; sampled frames instead of GIM's numbers."""
    sets = find_sets(root)[VIDEO]
    for matches, (a, b) in Reference(sets, SIZE[0]).pairs():
        yield a // GAP, b // GAP, matches[:, :2], matches[:, 2:]


def ours(root: Path, options: dict[str, object]) -> Iterator[Pair]:
    """``gim_data.propagation`` with some options."""
    sets = find_sets(root)[VIDEO]
    ids = frame_ids(sets)
    sources = [read_source(each, ids, SIZE) for each in sets]
    config = PropagationConfig.model_validate(options)
    for label in propagate_video(sources, len(ids), SIZE, config, Silent()).labels:
        yield label.frame0, label.frame1, label.points0, label.points1


def measure(name: str, walk: Walk, run: Callable[[], Iterator[Pair]]) -> Row:
    """Run a method and compare what it made with the truth."""
    began = time.process_time(), time.perf_counter()
    pairs = list(run())
    seconds = time.process_time() - began[0], time.perf_counter() - began[1]
    off = np.concatenate([np.zeros(0), *(walk.errors(*pair) for pair in pairs)])
    span = float(np.mean([b - a for a, b, *_ in pairs]))
    return Row(
        name, *seconds, len(pairs), len(off), len(off) / len(pairs), span, *(float(np.mean(off <= r)) for r in (1, 3))
    )


def markdown(rows: list[Row]) -> str:
    """The table and the ratios."""
    lines = [
        "| method | CPU s | wall s | pairs | matches a pair | span, frames | 1 px | 3 px |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {r.method} | {r.cpu_seconds:.2f} | {r.wall_seconds:.2f} | {r.pairs} | {r.matches_per_pair:.0f} "
        f"| {r.span:.1f} | {r.precision_1px:.4f} | {r.precision_3px:.4f} |"
        for r in rows
    ]
    by_name = {row.method: row for row in rows}
    lines.append("")
    for over, under in (("cell", "gim"), ("default", "cell"), ("default", "gim")):
        if over in by_name and under in by_name:
            a, b = by_name[over], by_name[under]
            lines.append(
                f"{over} / {under}: CPU 1/{b.cpu_seconds / a.cpu_seconds:.1f}, wall "
                f"1/{b.wall_seconds / a.wall_seconds:.1f}, pairs {a.pairs / b.pairs:.2f}x, "
                f"matches {a.matches / b.matches:.2f}x, error at 3 px "
                f"{(1 - a.precision_3px) / max(1 - b.precision_3px, 1e-9):.3f}x"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Plant, run, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--matches", type=int, default=1500)
    parser.add_argument("--noise", type=float, default=0.2)
    parser.add_argument("--methods", nargs="+", default=["gim", "cell", "default"])
    parser.add_argument("--propagation", default="{}", help="JSON of other parameters of 'default'")
    parser.add_argument("--out", type=Path, default=None, help="path without suffix")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    keep_freed_memory()  # as the command line does
    walk = plan_walk(frames=args.frames, noise=args.noise)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_sets(root, walk, matches=args.matches)
        runs: dict[str, Callable[[], Iterator[Pair]]] = {
            "gim": lambda: gims_way(root),
            "cell": lambda: ours(root, CELL),
            "default": lambda: ours(root, json.loads(args.propagation)),
        }
        rows = []
        for name in args.methods:
            rows.append(measure(name, walk, runs[name]))
            print(rows[-1], file=sys.stderr, flush=True)
    publish(args.out, [asdict(row) for row in rows], markdown(rows))


if __name__ == "__main__":
    main()
