"""What labelling costs: every frame described once against pair by pair; what the store takes.

    python benchmarks/labelling.py --teachers rootsift xfeat+lighterglue --out results/labelling

Labels a synthetic world as the stage does (features once per frame, pairs over every skip), then as GIM does it (both
frames described anew for every pair, GIM.md 1.10). Times are seconds of CPU in one process. Only the first pass: a crop
of the zoomed one serves one pair, so nothing is saved there. Writes ``<out>.json`` and ``<out>.md`` and prints the
latter.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import cv2
from result_files import publish

from gim_data.labels.config import LabelsConfig
from gim_data.labels.engine import VideoLabels, cap_of, label_video, strongest
from gim_data.labels.pairs import skip_pairs
from gim_data.labels.store import LabelMeta, write_labels
from gim_data.labels.truth import RenderedVideo, rendered
from gim_data.stage import Silent
from gim_data.types import Matcher, SparseMatcher
from gim_models.labelling import file_name
from gim_models.registry import open_matcher

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One teacher.

    Attributes:
        teacher: its name.
        cached, pairwise: seconds of CPU per minute of video; ``pairwise`` without any filter.
        network: seconds of CPU per minute of video inside the teacher, of ``cached``.
        pairs, matches: labels that were kept.
        bytes_per_match: of the files on disk.
        files: label files of a video, whatever its length: one a skip.
    """

    teacher: str
    cached: float
    pairwise: float
    network: float
    pairs: int
    matches: int
    bytes_per_match: float
    files: int


class Timed:
    """A sparse teacher that counts its own seconds."""

    def __init__(self, matcher: SparseMatcher) -> None:
        self.name, self._matcher, self.seconds = matcher.name, matcher, 0.0
        self.match = matcher.match
        self.extract = self._clocked(matcher.extract)
        self.match_features = self._clocked(matcher.match_features)

    def _clocked(self, function: Callable[P, T]) -> Callable[P, T]:
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            began = time.process_time()
            result = function(*args, **kwargs)
            self.seconds += time.process_time() - began
            return result

        return run


def pair_by_pair(video: RenderedVideo, matcher: Matcher, config: LabelsConfig) -> None:
    """Match every pair from its images."""
    for a, b in (pair for group in skip_pairs(video.times, video.shots, config.skips) for pair in group):
        if not isinstance(matcher, SparseMatcher):
            matcher.match(video.image(a), video.image(b))
            continue
        both = [strongest(matcher.extract(video.image(i)), cap_of(matcher, config)) for i in (a, b)]
        matcher.match_features([(both[0], both[1])])


def stored(found: VideoLabels, video: RenderedVideo, name: str) -> int:
    """Bytes of the label files."""
    with tempfile.TemporaryDirectory() as folder:
        for part in found.sets:
            path = Path(folder) / file_name(name, part.skip, 1)
            write_labels(path, part.labels, LabelMeta(video.size, name, part.skip), part.notes)
        return sum(path.stat().st_size for path in Path(folder).iterdir())


def measure(video: RenderedVideo, name: str, config: LabelsConfig, minutes: float) -> Row:
    """Label a video both ways."""
    matcher = open_matcher(name)
    matcher.match(video.image(0), video.image(1))  # the first call sets things up
    timed = Timed(matcher) if isinstance(matcher, SparseMatcher) else None
    began = time.process_time()
    found = label_video(video, matcher if timed is None else timed, config, Silent())
    middle = time.process_time()
    pair_by_pair(video, matcher, config)
    ended = time.process_time()
    labels = [label for part in found.sets for label in part.labels]
    matches = sum(map(len, labels))
    return Row(
        name,
        (middle - began) / minutes,
        (ended - middle) / minutes,
        (timed.seconds if timed else 0.0) / minutes,
        len(labels),
        matches,
        stored(found, video, name) / max(1, matches),
        len(found.sets),
    )


def markdown(rows: list[Row]) -> str:
    """The table and the ratio."""
    lines = [
        "| teacher | CPU s a video minute | pair by pair | ratio | outside the teacher | pairs | bytes a match |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {r.teacher} | {r.cached:.0f} | {r.pairwise:.0f} | {r.pairwise / r.cached:.2f} "
        f"| {1 - r.network / r.cached:.0%} | {r.pairs} | {r.bytes_per_match:.1f} |"
        for r in rows
    ]
    files = sum(r.files for r in rows)
    return "\n".join([*lines, "", f"label files of a video, whatever its length: {files}"]) + "\n"


def main() -> None:
    """Read the arguments, run, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="street?seed=1")
    parser.add_argument("--teachers", nargs="+", default=["rootsift", "xfeat+lighterglue"])
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--interval", type=float, default=1 / 3)
    parser.add_argument("--keypoints", type=int, default=4096)
    parser.add_argument("--out", type=Path, default=None, help="path without suffix")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    video = rendered(args.world, seconds=args.seconds, interval=args.interval)
    config = LabelsConfig(keypoints=args.keypoints)
    rows = [measure(video, name, config, args.seconds / 60) for name in args.teachers]
    publish(args.out, [asdict(row) for row in rows], markdown(rows))


if __name__ == "__main__":
    main()
