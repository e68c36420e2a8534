"""The pose stage against a straight loop over OpenCV, PoseLib against OpenCV on the same matches, and the aggregate.

    python benchmarks/pose_stage.py
    python benchmarks/pose_stage.py --stored ~/work xfeat+lighterglue      # on what a workspace predicted, too

Scenes are random boxes: 600 matches, 0.5 px of noise, 40 % wrong. What is compared is timed in turns, round by round,
and the median ratio is what counts: another load on the machine changes every rate and hardly their ratios. The number
of processes helps no more than there are free cores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from gim_data.types import TwoViewPair
from gim_models.evaluation.auc import auc
from gim_models.evaluation.bench import read_bench
from gim_models.evaluation.config import EvaluateConfig
from gim_models.evaluation.pose_stage import Task, pair_up, score_tasks
from gim_models.evaluation.prediction_store import Prediction, read_predictions
from gim_models.evaluation.protocol import PROTOCOLS, PairScore
from gim_models.evaluation.scores import summarise

K = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
MATCHES, WRONG = 600, 240
PAPER, POSELIB = "zeb-paper-v1", "poselib-v1"


def make_task(protocol: str, seed: int) -> Task:
    """One random scene seen from two places; the same matches for every protocol."""
    rng = np.random.default_rng(seed)
    T = np.eye(4)
    T[:3, :3] = cv2.Rodrigues(np.radians(rng.uniform(-15, 15, 3)))[0]
    T[:3, 3] = rng.uniform(-1, 1, 3)
    X = rng.uniform([-2, -1.5, 4], [2, 1.5, 9], (MATCHES, 3))
    points = []
    for Y in (X, X @ T[:3, :3].T + T[:3, 3]):
        pixels = Y @ K.T
        points.append((pixels[:, :2] / pixels[:, 2:] + rng.normal(0, 0.5, (MATCHES, 2))).astype(np.float32))
    points[1][-WRONG:] = rng.uniform(0, [640, 480], (WRONG, 2))
    pair = TwoViewPair(f"box#{seed}#0", Path(), Path(), K, K, T, 0.5)
    return Task(protocol, pair, Prediction(pair.identifier, *points, np.ones(MATCHES, np.float32)), 0)


def straight_loop(tasks: list[Task]) -> list[PairScore]:
    """What a script would do: normalise, findEssentialMat, recoverPose; it scores nothing."""
    for task in tasks:
        x0, x1 = (
            (p.astype(np.float64) - K[:2, 2]) / K[[0, 1], [0, 1]]
            for p in (task.prediction.keypoints0, task.prediction.keypoints1)
        )
        E, mask = cv2.findEssentialMat(x0, x1, np.eye(3), method=cv2.RANSAC, prob=0.99999, threshold=0.5 / 600)
        cv2.recoverPose(E[:3], x0, x1, np.eye(3), distanceThresh=1e9, mask=mask)
    return []


def in_turns(
    ways: dict[str, Callable[[], list[PairScore]]], rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[PairScore]]]:
    """Wall seconds of each way in each round, and what each returned."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, list[PairScore]] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            results[name] = way()
            seconds[name].append(time.perf_counter() - began)
    return seconds, results


def compare_ways(pairs: int, rounds: int) -> dict[str, list[PairScore]]:
    """Print rates, and ratios to the straight loop; the scores of each way."""
    tasks = {name: [make_task(name, seed) for seed in range(pairs)] for name in sorted(PROTOCOLS)}
    ways: dict[str, Callable[[], list[PairScore]]] = {"straight loop": partial(straight_loop, tasks[PAPER])}
    for name in (PAPER, POSELIB):
        for workers in (1, 2):
            ways[f"{name}, {workers} proc"] = partial(_scored, tasks[name], workers)
    seconds, results = in_turns(ways, rounds)
    print(f"{pairs} pairs, {rounds} rounds in turns")
    for name, taken in seconds.items():
        ratio = np.median(np.divide(seconds["straight loop"], taken))
        print(f"{name:22} {pairs / np.median(taken):8.1f} pairs/s, {ratio:6.2f} x straight loop")
    for name in (PAPER, POSELIB):
        ratio = np.median(np.divide(seconds[f"{name}, 1 proc"], seconds[f"{name}, 2 proc"]))
        print(f"{name:22} 2 processes are {ratio:.2f} x as fast as 1")
    ratio = np.median(np.divide(seconds[f"{PAPER}, 1 proc"], seconds[f"{POSELIB}, 1 proc"]))
    print(f"{POSELIB:22} {ratio:.1f} x as fast as {PAPER}, on the same matches")
    return results


