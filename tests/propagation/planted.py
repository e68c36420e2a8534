"""Planted tracks: world points seen by a moving camera, and label sets cut from their exact positions."""

import numpy as np

from gim_data.propagation.graph import Source
from gim_data.types import PairLabel

SIZE = (640, 360)


def planted(rng, *, frames=16, points=600, speed=9.0, noise=0.0):
    """(F, P, 2) positions of points sliding left at two speeds under a nodding camera, and (F, P) which are seen."""
    start = rng.random((points, 2)) * (SIZE[0] + speed * frames * 2, SIZE[1] - 20) + (0, 10)
    pace = np.where(np.arange(points) % 2, speed, speed * 1.5)
    time = np.arange(frames)[:, None]
    exact = np.stack([start[:, 0] - pace * time, start[:, 1] + 4 * np.sin(time / 3)], axis=-1).astype(np.float32)
    seen = ((exact >= 1) & (exact < np.subtract(SIZE, 2))).all(axis=-1)
    return (exact + rng.normal(0, noise, exact.shape)).astype(np.float32), seen


def label(positions0, positions1, chosen, frame0, frame1):
    """The direct label of the points ``chosen`` (P,) bool."""
    n = int(chosen.sum())
    return PairLabel(
        frame0,
        frame1,
        positions0[chosen],
        positions1[chosen],
        np.full(n, 0.9, np.float32),
        np.zeros(n, np.uint8),
        np.ones(n, np.uint8),
        1.0,
    )


def sources(rng, tracks, seen, *, teachers=("a",), skips=(1, 2, 4), keep=0.7, teacher_noise=0.0):
    """Label sets of several teachers and skips; each match is kept with probability ``keep``.

    A teacher's keypoints are the same in all its labels (it is sparse), up to ``teacher_noise`` pixels off the truth.
    """
    made = []
    for teacher in teachers:
        own = (tracks + rng.normal(0, teacher_noise, tracks.shape)).astype(np.float32)
        for skip in skips:
            labels = []
            for a in range(len(tracks) - skip):
                chosen = seen[a] & seen[a + skip] & (rng.random(tracks.shape[1]) < keep)
                labels.append(label(own[a], own[a + skip], chosen, a, a + skip))
            made.append(Source(teacher, labels))
    return made


def truth_error(tracks, found):
    """(N,) distance of a propagated pair's second points from where the nearest planted track goes."""
    distance = np.linalg.norm(found.points0[:, None] - tracks[found.frame0][None], axis=-1)
    return np.linalg.norm(found.points1 - tracks[found.frame1][distance.argmin(axis=1)], axis=1)
