"""How many labels are right: direct matches per teacher and skip, propagated ones per hop count, on exact truth.

    python benchmarks/label_precision.py --teachers rootsift xfeat+lighterglue --out results/label_precision

Frames of synthetic worlds are labelled and propagated like any video. A correspondence is right at r pixels when the
surface seen at its first point (or, on a depth edge, a surface within one pixel of it) projects within r of its second.
Points on the sky have no depth and are left out. Writes ``<out>.json`` and ``<out>.md`` and prints the latter.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gim_data.labels.config import LabelsConfig
from gim_data.labels.engine import LabelSet, label_video
from gim_data.labels.store import LabelMeta, LabelStore, write_labels
from gim_data.propagation.config import PropagationConfig
from gim_data.propagation.graph import Source
from gim_data.propagation.stage import propagate_video
from gim_data.stage import Silent
from gim_data.synthetic.correspondence import inverse_depth, transfer
from gim_data.synthetic.render import View, open_world
from gim_data.types import Image, PairLabel, Size
from gim_models.labelling import file_name
from gim_models.registry import open_matcher

WORLDS = ("street?seed=1", "room?seed=2", "terrain?seed=3", "objects?seed=4", "street?seed=5&path=drive")
RADII = (1.0, 3.0)
_OFFSETS = np.array([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)], float)


@dataclass(frozen=True)
class RenderedVideo:
    """A synthetic video in memory, with its truth."""

    views: list[View]
    times: NDArray[np.float64]

    @property
    def shots(self) -> NDArray[np.int32]:
        """One shot."""
        return np.zeros(len(self.views), np.int32)

    @property
    def size(self) -> Size:
        """(width, height)."""
        height, width = self.views[0].depth.shape
        return width, height

    def __len__(self) -> int:
        return len(self.views)

    def image(self, index: int) -> Image:
        """One frame."""
        return self.views[index].image


def rendered(spec: str, *, seconds: float, interval: float) -> RenderedVideo:
    """Render the frames that labelling would sample."""
    world = open_world(f"{spec}&seconds={seconds:g}")
    times = np.arange(0, seconds, interval)
    return RenderedVideo([world.render(float(t)) for t in times], times)


def errors(video: RenderedVideo, label: PairLabel) -> NDArray[np.float64]:
    """(N,) distance of each correspondence from the truth, pixels; NaN where the first point has no depth."""
    view0, view1 = video.views[label.frame0], video.views[label.frame1]
    points0 = label.points0.astype(np.float64)
    found = np.full((len(_OFFSETS), len(label)), np.inf)
    for row, offset in zip(found, _OFFSETS, strict=True):
        near, known = inverse_depth(view0.depth, points0 + offset)
        points1, near1 = transfer(view0, view1, points0, near)
        distance = np.linalg.norm(points1 - label.points1, axis=1)
        row[:] = np.where(known & (near1 > 0), distance, np.inf)
    solid = inverse_depth(view0.depth, points0)[1]
    return np.where(solid, found.min(axis=0), np.nan)


@dataclass
class Tally:
    """Errors collected under one heading."""

    errors: list[NDArray[np.float64]]
    pairs: int = 0

    def row(self) -> dict[str, float]:
        """Counts and precision at each radius."""
        known = np.concatenate([np.zeros(0), *self.errors])
        known = known[~np.isnan(known)]
        precision = {f"precision_{r:g}px": float(np.mean(known <= r)) if len(known) else 0.0 for r in RADII}
        return {"pairs": self.pairs, "correspondences": len(known), **precision}


def direct(video: RenderedVideo, teacher: str, config: LabelsConfig, cache: Path | None, spec: str) -> list[Source]:
    """One teacher's labels, one source per skip, through the store as in a run."""
    folder = (cache or Path("/nonexistent")) / spec.replace("?", "_").replace("&", "_")
    paths = [folder / file_name(teacher, skip, 1) for skip in config.skips]
    if all(path.is_file() for path in paths):
        return [Source(teacher, LabelStore.open(path).labels()) for path in paths]
    found = label_video(video, open_matcher(teacher), config, Silent()).sets
    if cache is not None:
        _keep(found, paths, LabelMeta(video.size, teacher))
    return [Source(teacher, part.labels) for part in found]


