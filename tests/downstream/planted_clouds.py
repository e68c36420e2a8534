"""Clouds of a made-up town, seen from where the test says."""

import numpy as np

from gim_models.downstream.bev.align import lift
from gim_models.downstream.bev.rigid import Rigid


def motion(yaw_deg, x, y, z=0.0):
    """(4, 4) turn about z and shift."""
    T = lift(Rigid(np.radians(yaw_deg), np.array([x, y]), np.ones(0, bool)))
    T[2, 3] = z
    return T


def town(sample=0, points=40_000, seed=0):
    """(N, 3) points on a flat floor, walls and poles within 40 m; another ``sample`` hits other points of the same."""
    rng = np.random.default_rng(seed)
    walls = [
        (*rng.uniform(-35, 35, 2), rng.uniform(0, np.pi), rng.uniform(2, 12), rng.uniform(1, 8)) for _ in range(60)
    ]
    drawn = np.random.default_rng([seed, sample])
    share = points // (2 * len(walls))
    parts = [np.column_stack([drawn.uniform(-40, 40, (points // 2, 2)), np.zeros(points // 2)])]
    for x, y, angle, length, height in walls:
        along = drawn.uniform(-length / 2, length / 2, share)
        spot = (x + np.cos(angle) * along, y + np.sin(angle) * along, drawn.uniform(0, height, share))
        parts.append(np.column_stack(spot))
    cloud = np.concatenate(parts)
    return (cloud + drawn.normal(0, 0.02, cloud.shape)).astype(np.float32)


def seen_from(points, T):
    """Points through a (4, 4) motion."""
    return (points @ T[:3, :3].T + T[:3, 3]).astype(np.float32)


def sweep(columns, count=3000):
    """Rows in scan order: a turning range, so that neighbours are close; more columns are noise."""
    turn = np.linspace(0, 40 * np.pi, count)
    reach = 10 + 3 * np.sin(turn / 3)
    rows = np.random.default_rng(0).random((count, columns)).astype(np.float32)
    rows[:, :3] = np.column_stack([reach * np.cos(turn), reach * np.sin(turn), np.linspace(-2, 3, count)])
    return rows
