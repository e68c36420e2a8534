"""Images and matches whose geometry is known exactly."""

import cv2
import numpy as np

from gim_data.types import Matches

SIZE = (320, 240)
TURN = np.array([[0.96, -0.17, 30.0], [0.19, 0.94, -12.0], [1e-4, -2e-4, 1.0]])


def wall(seed=0, size=SIZE):
    """A textured picture, (H, W, 3)."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.random((size[1] // step, size[0] // step, 3)), size, interpolation=cv2.INTER_CUBIC)
        for step in (4, 12, 40)
    ]
    return (255 * np.clip(sum(layers) / 3 * 1.6 - 0.3, 0, 1)).astype(np.uint8)


def through(H, points):
    mapped = np.column_stack([points, np.ones(len(points))]) @ H.T
    return mapped[:, :2] / mapped[:, 2:]


def matches_of(points0, points1, size=SIZE):
    return Matches(
        points0.astype(np.float32), points1.astype(np.float32), np.ones(len(points0), np.float32), size, size
    )


def plane_and_depth(rng, flat, deep, wrong=0):
    """Matches of two cameras: ``flat`` on one plane, ``deep`` off it, ``wrong`` anywhere, in that order."""
    K = np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]])
    R = cv2.Rodrigues(np.array([0.02, -0.15, 0.05]))[0]
    X = rng.uniform([-1.2, -0.9, 4], [1.2, 0.9, 4], (flat + deep, 3))
    X[flat:, 2] = rng.uniform(2.2, 9, deep)
    x0, x1 = ((Y := Z @ K.T)[:, :2] / Y[:, 2:] for Z in (X, X @ R.T + np.array([0.6, 0.1, 0.1])))
    anywhere = [rng.random((wrong, 2)) * SIZE for _ in range(2)]
    return matches_of(np.vstack([x0, anywhere[0]]), np.vstack([x1, anywhere[1]]))
