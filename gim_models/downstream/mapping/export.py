"""A map for other programs: nerfstudio's and gsplat's layout beside COLMAP's own files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gim_data.bench.posed import Camera
from gim_data.files import atomic, write_json
from gim_models.downstream.mapping.model import HALF, MapView, SparseMap
from gim_models.downstream.mapping.reconstruct import NUMBERS, POINTS, TEXT, TRANSFORMS, VIEW, MapResult
from gim_models.downstream.mapping.summary import as_text, numbers
from gim_models.downstream.mapping.viewer import write_view

_TO_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # camera axes: y up, looking along -z


def write_outputs(out: Path, results: Sequence[MapResult], reference: Sequence[Camera], title: str) -> str:
    """Write ``summary.txt``, ``summary.json`` and, of the first attempt's map, ``transforms.json`` and ``scene.html``.

    Args:
        out: the folder of the first attempt.
        results: attempts on the same images.
        reference: true cameras, or none.
        title: of the page.

    Returns:
        The text of the summary.
    """
    text = as_text(results, reference)
    with atomic(out / TEXT) as temporary:
        temporary.write_text(text + "\n")
    write_json(out / NUMBERS, [numbers(result, reference) for result in results])
    found = results[0].found
    if found is not None:
        write_transforms(out, found)
        write_view(out / VIEW, found, title, text)
    return text


def write_transforms(out: Path, found: SparseMap) -> None:
    """Write ``transforms.json`` as nerfstudio reads it, beside ``images/`` and ``points.ply``.

    ``transform_matrix`` maps camera to world with OpenGL's camera axes; principal points are COLMAP's (half a pixel
    larger than ours), as nerfstudio's own conversion writes them. gsplat reads ``images/`` and ``sparse/0`` instead.
    """
    frames = [_frame(name, view) for name, view in found.views.items()]
    write_json(out / TRANSFORMS, {"camera_model": "OPENCV", "ply_file_path": POINTS, "frames": frames})


def _frame(name: str, view: MapView) -> dict[str, Any]:
    K, (width, height) = view.camera.K, view.camera.size
    return {
        "file_path": f"images/{name}",
        "w": width,
        "h": height,
        "fl_x": K[0, 0],
        "fl_y": K[1, 1],
        "cx": K[0, 2] + HALF,
        "cy": K[1, 2] + HALF,
        **{"k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0},
        **view.camera.distortion,
        "transform_matrix": (np.linalg.inv(view.T_w2c) @ _TO_OPENGL).tolist(),
    }
