"""Does this OpenCV find essential matrices as the one behind ZEB's published numbers did (GIM.md 4.5: OpenCV 4.5.3)?

Run it with any OpenCV and compare what is printed: ``python benchmarks/opencv_regime.py [pairs]``. It needs numpy and
OpenCV only, so that an old one can run it. Scenes are random boxes; the share of right matches goes from 10 to 90 %,
since a thousand samples of five points are enough above 0.3 and not below: where success sets in tells the estimator.
The last rows move boxes of right matches away: ZEB's code asks ``recoverPose`` for points up to 1e9 baselines, but by
position, where OpenCV takes it for an output and keeps to 50. A pair without a nearer point then has no pose.
"""

from __future__ import annotations

import sys
import time
import zlib

import cv2
import numpy as np

K = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
MATCHES = 300
AWAY = (1.0, 5.0, 10.0, 20.0)
SHARES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 0.9)


def make_scene(seed: int, share: float, away: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, 2) normalised points of both images, ``share`` of them right, and the (4, 4) motion.

    ``away`` scales the box of 4 to 9 baselines' depth.
    """
    rng = np.random.default_rng(seed)
    T = np.eye(4)
    T[:3, :3] = cv2.Rodrigues(np.radians(rng.uniform(-15, 15, 3)))[0]
    T[:3, 3] = rng.uniform(-1, 1, 3)
    X = away * rng.uniform([-2, -1.5, 4], [2, 1.5, 9], (MATCHES, 3))
    points = []
    for Y in (X, X @ T[:3, :3].T + T[:3, 3]):
        pixels = Y @ K.T
        points.append(pixels[:, :2] / pixels[:, 2:] + rng.normal(0, 0.3, (MATCHES, 2)))
    wrong = round(MATCHES * (1 - share))
    points[1][:wrong] = rng.uniform(0, [640, 480], (wrong, 2))
    return (points[0] - K[:2, 2]) / 600, (points[1] - K[:2, 2]) / 600, T


def pose_error(x0: np.ndarray, x1: np.ndarray, T: np.ndarray) -> float:
    """Degrees, by the calls of GIM.md 4.5; 180 where there is no pose."""
    E, mask = cv2.findEssentialMat(x0, x1, np.eye(3), method=cv2.RANSAC, prob=0.99999, threshold=0.5 / 600)
    if E is None:
        return 180.0
    best, most = (np.eye(3), np.zeros(3)), 0
    for part in np.split(E, len(E) // 3):
        count, R, t, _, _ = cv2.recoverPose(part, x0, x1, np.eye(3), distanceThresh=1e9, mask=mask.copy())
        if count > most:
            best, most = (R, t[:, 0]), count
    if most == 0:
        return 180.0
    cosine = np.clip((np.trace(best[0].T @ T[:3, :3]) - 1) / 2, -1, 1)
    along = abs(best[1] @ T[:3, 3]) / np.linalg.norm(T[:3, 3])
    return float(np.degrees(max(np.arccos(cosine), np.arccos(np.clip(along, 0, 1)))))


def without_pose(away: float, pairs: int) -> tuple[int, int]:
    """How many pairs of right matches get no pose: by the keyword that was meant, by the position that was used."""
    failed = [0, 0]
    for seed in range(pairs):
        x0, x1, _ = make_scene(seed, 1.0, away)
        cv2.setRNGSeed(seed + 1)
        E, mask = cv2.findEssentialMat(x0, x1, np.eye(3), method=cv2.RANSAC, prob=0.99999, threshold=0.5 / 600)
        parts = np.split(E, len(E) // 3)
        meant = [cv2.recoverPose(e, x0, x1, np.eye(3), distanceThresh=1e9, mask=mask.copy())[0] for e in parts]
        used = [cv2.recoverPose(e, x0, x1, np.eye(3), 1e9, mask=mask.copy())[0] for e in parts]
        failed = [failed[0] + (max(meant) == 0), failed[1] + (max(used) == 0)]
    return failed[0], failed[1]


def main() -> None:
    """Print, by share of right matches, how often the pose is within 5 and 10 degrees."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    print(f"OpenCV {cv2.__version__}, {pairs} pairs a row, {MATCHES} matches")
    for share in SHARES:
        errors, began = [], time.process_time()
        for seed in range(pairs):
            cv2.setRNGSeed(zlib.crc32(f"{seed}".encode()) & 0x7FFFFFFF)
            errors.append(pose_error(*make_scene(seed, share)))
        spent = 1000 * (time.process_time() - began) / pairs
        within = [100 * float(np.mean(np.array(errors) < t)) for t in (5, 10)]
        told = f"within 5 degrees {within[0]:5.1f} %, 10 degrees {within[1]:5.1f} %"
        print(f"right {share:4.0%}: {told}, median {np.median(errors):6.2f} degrees, {spent:5.0f} ms a pair")
    for away in AWAY:
        meant, used = without_pose(away, pairs)
        told = f"no pose for {meant:3d} pairs by keyword, {used:3d} by position"
        print(f"all right, {4 * away:4.0f} to {9 * away:4.0f} baselines away: {told}")


if __name__ == "__main__":
    main()
