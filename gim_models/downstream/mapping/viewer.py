"""One HTML file that shows a map: points and cameras, turned with the mouse, with nothing to install or load."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from gim_data.files import atomic, canonical
from gim_models.downstream.mapping.model import Matrix, SparseMap

MOST_POINTS = 150_000
"""Points that are drawn, those seen by most images first; a page of more than a few megabytes opens slowly."""
_SPREAD = 3.0  # points further from the middle than so many times the 90th percentile do not set the zoom


def write_view(path: Path, found: SparseMap, title: str, summary: str) -> None:
    """Write the page.

    Args:
        path: the ``.html`` file.
        found: the map.
        title: of the page.
        summary: text below the picture.
    """
    environment = Environment(
        loader=PackageLoader("gim_models.downstream.mapping"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("scene.html").render(
        title=title, summary=summary, scene=canonical(scene_of(found)).replace("</", "<\\/")
    )
    with atomic(path) as temporary:
        temporary.write_text(page)


def scene_of(found: SparseMap) -> dict[str, Any]:
    """What the page draws: base64 of float32 positions and uint8 colours, camera frusta as corners, middle and size."""
    order = np.argsort(-found.track_lengths, kind="stable")[:MOST_POINTS]
    points, colours = found.points[order], found.colours[order]
    centres = np.array([view.centre for view in found.views.values()])
    middle, size = _framing(np.concatenate([points, centres]))
    reach = float(np.linalg.norm(centres - middle, axis=1).max())
    down = np.mean([view.T_w2c[1, :3] for view in found.views.values()], axis=0)
    return {
        "points": _base64(points.astype("<f4")),
        "colours": _base64(colours.astype(np.uint8)),
        "cameras": [
            {
                "name": name,
                "corners": _frustum(view.T_w2c, view.camera.K, view.camera.size, max(0.1 * size, 0.04 * reach)),
            }
            for name, view in found.views.items()
        ],
        "middle": middle.tolist(),
        "size": size,
        "distance": max(2.6 * size, 1.8 * reach),
        "down": (down / max(float(np.linalg.norm(down)), 1e-9)).tolist(),
    }


def _framing(points: Matrix) -> tuple[Matrix, float]:
    """Middle and radius of what should fill the picture, stray points aside."""
    middle = np.median(points, axis=0)
    distance = np.linalg.norm(points - middle, axis=1)
    near = distance <= _SPREAD * np.quantile(distance, 0.9)
    return middle, float(max(np.quantile(distance[near], 0.95), 1e-9))


def _frustum(T_w2c: Matrix, K: Matrix, size: Sequence[int], depth: float) -> list[list[float]]:
    """Camera centre and the four image corners at ``depth``, in the world: (5, 3)."""
    width, height = size
    pixels = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], float)
    rays = pixels @ np.linalg.inv(K).T * depth
    corners = np.concatenate([np.zeros((1, 3)), rays])
    world: list[list[float]] = ((corners - T_w2c[:3, 3]) @ T_w2c[:3, :3]).tolist()
    return world


def _base64(values: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
