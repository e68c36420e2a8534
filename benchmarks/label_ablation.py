"""What each part of the label engine is worth: teachers, quorum, film, zoom, movers, cycle check; on exact truth.

    python benchmarks/label_ablation.py --out label_ablation
    python benchmarks/label_ablation.py --posed ../shared/data/sequences/kitti07 --out label_ablation_kitti07

Labels every video once per teacher and once per filter, then propagates each combination. Precision is the share of
propagated correspondences near the truth; recall and coverage are shares of the cells of the first frame that the
second sees (neither on posed sequences, whose truth is an epipolar line). Seconds are of CPU in this process: labels of
the teachers that a row uses, and its propagation. Writes ``<out>.json`` and ``<out>.md`` and prints the latter.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from result_files import publish

from gim_data.labels.audit import Audit, Truth
from gim_data.labels.config import LabelsConfig, MoversConfig, ZoomConfig
from gim_data.labels.posed import posed_video
from gim_data.labels.truth import rendered
from gim_data.propagation.config import PropagationConfig
from gim_data.propagation.graph import Source
from gim_data.propagation.stage import propagate_video
from gim_data.stage import Silent
from gim_models.audit import direct, zoomed

T = TypeVar("T")
WORLDS = ("street?seed=1&fps=12", "room?seed=2&fps=12", "terrain?seed=3&fps=12", "street?seed=5&path=drive&fps=12")
PAIRWISE = ("rootsift", "xfeat+lighterglue")
FILM = "klt"
ALL = (*PAIRWISE, FILM)


@dataclass(frozen=True)
class Setting:
    """One row of the table.

    Attributes:
        title: what it is called.
        teachers: whose labels are united.
        rules: of propagation, where they are not the defaults.
        zoom: how the second pass magnifies; None without one.
        movers: the filter of what moves by itself; None without it.
    """

    title: str
    teachers: tuple[str, ...]
    rules: dict[str, object] = field(default_factory=dict)
    zoom: ZoomConfig | None = None
    movers: MoversConfig | None = None


SETTINGS = (
    *(Setting(f"{teacher} alone", (teacher,)) for teacher in ALL),
    Setting("two pairwise teachers", PAIRWISE),
    Setting("two pairwise, both must agree (quorum)", PAIRWISE, {"quorum": 2}),
    Setting("all three", ALL),
    Setting("all three, two must agree (quorum)", ALL, {"quorum": 2}),
    Setting("all three, zoomed pass", ALL, zoom=ZoomConfig.model_validate({})),
    Setting("all three, without movers", ALL, movers=MoversConfig.model_validate({})),
    Setting("all three, no cycle check", ALL, {"cycle_px": 1e9}),
    Setting("all three, no second route", ALL, {"min_support": 1}),
    Setting("all three, neither", ALL, {"cycle_px": 1e9, "min_support": 1}),
)


@dataclass
class Row:
    """One setting over all videos."""

    audit: Audit = field(default_factory=Audit)
    seconds: float = 0.0


@dataclass
class Labelled:
    """The labels of one video, made when first asked for, and what they cost."""

    video: Truth
    config: LabelsConfig
    made: dict[tuple[object, ...], tuple[list[Source], float]] = field(default_factory=dict)

    def sources(self, setting: Setting) -> tuple[list[Source], float]:
        """The labels that a setting propagates, and seconds of CPU."""
        config = self.config.model_copy(update={"movers": setting.movers})
        parts = [self._once((t, setting.movers), self._direct, t, config) for t in setting.teachers]
        if setting.zoom is not None:
            first = [source for found, _ in parts for source in found]
            united = config.model_copy(update={"teachers": setting.teachers})
            parts.append(self._once((setting.teachers, setting.zoom), zoomed, self.video, first, united, setting.zoom))
        return [source for found, _ in parts for source in found], sum(cost for _, cost in parts)

    def _direct(self, teacher: str, config: LabelsConfig) -> list[Source]:
        return direct(self.video, teacher, config, None, "")

    def _once(
        self, key: tuple[object, ...], make: Callable[..., list[Source]], *args: object
    ) -> tuple[list[Source], float]:
        if key not in self.made:
            self.made[key] = timed(partial(make, *args))
        return self.made[key]


def timed(function: Callable[[], T]) -> tuple[T, float]:
    """What a function returns, and its seconds of CPU."""
    began = time.process_time()
    result = function()
    return result, time.process_time() - began


def ablation(videos: Iterator[Truth], config: LabelsConfig) -> dict[str, Row]:
    """Every setting on every video."""
    rows = {setting.title: Row() for setting in SETTINGS}
    for video in videos:
        labelled = Labelled(video, config)
        for setting in SETTINGS:
            sources, cost = labelled.sources(setting)
            rules = PropagationConfig.model_validate(setting.rules)
            selection, spent = timed(partial(propagate_video, sources, len(video), video.size, rules, Silent()))
            rows[setting.title].audit.propagated(video, selection.labels)
            rows[setting.title].seconds += cost + spent
    return rows


def table(rows: dict[str, Row]) -> list[dict[str, object]]:
    """One row a setting."""
    found = []
    for title, row in rows.items():
        headings = {(r["by"], r["value"]): r for r in row.audit.rows()}
        whole: dict[str, object] = headings.get(("all", ""), {})
        wide = [r for (by, value), r in headings.items() if by == "overlap" and float(str(value)) < 0.4]
        found.append(
            {
                "setting": title,
                "pairs": whole.get("pairs", 0),
                "correspondences": whole.get("correspondences", 0),
                "1 px": whole.get("precision_1px", math.nan),
                "3 px": whole.get("precision_3px", math.nan),
                "recall": whole.get("recall", math.nan),
                "coverage": whole.get("coverage", math.nan),
                "wide pairs": sum(int(str(r["pairs"])) for r in wide),
                "CPU s": row.seconds,
            }
        )
    return found


def markdown(rows: list[dict[str, object]]) -> str:
    """The rows as a table."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" + "|---:" * (len(rows[0]) - 1) + "|"]
    lines += ["| " + " | ".join(_shown(name, value) for name, value in row.items()) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _shown(name: str, value: object) -> str:
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if math.isnan(value):
        return ""
    return f"{value:.0f}" if name == "CPU s" else f"{value:.3f}".removeprefix("0")


def main() -> None:
    """Read the arguments, run, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", default=WORLDS, help="synthetic videos")
    parser.add_argument("--posed", nargs="+", type=Path, help="instead: folders of images with cameras, as videos")
    parser.add_argument("--seconds", type=float, default=8.0, help="how much of each video")
    parser.add_argument("--interval", type=float, default=1 / 3, help="seconds between sampled frames")
    parser.add_argument(
        "--keypoints", type=int, default=2048, help="a frame and teacher, where it has no cap of its own"
    )
    parser.add_argument("--out", type=Path, help="path without suffix")
    args = parser.parse_args()
    how = {"seconds": args.seconds, "interval": args.interval}
    skips = [args.interval * times for times in (1, 2, 4)]
    config = LabelsConfig.model_validate({"keypoints": args.keypoints, "skips": skips})
    if args.posed:
        videos: Iterator[Truth] = (posed_video(folder, **how) for folder in args.posed)
    else:
        videos = (rendered(world, **how) for world in args.worlds)
    rows = table(ablation(videos, config))
    publish(args.out, rows, markdown(rows))


if __name__ == "__main__":
    main()
