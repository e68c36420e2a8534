"""What labelling costs: every frame described once against pair by pair; what the store takes.

    python benchmarks/labelling.py --teachers rootsift xfeat+lighterglue --out results/labelling

Labels frames of a synthetic world, stored as the ``frames`` stage does, in two ways; times are seconds of CPU in one
process.

Ours is what the ``matches`` stage does: features once per frame, pairs over every skip, the overlay rule and the fit;
then the zoomed pass over the pairs that it magnifies.

Pair by pair is what GIM does (GIM.md 1.4, 1.5, 1.10): both frames of every pair are read and described anew, matched in
float32 by the library (kornia's LightGlue with kornia's read-out; for RootSIFT one matrix product and torch's top-k),
and fitted; then every pair that has any label again inside its box, magnified or not. Detectors, caps on keypoints and
parameters are the same on both sides. Writes ``<out>.json`` and ``<out>.md`` and prints the latter.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import cv2
import numpy as np
import torch
from kornia.feature.lightglue import LightGlue
from result_files import publish

from gim_data.heap import keep_freed_memory
from gim_data.labels.config import LabelsConfig, ZoomConfig
from gim_data.labels.engine import LabelSet, VideoLabels, cap_of, label_video, strongest
from gim_data.labels.pairs import skip_pairs
from gim_data.labels.robust import fit_fundamental
from gim_data.labels.store import LabelMeta, write_labels
from gim_data.labels.truth import rendered
from gim_data.labels.zoom import zoom_video
from gim_data.stage import Silent
from gim_data.types import Features, Matcher, Matches, PairLabel, SparseMatcher
from gim_data.video.framestore import FrameStore, StoredFrame, write_frames
from gim_models.labelling import file_name
from gim_models.registry import open_matcher
from gim_models.sparse.lightglue import GlueNet
from gim_models.sparse.matcher import SparseGlueMatcher
from gim_models.teachers.rootsift import RootSift

P = ParamSpec("P")
T = TypeVar("T")
WORLDS = ("street?seed=1", "street?seed=1&width=1920&height=1080")
EVERY_PAIR = ZoomConfig(least=1)


@dataclass(frozen=True)
class Row:
    """One teacher on one video; seconds are of CPU per minute of video.

    Attributes:
        size: (width, height) of the frames.
        teacher: its name.
        ours, pairwise: seconds of the first pass.
        ours_zoomed, pairwise_zoomed: seconds of the second one.
        network: seconds inside the teacher, of ``ours``.
        pairs, again: how many had a first, a second look.
        matches: that were kept, both passes.
        bytes_per_match: of the files on disk.
        files: label files of a video, whatever its length: one a skip and pass.
    """

    size: tuple[int, int]
    teacher: str
    ours: float
    pairwise: float
    ours_zoomed: float
    pairwise_zoomed: float
    network: float
    pairs: int
    again: int
    matches: int
    bytes_per_match: float
    files: int


class Library:
    """A sparse teacher that matches as its library does, one pair at a time and in float32."""

    def __init__(self, matcher: SparseMatcher) -> None:
        self.name, self._matcher = matcher.name, matcher
        self.match, self.extract = matcher.match, matcher.extract
        self._glue: LightGlue | None = None
        network = matcher.network if isinstance(matcher, SparseGlueMatcher) else None
        if isinstance(network, GlueNet):
            shape = network.shape.model_dump()
            self._glue = LightGlue(None, **shape, flash=False, depth_confidence=-1, width_confidence=-1).eval()
            self._glue.load_state_dict(network.state_dict())

    def match_features(self, pairs: Sequence[tuple[Features, Features]]) -> list[Matches]:
        """See ``SparseMatcher``."""
        return [self._one(a, b) for a, b in pairs]

    @torch.inference_mode()
    def _one(self, a: Features, b: Features) -> Matches:
        if self._glue is not None and min(len(a), len(b)):
            data = {f"image{i}": _asked(features) for i, features in enumerate((a, b))}
            index = self._glue(data)["matches"][0].numpy()
        elif isinstance(self._matcher, RootSift) and min(len(a), len(b)) > 1:
            index = nearest(a, b, self._matcher.ratio)
        else:
            return self._matcher.match_features([(a, b)])[0]
        sure = np.ones(len(index), np.float32)
        return Matches(a.keypoints[index[:, 0]], b.keypoints[index[:, 1]], sure, a.size, b.size)


def _asked(features: Features) -> dict[str, torch.Tensor]:
    """What kornia's LightGlue reads of an image."""
    inside = features.keypoints.clip(0, np.subtract(features.size, 1)).astype(np.float32)  # or kornia refuses them
    points, descriptors = (torch.from_numpy(values)[None] for values in (inside, features.descriptors))
    return {"keypoints": points, "descriptors": descriptors, "image_size": torch.tensor([features.size])}


def nearest(a: Features, b: Features, ratio: float) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """(N, 2) mutual nearest neighbours that pass the ratio test, the short way."""
    likeness = torch.from_numpy(a.descriptors) @ torch.from_numpy(b.descriptors).T
    near, to = likeness.topk(2, dim=1)
    distance = (2 - 2 * near).clamp(min=0).sqrt()
    mutual = likeness.argmax(dim=0)[to[:, 0]] == torch.arange(len(a))
    rows = (mutual & (distance[:, 0] < ratio * distance[:, 1])).nonzero()[:, 0]
    return np.asarray(torch.stack([rows, to[rows, 0]], 1).numpy(), np.int64)


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