def _keep(sets: Sequence[LabelSet], paths: Sequence[Path], meta: LabelMeta) -> None:
    for part, path in zip(sets, paths, strict=True):
        write_labels(path, part.labels, meta, part.notes)


def measure_direct(video: RenderedVideo, sources: Iterable[Source], skips: Sequence[float], tallies: Tallies) -> None:
    """Add the direct labels of one world, by teacher and skip."""
    for i, source in enumerate(sources):
        for label in source.labels:
            tallies["direct", source.teacher, f"{skips[i % len(skips)]:.2f} s"].errors.append(errors(video, label))
            tallies["direct", source.teacher, f"{skips[i % len(skips)]:.2f} s"].pairs += len(label) > 0


def measure_propagated(
    video: RenderedVideo, sources: Sequence[Source], config: PropagationConfig, name: str, tallies: Tallies
) -> None:
    """Add the propagated labels of one world: all of them, by hop count, by votes and by overlap."""
    started = time.perf_counter()
    labels = propagate_video(sources, len(video), video.size, config, Silent()).labels
    tallies["seconds", name, ""].errors.append(np.array([time.perf_counter() - started]))
    for label in labels:
        off = errors(video, label)
        tallies[name, "all", ""].errors.append(off)
        tallies[name, "all", ""].pairs += 1
        tallies[name, "overlap", f"{np.floor(label.overlap * 5) / 5:.1f}"].errors.append(off)
        tallies[name, "overlap", f"{np.floor(label.overlap * 5) / 5:.1f}"].pairs += 1
        for kind, values in (("hops", label.hops), ("votes", label.votes)):
            for value in np.unique(values):
                tallies[name, kind, str(value)].errors.append(off[values == value])
                tallies[name, kind, str(value)].pairs += 1


Tallies = defaultdict[tuple[str, str, str], Tally]


def run(args: argparse.Namespace) -> list[dict[str, object]]:
    """Label, propagate and compare every world; one row per heading."""
    config = LabelsConfig.model_validate({"keypoints": args.keypoints})
    tallies: Tallies = defaultdict(lambda: Tally([]))
    for spec in args.worlds:
        video = rendered(spec, seconds=args.seconds, interval=args.interval)
        sources = [s for name in args.teachers for s in direct(video, name, config, args.cache, spec)]
        measure_direct(video, sources, config.skips, tallies)
        for link in args.links:
            options = PropagationConfig.model_validate({"link": link, **json.loads(args.propagation)})
            measure_propagated(video, sources, options, f"propagated, {link}", tallies)
    timed = {key[1]: float(np.concatenate(t.errors).sum()) for key, t in tallies.items() if key[0] == "seconds"}
    rows: list[dict[str, object]] = [
        {"what": a, "by": b, "value": c, **t.row()} for (a, b, c), t in sorted(tallies.items()) if a != "seconds"
    ]
    rows.extend({"what": name, "by": "seconds", "value": f"{s:.2f}"} for name, s in timed.items())
    return rows


def markdown(rows: Sequence[dict[str, object]]) -> str:
    """The rows as a table."""
    head = ["what", "by", "value", "pairs", "correspondences", *(f"precision_{r:g}px" for r in RADII)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [row.get(name, "") for name in head]
        lines.append("| " + " | ".join(f"{c:.4f}" if isinstance(c, float) else str(c) for c in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the arguments, run, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", default=WORLDS)
    parser.add_argument("--teachers", nargs="+", default=["rootsift", "xfeat+lighterglue"])
    parser.add_argument("--links", nargs="+", default=["cell", "radius"])
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--interval", type=float, default=1 / 3)
    parser.add_argument("--keypoints", type=int, default=4096)
    parser.add_argument("--propagation", default="{}", help="JSON of other propagation parameters")
    parser.add_argument("--cache", type=Path, default=None, help="keep direct labels here between runs")
    parser.add_argument("--out", type=Path, default=None, help="path without suffix")
    args = parser.parse_args()
    rows = run(args)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")
        args.out.with_suffix(".md").write_text(markdown(rows))
    print(markdown(rows))


if __name__ == "__main__":
    main()
