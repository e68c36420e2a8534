"""A virtual walk whose every track is known, and the 24 label sets that GIM's preprocessor would leave of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gim_data.types import Floats

SIZE = (1920, 1080)
FOCAL = 1200.0
GAP = 10  # GIM's numbers between two sampled frames
SKIPS = (1, 2, 4)  # sampled frames between both ends of a pair
METHODS = ("SIFT", "GIM_GLUE", "GIM_LOFTR", "GIM_DKM")
VIDEO = "walk"
_STEP = 0.45  # metres between two sampled frames: 1.4 m/s, three frames a second
_REACH = 60.0  # metres that points are seen from
_DENSITY = 220  # points a metre of street


@dataclass(frozen=True)
class Walk:
    """What the camera sees.

    Attributes:
        exact: (F, P, 2) float32 pixels.
        seen: (F, P) bool.
        detected: (D, F, P, 2) float32, where each of the detectors puts the points: off by its noise, the same in
            every label of a frame.
        known: (D, P) bool, which points each detector finds at all.
    """

    exact: Floats
    seen: NDArray[np.bool_]
    detected: Floats
    known: NDArray[np.bool_]

    @property
    def frames(self) -> int:
        """How many sampled frames."""
        return len(self.exact)

    def errors(self, frame0: int, frame1: int, points0: Floats, points1: Floats) -> NDArray[np.float64]:
        """(N,) pixels between ``points1`` and where the points detected at ``points0`` (N, 2) really are in frame1."""
        detector, point = np.nonzero(self.known & self.seen[frame0])
        tree = cKDTree(self.detected[detector, frame0, point])
        owner = point[tree.query(points0)[1]]
        return np.asarray(np.linalg.norm(self.exact[frame1, owner] - points1, axis=1))


def plan_walk(*, frames: int = 120, noise: float = 0.2, share: float = 0.5, seed: int = 0) -> Walk:
    """A street of facades, ground and clutter, walked along with a swaying camera.

    Args:
        frames: sampled frames, a third of a second apart.
        noise: of every detector, pixels per axis.
        share: of the points that each detector finds.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    world = _street(rng, frames * _STEP + _REACH)
    views = [_project(world, time) for time in range(frames)]
    exact, seen = (np.stack(parts) for parts in zip(*views, strict=True))
    ever = seen.any(axis=0)
    exact, seen = exact[:, ever].astype(np.float32), seen[:, ever]
    detectors = len(METHODS) * 2
    shape = (detectors, *exact.shape)
    detected = exact + noise * rng.standard_normal(shape, np.float32)
    seen &= ((detected > 0) & (detected < np.subtract(SIZE, 1))).all(axis=(0, 3))
    return Walk(exact, seen, detected, rng.random((detectors, exact.shape[1])) < share)


def write_sets(root: Path, walk: Walk, *, matches: int = 1500, seed: int = 1) -> None:
    """Write the 24 label sets below ``root/pseudo``; ``matches`` a pair, drawn from what the detector sees in both."""
    rng = np.random.default_rng(seed)
    for detector in range(len(walk.detected)):
        method, zoomed = METHODS[detector // 2], "FT"[detector % 2]
        for skip in SKIPS:
            scene = f"{VIDEO} WH {SIZE[0]:4} {SIZE[1]:4} RG {0:4} {-1:4} SP {skip * GAP} {len(VIDEO)}"
            _write_set(root / "pseudo" / f"WALK {method} [R] {zoomed} [S] {skip * GAP:2}" / scene, walk, detector, skip,
                       matches, rng)  # fmt: skip


def _write_set(folder: Path, walk: Walk, detector: int, skip: int, matches: int, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    pairs, counts = [], []
    for a in range(walk.frames - skip):
        b = a + skip
        both = np.flatnonzero(walk.known[detector] & walk.seen[a] & walk.seen[b])
        chosen = rng.choice(both, min(matches, len(both)), replace=False)
        ends = walk.detected[detector, a, chosen], walk.detected[detector, b, chosen]
        np.save(folder / f"{np.array([a * GAP, b * GAP])}.npy", np.concatenate(ends, axis=1))
        pairs.append((a * GAP, b * GAP))
        counts.append(len(chosen))
    np.save(folder / "idxs.npy", np.array(pairs))
    np.save(folder / "nums.npy", np.array(counts))


def _street(rng: np.random.Generator, length: float) -> NDArray[np.float64]:
    """(P, 3) points, metres: x right, y down, z along the street; the eye is at the origin, 1.6 m up."""
    count = int(length * _DENSITY)
    z = rng.uniform(0, length, count)
    kind = rng.choice(3, count, p=(0.6, 0.25, 0.15))
    side = rng.choice((-1.0, 1.0), count)
    facade = np.stack([side * (7 + 2 * np.sin(z / 6) + rng.normal(0, 0.3, count)), rng.uniform(-8, 1.5, count), z], 1)
    ground = np.stack([rng.uniform(-7, 7, count), np.full(count, 1.6), z], 1)
    clutter = np.stack([side * rng.uniform(2, 5, count), rng.uniform(-1, 1.6, count), z], 1)
    return np.choose(kind[:, None], (facade, ground, clutter))


def _project(world: NDArray[np.float64], time: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    yaw, pitch = 0.06 * np.sin(time / 11), 0.015 * np.sin(time / 5)
    turn_y = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    eye = np.array([0.4 * np.sin(time / 9), 0.04 * np.sin(time / 1.7), time * _STEP])
    local = (world - eye) @ (turn_x @ turn_y).T
    depth = np.maximum(local[:, 2], 1e-3)
    pixels = FOCAL * local[:, :2] / depth[:, None] + np.divide(SIZE, 2)
    inside = ((pixels > 1) & (pixels < np.subtract(SIZE, 2))).all(axis=1)
    return pixels, inside & (local[:, 2] > 1.5) & (local[:, 2] < _REACH)
