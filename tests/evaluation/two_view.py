"""Two-view scenes whose geometry is known exactly."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gim_data.types import TwoViewPair


@dataclass
class Scene:
    pair: TwoViewPair
    points0: np.ndarray
    points1: np.ndarray


def make_scene(seed: int = 0, count: int = 200, *, noise: float = 0.0, outliers: int = 0, scale: float = 1.0) -> Scene:
    """Points of a box in front of two cameras with different lenses; the last ``outliers`` are random.

    ``scale`` moves the box away and enlarges it as much, so that only the parallax changes.
    """
    rng = np.random.default_rng(seed)
    K0 = np.array([[600.0, 0, 320], [0, 610, 240], [0, 0, 1]])
    K1 = np.array([[500.0, 0, 300], [0, 505, 250], [0, 0, 1]])
    T = np.eye(4)
    T[:3, :3] = cv2.Rodrigues(np.radians(rng.uniform(-15, 15, 3)))[0]
    T[:3, 3] = rng.uniform(-1, 1, 3)
    X = scale * rng.uniform([-2, -1.5, 4], [2, 1.5, 9], (count, 3))
    points = []
    for K, Y in ((K0, X), (K1, X @ T[:3, :3].T + T[:3, 3])):
        pixels = Y @ K.T
        points.append(pixels[:, :2] / pixels[:, 2:] + rng.normal(0, noise, (count, 2)))
    if outliers:
        points[1][-outliers:] = rng.uniform(0, [640, 480], (outliers, 2))
    pair = TwoViewPair(f"box#{seed}#{seed + 1}", Path("0.png"), Path("1.png"), K0, K1, T, 0.5)
    return Scene(pair, points[0], points[1])