def compare_accuracy(results: dict[str, list[PairScore]]) -> None:
    """Print how far either estimator is off on the same matches."""
    for name in (PAPER, POSELIB):
        one, two = results[f"{name}, 1 proc"], results[f"{name}, 2 proc"]
        errors = np.array([score.error for score in one])
        same = "the same bits" if one == two else "OTHER BITS"
        print(
            f"{name:22} median error {np.median(errors):.3f} degrees, AUC@5 {100 * auc(errors, 5):.1f} %; "
            f"1 and 2 processes: {same}"
        )


def aggregate(pairs: int = 10_000) -> None:
    """Print how long AUC, intervals and everything else of ``scores.json`` take."""
    rng = np.random.default_rng(0)
    blank = PairScore("", 0.5, 0.0, 0.0, 100, 50, 0.5, 0.9, "")
    table = pd.DataFrame([asdict(blank)] * pairs).assign(
        protocol=PAPER,
        sequence=[f"set{i % 12:02d}" for i in range(pairs)],
        identifier=[f"a#{i}#b" for i in range(pairs)],
        overlap=rng.random(pairs),
        error=rng.gamma(1, 8, pairs),
    )
    config = EvaluateConfig(protocol=PAPER, also=())
    wall, own = time.perf_counter(), time.process_time()
    summarise(table, config)
    told = f"{time.perf_counter() - wall:.2f} s, of which {time.process_time() - own:.2f} s of this process"
    print(f"aggregate of {pairs} pairs in 12 sequences, {config.bootstrap} bootstrap samples: {told}")


def compare_stored(workspace: Path, unit: str, rounds: int) -> None:
    """Print time and accuracy of every protocol on what a matcher predicted for real pairs."""
    sequences = read_bench(workspace / "data" / "bench" / "all")
    stored = workspace / "data" / "zeb_predictions" / unit
    tasks = {
        name: [pair_up(name, pairs, read_predictions(stored / f"{s}.parquet"), 0) for s, pairs in sequences.items()]
        for name in (PAPER, POSELIB)
    }
    ways = {name: partial(_scored, [task for each in found for task in each], 1) for name, found in tasks.items()}
    seconds, results = in_turns(ways, rounds)
    print(f"{len(results[PAPER])} pairs of {workspace.name}, {unit}, 1 process")
    for name, found in tasks.items():
        ends = np.cumsum([len(each) for each in found])[:-1]
        parts = np.split(np.array([score.error for score in results[name]]), ends)
        accuracy = ", ".join(f"AUC@{t} {100 * np.mean([auc(part, t) for part in parts]):.1f}" for t in (5, 10, 20))
        print(f"{name:22} {len(results[name]) / np.median(seconds[name]):8.1f} pairs/s, {accuracy}")


def _scored(tasks: list[Task], workers: int) -> list[PairScore]:
    return list(score_tasks(tasks, workers=workers))


def main() -> None:
    """Time everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200, help="random boxes")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is timed, in turns")
    parser.add_argument(
        "--stored", nargs=2, metavar=("WORKSPACE", "UNIT"), help="also on a matcher's predictions there"
    )
    args = parser.parse_args()
    aggregate()
    compare_accuracy(compare_ways(args.pairs, args.rounds))
    if args.stored:
        compare_stored(Path(args.stored[0]), args.stored[1], args.rounds)


if __name__ == "__main__":
    main()
