"""A picture of maps against the truth: cameras and points, seen along the least extended axis of the true cameras."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gim_data.plotting import save_figure
from gim_models.downstream.mapping.bench import FEWEST, Mapped
from gim_models.downstream.mapping.model import Matrix
from gim_models.downstream.mapping.scores import align, centre_of

_COLUMNS = 3
_POINTS = 4000
_TRUE, _FOUND, _SOFT = "#1d2733", "#1f6f8b", "#b9c2cb"


def draw_maps(path: Path, maps: Mapping[str, Mapped], title: str) -> None:
    """One panel per map: true cameras as rings, placed ones as dots moved onto them, points in grey.

    Args:
        path: the PNG to write.
        maps: name -> map; a set that could not be read has no cameras, and no panel.
        title: above all panels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = {name: made for name, made in maps.items() if made.reference}
    columns = max(1, min(_COLUMNS, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    figure = Figure(figsize=(3.6 * columns, 3.4 * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, (name, made) in zip(panels, shown.items(), strict=False):
        true, found, points = _flat(made)
        panel.scatter(*points.T, s=0.4, color=_SOFT, linewidths=0)
        panel.scatter(*true.T, s=34, facecolors="none", edgecolors=_TRUE, linewidths=0.9)
        panel.scatter(*found.T, s=9, color=_FOUND)
        middle, reach = true.mean(0), 1.6 * max(float(np.abs(true - true.mean(0)).max()), 1e-9)
        panel.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] - reach, middle[1] + reach))
        panel.set_aspect("equal")
        panel.set_title(f"{name}: {made.cell['registered']} of {made.cell['images']} placed", fontsize=8)
    figure.suptitle(title, fontsize=9)
    save_figure(path, figure)


def _flat(made: Mapped) -> tuple[Matrix, Matrix, Matrix]:
    """True centres, placed centres and points, each (N, 2) on the plane of the true cameras' two longest axes."""
    true = np.array([centre_of(camera.T_w2c) for camera in made.reference])
    axes = np.linalg.svd(true - true.mean(0))[2][:2]
    nothing = np.zeros((0, 3))
    found, points = nothing, nothing
    views = made.found.views if made.found is not None else {}
    rows = [row for row, camera in enumerate(made.reference) if camera.image.name in views]
    if made.found is not None and len(rows) >= FEWEST:
        centres = np.array([views[made.reference[row].image.name].centre for row in rows])
        moved = align(centres, true[rows])
        found = moved.apply(centres)
        points = moved.apply(made.found.points[:: max(1, len(made.found.points) // _POINTS)])
    return true @ axes.T, found @ axes.T, points @ axes.T
