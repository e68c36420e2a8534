"""Pairs per second of the pose stage, by protocol and workers, against a straight loop over OpenCV.

Run: ``python benchmarks/pose_stage.py [pairs]``. Scenes are random boxes: 600 matches, 0.5 px of noise, 40 % wrong.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import cv2
import numpy as np

from gim_data.types import TwoViewPair
from gim_models.evaluation.pose_stage import Task, score_tasks
from gim_models.evaluation.prediction_store import Prediction
from gim_models.evaluation.protocol import PROTOCOLS

K = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
MATCHES, WRONG = 600, 240


def make_task(protocol: str, seed: int) -> Task:
    """One random scene seen from two places."""
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


def straight_loop(tasks: list[Task]) -> None:
    """What a script would do: normalise, findEssentialMat, recoverPose."""
    for task in tasks:
        x0, x1 = (
            (p.astype(np.float64) - K[:2, 2]) / K[[0, 1], [0, 1]]
            for p in (task.prediction.keypoints0, task.prediction.keypoints1)
        )
        E, mask = cv2.findEssentialMat(x0, x1, np.eye(3), method=cv2.RANSAC, prob=0.99999, threshold=0.5 / 600)
        cv2.recoverPose(E[:3], x0, x1, np.eye(3), distanceThresh=1e9, mask=mask)


def main() -> None:
    """Time everything and print a table."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    tasks = [make_task("zeb-paper-v1", seed) for seed in range(pairs)]
    started = time.perf_counter()
    straight_loop(tasks)
    print(f"{'straight loop':14} {'':7} {pairs / (time.perf_counter() - started):8.1f} pairs/s")
    for name in sorted(PROTOCOLS):
        tasks = [make_task(name, seed) for seed in range(pairs)]
        for workers in (1, 2):
            started = time.perf_counter()
            scores = list(score_tasks(tasks, workers=workers))
            rate = pairs / (time.perf_counter() - started)
            median = np.median([score.error for score in scores])
            print(f"{name:14} {workers} proc {rate:8.1f} pairs/s, median error {median:.2f} degrees")


if __name__ == "__main__":
    main()
