"""What stands between a matcher and right poses: wrong matches, imprecise ones, or too few.

    python benchmarks/match_errors.py WORKSPACE student.dkm-000 student.dkm-100 --out results/match_errors

Takes what a workspace predicted (``gim run zeb_predictions``) and scores it four times: as it is; with the wrong
matches taken out; with the right ones moved onto the true epipolar lines; with both. What a column gains over the first
is what that fault costs; what the last one lacks is for want of matches. A match is right when it lies within
``--radius`` pixels of the true line in the second image. Writes ``<out>.json`` and ``<out>.md`` and prints the latter.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from result_files import publish

from gim_data.epipolar import fundamental
from gim_data.types import TwoViewPair
from gim_models.evaluation.auc import auc
from gim_models.evaluation.bench import read_bench
from gim_models.evaluation.pose_stage import Task, pair_up, score_tasks
from gim_models.evaluation.prediction_store import Prediction, read_predictions

Points = NDArray[np.float64]
Repair = Callable[[Task, float], Task]
THRESHOLD = 5.0  # degrees
FINE = (1.0, 3.0)  # pixels


@dataclass(frozen=True)
class Row:
    """One matcher.

    Attributes:
        unit: its name in the workspace.
        matches: their median over pairs.
        fine: shares of all matches within ``FINE`` pixels, and within the radius.
        scores: mean AUC over sequences, in percent, by repair.
    """

    unit: str
    matches: float
    fine: list[float]
    scores: dict[str, float]


def line_offsets(task: Task) -> Points:
    """(N, 2) pixels from every second point to the true epipolar line of its first; infinite where there is no line."""
    pair, found = task.pair, task.prediction
    x0, x1 = (np.column_stack([p.astype(np.float64), np.ones(len(p))]) for p in (found.keypoints0, found.keypoints1))
    lines = x0 @ fundamental(pair.K0, pair.K1, pair.T_0to1).T
    length2 = (lines[:, :2] ** 2).sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        offsets = -(x1 * lines).sum(axis=1, keepdims=True) * lines[:, :2] / length2
    return np.where(length2 > 0, offsets, np.inf)


def as_it_is(task: Task, radius: float) -> Task:
    """No repair."""
    return task


def without_wrong(task: Task, radius: float) -> Task:
    """Only what lies within ``radius`` of the true line."""
    right = np.linalg.norm(line_offsets(task), axis=1) <= radius
    found = task.prediction
    kept = (part[right] for part in (found.keypoints0, found.keypoints1, found.confidence))
    return replace(task, prediction=Prediction(found.identifier, *kept))


def made_exact(task: Task, radius: float) -> Task:
    """What lies within ``radius`` of the true line moved onto it."""
    offsets = line_offsets(task)
    right = np.linalg.norm(offsets, axis=1, keepdims=True) <= radius
    moved = (task.prediction.keypoints1 + np.where(right, offsets, 0)).astype(np.float32)
    return replace(task, prediction=replace(task.prediction, keypoints1=moved))


def both(task: Task, radius: float) -> Task:
    """Only right matches, and those exact."""
    return made_exact(without_wrong(task, radius), radius)


REPAIRS: Mapping[str, Repair] = {
    "as it is": as_it_is,
    "no wrong ones": without_wrong,
    "right ones exact": made_exact,
    "both": both,
}


def measure(workspace: Path, unit: str, sequences: Mapping[str, list[TwoViewPair]], args: argparse.Namespace) -> Row:
    """One matcher's row."""
    folder = workspace / "data" / "zeb_predictions" / unit
    tasks = {
        name: pair_up(args.protocol, pairs, read_predictions(folder / f"{name}.parquet"), 0)
        for name, pairs in sequences.items()
    }
    off = [np.linalg.norm(line_offsets(task), axis=1) for each in tasks.values() for task in each]
    scores = {
        name: 100 * float(np.mean([_auc(each, repair, args) for each in tasks.values()]))
        for name, repair in REPAIRS.items()
    }
    share = [float((np.concatenate(off) <= limit).mean()) for limit in (*FINE, args.radius)]
    return Row(unit, float(np.median([len(each) for each in off])), share, scores)


def _auc(tasks: list[Task], repair: Repair, args: argparse.Namespace) -> float:
    repaired = [repair(task, args.radius) for task in tasks]
    errors = [found.error for found in score_tasks(repaired, workers=args.workers)]
    return auc(errors, THRESHOLD)


def table(rows: list[Row], radius: float) -> str:
    """Markdown."""
    within = [f"within {limit:g} px" for limit in (*FINE, radius)]
    head = ["matcher", "matches", *within, *(f"AUC@{THRESHOLD:g} {name}" for name in REPAIRS)]
    lines = [f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for row in rows:
        cells = [row.unit, f"{row.matches:.0f}", *(f"{share:.2f}" for share in row.fine)]
        lines.append(f"| {' | '.join([*cells, *(f'{score:.1f}' for score in row.scores.values())])} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path, help="folder with data/bench and data/zeb_predictions")
    parser.add_argument("units", nargs="+", help="names under data/zeb_predictions")
    parser.add_argument("--protocol", default="poselib-v1", help="default: %(default)s")
    parser.add_argument("--radius", type=float, default=5.0, help="pixels within which a match is right; default: 5")
    parser.add_argument("--workers", type=int, default=1, help="processes; default: 1")
    parser.add_argument("--out", type=Path, help="path without suffix")
    args = parser.parse_args()
    sequences = read_bench(args.workspace / "data" / "bench" / "all")
    rows = [measure(args.workspace, unit, sequences, args) for unit in args.units]
    publish(args.out, [asdict(row) for row in rows], table(rows, args.radius))


if __name__ == "__main__":
    main()
