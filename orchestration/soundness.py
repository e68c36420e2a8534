"""Questions asked of a finished unit before anything reads it: each takes its folder and returns a finding."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gim_data.types import PairLabel

LEAST_INLIER_SHARE = 0.1
LEAST_CLOSED_SHARE = 0.5
CLOSED_PX = 3.0
LEAST_CYCLES = 30


@dataclass(frozen=True)
class Finding:
    """The answer to one question.

    Attributes:
        problem: what is wrong, empty if nothing.
        numbers: what was measured.
    """

    problem: str
    numbers: Mapping[str, float | int]


@dataclass(frozen=True)
class Question:
    """One check.

    Attributes:
        stage: whose units it is about.
        name: of the check.
        ask: folder of a unit -> finding.
        blocking: whether what reads the unit must wait for a good answer.
        doc: one line for people.
    """

    stage: str
    name: str
    ask: Callable[[Path], Finding]
    blocking: bool
    doc: str


def usable_shots(folder: Path) -> Finding:
    """At least one span of the video is kept."""
    from gim_data.video.shots import read_spans

    spans = read_spans(folder)
    seconds = sum(span.end - span.start for span in spans if span.kept)
    return Finding("" if seconds else "no span is kept", {"spans": len(spans), "seconds": seconds})


def labels_sound(folder: Path) -> Finding:
    """Every coordinate is finite and inside its frame (reading a label file checks that), and some pair has matches."""
    from gim_data.errors import GimError
    from gim_data.labels.store import read_labels

    pairs = matches = 0
    for path in sorted(folder.glob("*.parquet")):
        try:
            labels = read_labels(path)
        except GimError as error:
            return Finding(error.problem, {})
        pairs += len(labels)
        matches += sum(map(len, labels))
    return Finding("" if matches else "no correspondence at all", {"pairs": pairs, "matches": matches})


def inlier_share(folder: Path) -> Finding:
    """The robust fit keeps a plausible share of the raw matches."""
    from gim_data.labels.store import LabelStore

    indices = [LabelStore.open(path).index for path in sorted(folder.glob("*.parquet"))]
    raw = sum(int(index["raw"].sum()) for index in indices)
    kept = sum(int(index["n"].sum()) for index in indices)
    share = kept / raw if raw else 0.0
    low = share < LEAST_INLIER_SHARE
    return Finding(f"{share:.0%} of the raw matches survive" if low else "", {"raw": raw, "kept": kept, "share": share})


def cycles_close(folder: Path) -> Finding:
    """No teacher contradicts itself: most of its matches over three frames come back to the same place."""
    from gim_data.labels.cycles import cycle_errors
    from gim_data.labels.store import LabelStore

    labels: dict[str, list[PairLabel]] = {}
    for store in map(LabelStore.open, sorted(folder.glob("*.parquet"))):
        title = store.meta.teacher if store.meta.zoom_pass < 2 else f"{store.meta.teacher}, zoomed"
        labels.setdefault(title, []).extend(store.labels())
    errors = {title: cycle_errors(own) for title, own in labels.items()}
    shares = {title: float((own <= CLOSED_PX).mean()) for title, own in errors.items() if len(own) >= LEAST_CYCLES}
    wrong = [f"{share:.0%} of {title}'s" for title, share in shares.items() if share < LEAST_CLOSED_SHARE]
    return Finding(f"only {', '.join(wrong)} three-frame cycles close" if wrong else "", shares)


def loss_finite(folder: Path) -> Finding:
    """Every loss logged during training is a number."""
    with (folder / "training.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    losses = [float(row[name]) for row in rows for name in row if "loss" in name and row[name]]
    wrong = sum(not math.isfinite(loss) for loss in losses)
    return Finding(f"{wrong} losses are not finite" if wrong else "", {"rows": len(rows), "losses": len(losses)})


def every_pair_scored(folder: Path) -> Finding:
    """Under every protocol, the table of errors has one row per benchmark pair."""
    import pandas as pd

    bench = json.loads((folder.parents[1] / "bench" / "all" / "ledger.json").read_text())["summary"]
    rows = pd.read_parquet(folder / "errors.parquet", columns=["protocol"])["protocol"].value_counts().to_dict()
    counts = {str(name): int(n) for name, n in rows.items()}
    wrong = {name: n for name, n in counts.items() if n != bench["pairs"]}
    problem = f"{wrong or 'no'} rows for {bench['pairs']} pairs" if wrong or not counts else ""
    return Finding(problem, {"pairs": bench["pairs"], **counts})


def nothing_leaked(folder: Path) -> Finding:
    """No picture that training may read looks like a benchmark image."""
    from gim_data.bench.leaks import bench_images, cache_folder, find_leaks
    from gim_data.stage import Silent
    from orchestration.training_pictures import training_albums

    data = folder.parents[1]
    report = find_leaks(training_albums(data.parent), bench_images(data), Silent(), cache=cache_folder(data))
    places = [f"{leak.image.name} is {leak.place}" for leak in report.leaks[:5]]
    problem = f"{len(report.leaks)} benchmark images are training pictures: {'; '.join(places)}" if places else ""
    return Finding(problem, {"pictures": report.pictures, "images": report.images, "leaks": len(report.leaks)})


QUESTIONS = (
    Question("shots", "usable_shots", usable_shots, False, "At least one span of the video can be used."),
    Question("matches", "labels_sound", labels_sound, True, "Coordinates are finite and inside their frames."),
    Question("matches", "cycles_close", cycles_close, True, "Matches over three frames agree with each other."),
    Question("matches", "inlier_share", inlier_share, False, "The robust fit keeps a plausible share of the matches."),
    Question("tracks", "pairs_sound", labels_sound, True, "Coordinates are finite and inside their frames."),
    Question("model", "loss_finite", loss_finite, True, "No loss became infinite or NaN."),
    Question("zeb_scores", "every_pair_scored", every_pair_scored, True, "One result per benchmark pair."),
    Question("scaling_curve", "nothing_leaked", nothing_leaked, True, "No benchmark image is a training frame."),
)