def pair_by_pair(frames: FrameStore, matcher: Matcher, config: LabelsConfig) -> None:
    """Match every pair from its images, and fit."""
    for a, b in (pair for group in skip_pairs(frames.times, frames.shots, config.skips) for pair in group):
        images = frames.image(a), frames.image(b)
        if isinstance(matcher, SparseMatcher):
            both = [strongest(matcher.extract(image), cap_of(matcher, config)) for image in images]
            found = matcher.match_features([(both[0], both[1])])[0]
        else:
            found = matcher.match(*images)
        fit_fundamental(
            found.keypoints0,
            found.keypoints1,
            threshold=config.epipolar_px,
            confidence=config.fit_confidence,
            iterations=config.fit_iterations,
        )


def stored(parts: Sequence[tuple[int, LabelSet]], frames: FrameStore, name: str) -> int:
    """Bytes of the label files of both passes."""
    with tempfile.TemporaryDirectory() as folder:
        for number, part in parts:
            path = Path(folder) / file_name(name, part.skip, number)
            write_labels(path, part.labels, LabelMeta(frames.size, name, part.skip, number), part.notes)
        return sum(path.stat().st_size for path in Path(folder).iterdir())


def clocked(work: Callable[[], T]) -> tuple[T, float]:
    """What some work gives, and its seconds of CPU."""
    began = time.process_time()
    return work(), time.process_time() - began


def measure(frames: FrameStore, name: str, config: LabelsConfig, minutes: float) -> Row:
    """Label a video both ways, twice."""
    matcher = open_matcher(name)
    matcher.match(frames.image(0), frames.image(1))  # the first call sets things up
    timed = Timed(matcher) if isinstance(matcher, SparseMatcher) else None
    library = Library(matcher) if isinstance(matcher, SparseMatcher) else matcher
    found, ours = clocked(lambda: label_video(frames, timed or matcher, config, Silent()))
    network = timed.seconds if timed else 0.0
    first = labels_of(found)
    zoom = config.zoom or ZoomConfig.model_validate({})
    again, ours_zoomed = clocked(lambda: zoom_video(frames, matcher, first, found.overlay, config, zoom, Silent()))
    _, pairwise = clocked(lambda: pair_by_pair(frames, library, config))
    _, pairwise_zoomed = clocked(
        lambda: zoom_video(frames, library, first, found.overlay, config, EVERY_PAIR, Silent())
    )
    matches = sum(map(len, [*first, *labels_of(again)]))
    parts = [(1, part) for part in found.sets] + [(2, part) for part in again.sets]
    return Row(
        frames.size,
        name,
        ours / minutes,
        pairwise / minutes,
        ours_zoomed / minutes,
        pairwise_zoomed / minutes,
        network / minutes,
        len(first),
        sum(bool(len(raw)) for part in again.sets for raw in part.raw),
        matches,
        stored(parts, frames, name) / max(1, matches),
        len(parts),
    )


def labels_of(found: VideoLabels) -> list[PairLabel]:
    """The labels of all skips."""
    return [label for part in found.sets for label in part.labels]


def markdown(rows: list[Row]) -> str:
    """The table and the ratios."""
    lines = [
        "| frames | teacher | CPU s a video minute | pair by pair | ratio | outside the teacher | both passes "
        "| pair by pair | ratio | pairs | looked at again | bytes a match |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for r in rows:
        ours, pairwise = r.ours + r.ours_zoomed, r.pairwise + r.pairwise_zoomed
        lines.append(
            f"| {r.size[0]}x{r.size[1]} | {r.teacher} | {r.ours:.0f} | {r.pairwise:.0f} | {r.pairwise / r.ours:.2f} "
            f"| {1 - r.network / r.ours:.0%} | {ours:.0f} | {pairwise:.0f} | {pairwise / ours:.2f} | {r.pairs} "
            f"| {r.again} | {r.bytes_per_match:.1f} |"
        )
    files = max(sum(r.files for r in rows if r.size == size) for size in {r.size for r in rows})
    sides = [
        "Ours reads and describes a frame once, and looks again only where a view is magnified. Pair by pair reads and "
        "describes both frames of every pair, matches in float32 by the library, and looks again at every pair that "
        "has a label. Detectors and caps are the same; both sides fit an epipolar geometry to every pair.",
        f"Label files of a video, whatever its length: {files}.",
    ]
    return "\n".join([*lines, "", *sides]) + "\n"


def measured(world: str, args: argparse.Namespace) -> list[Row]:
    """Every teacher on one world."""
    video = rendered(world, seconds=args.seconds, interval=args.interval)
    with tempfile.TemporaryDirectory() as folder:
        numbered = enumerate(video.times.tolist())
        write_frames(
            Path(folder), (StoredFrame(time, 0, video.image(i)) for i, time in numbered), source_size=video.size
        )
        frames, config = FrameStore.open(Path(folder)), LabelsConfig.model_validate({"keypoints": args.keypoints})
        return [measure(frames, name, config, args.seconds / 60) for name in args.teachers]


def main() -> None:
    """Read the arguments, run, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS))
    parser.add_argument("--teachers", nargs="+", default=["rootsift", "xfeat+lighterglue"])
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--interval", type=float, default=1 / 3)
    parser.add_argument("--keypoints", type=int, default=4096)
    parser.add_argument("--out", type=Path, default=None, help="path without suffix")
    args = parser.parse_args()
    keep_freed_memory()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rows = [row for world in args.worlds for row in measured(world, args)]
    publish(args.out, [asdict(row) for row in rows], markdown(rows))


if __name__ == "__main__":
    main()
