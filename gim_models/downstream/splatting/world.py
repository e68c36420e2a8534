"""A built-in world as a map with exact cameras and exact points: the best that any matcher could give."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gim_data.bench.checks import save_image
from gim_data.stage import Progress
from gim_data.synthetic.render import View, open_world
from gim_data.types import Image
from gim_models.downstream.mapping.model import MapCamera, MapView, Matrix, SparseMap

PREFIX = "synthetic:"
_POINTS = 400  # per picture


def write_world(text: str, images: Path, count: int, progress: Progress) -> SparseMap:
    """Render a world at even times and write its pictures; the map has their cameras and points of their depth.

    Args:
        text: ``synthetic:SPEC``, see ``gim_data.synthetic.spec``.
        images: folder for the pictures.
        count: how many.
        progress: advanced by one per picture.

    Raises:
        GimError: no valid spec.
    """
    world = open_world(text)
    progress.start(f"render {world.spec}", count)
    views, points, colours = {}, [], []
    for row, t in enumerate(np.linspace(0, world.duration, count, endpoint=False)):
        seen = world.render(float(t))
        name = f"{row:04d}.png"
        save_image(images / name, seen.image)
        nothing = np.zeros((0, 2), np.float32), np.zeros(0, np.int64)
        views[name] = MapView(MapCamera.from_intrinsics(seen.K, world.size), seen.T_w2c, *nothing)
        where, colour = _points_of(seen, np.random.default_rng([world.spec.seed, row]))
        points.append(where)
        colours.append(colour)
        progress.advance(1, name)
    places = np.concatenate(points)
    return SparseMap(views, places, np.concatenate(colours), np.zeros(len(places)), np.ones(len(places), np.int64))


def _points_of(seen: View, rng: np.random.Generator) -> tuple[Matrix, Image]:
    """(N, 3) world points at random pixels with a depth, and their (N, 3) colours."""
    y, x = np.nonzero(seen.depth > 0)
    chosen = rng.permutation(len(x))[:_POINTS]
    x, y = x[chosen], y[chosen]
    depth = seen.depth[y, x].astype(np.float64)
    local = np.stack([x, y, np.ones(len(x))]) * depth
    R, t = seen.T_w2c[:3, :3], seen.T_w2c[:3, 3]
    places = ((np.linalg.inv(seen.K) @ local).T - t) @ R
    return np.asarray(places, np.float64), seen.image[y, x]
