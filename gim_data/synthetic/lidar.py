"""A spinning lidar in a synthetic world: scans whose poses are exact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gim_data.files import atomic, write_json
from gim_data.synthetic.paths import position_of
from gim_data.synthetic.raytrace import Tracer
from gim_data.synthetic.scenes import build_scene
from gim_data.synthetic.spec import SyntheticSpec
from gim_data.types import Floats


@dataclass(frozen=True)
class Lidar:
    """What the sensor is like.

    Attributes:
        beams: above each other.
        low, high: degrees of the lowest and the highest beam against the horizon.
        steps: directions per turn.
        reach: metres.
        noise: standard deviation of a range, metres.
    """

    beams: int = 32
    low: float = -25.0
    high: float = 12.0
    steps: int = 900
    reach: float = 60.0
    noise: float = 0.02


def scan(tracer: Tracer, T_s2w: NDArray[np.float64], lidar: Lidar, rng: np.random.Generator) -> Floats:
    """(N, 3) float32 points in the sensor's own axes (x forward, y left, z up), beam by beam; misses are left out.

    Args:
        tracer: of the world.
        T_s2w: (4, 4) sensor to world.
        lidar: the sensor.
        rng: of the noise.
    """
    elevation, azimuth = np.meshgrid(
        np.radians(np.linspace(lidar.low, lidar.high, lidar.beams)),
        np.linspace(-np.pi, np.pi, lidar.steps, endpoint=False),
        indexing="ij",
    )
    directions = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    ).reshape(3, -1)
    hits = tracer.first(T_s2w[:3, 3], T_s2w[:3, :3] @ directions)
    near = hits.depth < lidar.reach
    ranges = hits.depth[near] + rng.normal(0, lidar.noise, int(near.sum()))
    return np.asarray((directions[:, hits.rays[near]] * ranges).T, np.float32)


def scans_along(
    spec: SyntheticSpec, seconds: NDArray[np.float64], lidar: Lidar
) -> list[tuple[Floats, NDArray[np.float64]]]:
    """Scans and their T_s2w (4, 4) from where the world's camera is at those times, level, heading where it looks."""
    scene = build_scene(spec)
    tracer = Tracer(scene.geometry)
    made = []
    for i, t in enumerate(seconds):
        T_w2c = scene.path(float(t))
        forward = T_w2c[2, :3]
        yaw = np.arctan2(forward[1], forward[0])
        T_s2w = np.eye(4)
        T_s2w[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
        T_s2w[:3, 3] = position_of(T_w2c)
        made.append((scan(tracer, T_s2w, lidar, np.random.default_rng([spec.seed, i])), T_s2w))
    return made


def write_scans(folder: Path, spec: SyntheticSpec, seconds: NDArray[np.float64], lidar: Lidar | None = None) -> None:
    """Write ``000000.bin`` (float32 x, y, z) and so on, and ``poses.json`` with ``T_s2w`` by file name."""
    poses = {}
    for i, (points, T_s2w) in enumerate(scans_along(spec, seconds, lidar or Lidar())):
        poses[f"{i:06d}.bin"] = T_s2w.tolist()
        with atomic(folder / f"{i:06d}.bin") as temporary:
            temporary.write_bytes(points.astype("<f4").tobytes())
    write_json(folder / "poses.json", {"source": str(spec), "T_s2w": poses})
