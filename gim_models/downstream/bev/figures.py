"""Pictures of bird's-eye views: both with their matches, both in one, recall over distance and yaw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gim_data.plotting import draw_matches, save_figure, write_caption
from gim_data.types import Image
from gim_models.downstream.bev.align import Alignment, moved
from gim_models.downstream.bev.clouds import Cloud
from gim_models.downstream.bev.raster import Kind, rasterize
from gim_models.downstream.pictures import anaglyph, inlier_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#1f6f8b", "#b5542a", "#5b7f2b", "#7a4fa3", "#444444")
_GAIN = 2
_LINE = 110


def draw_alignment(found: Alignment, cloud0: Cloud, cloud1: Cloud, *, kind: Kind, title: str) -> Image:
    """View 0, view 1 with the matches between them (green: agree with the motion), and both clouds in view 1.

    In the third panel cloud 0 is red and cloud 1 is cyan; what agrees turns grey. Without a motion it shows cloud 1.

    Args:
        found: the alignment.
        cloud0, cloud1: what was aligned.
        kind: what the third panel shows of the clouds.
        title: first words of the caption.
    """
    order = np.argsort(found.inliers, kind="stable")
    matches = found.matches.select(order)
    colours = inlier_colours(found.inliers[order])
    points = matches.keypoints0, matches.keypoints1
    pair = draw_matches(_shown(found.image0), _shown(found.image1), *points, colours=colours, limit=150)
    second = rasterize(cloud1.points, found.frame, kind)
    first = np.zeros_like(second)
    if found.T_0to1 is not None:
        first = rasterize(moved(cloud0.points, found.T_0to1), found.frame, kind)
    both = anaglyph(_shown(first), _shown(second))
    return write_caption(np.concatenate([pair, both], axis=1), _caption(found, title))


def draw_recall(path: Path, summaries: Mapping[str, Mapping[str, Any]], limit: str) -> None:
    """Recall within a limit over the distance between the sensors, and over the yaw between them.

    Args:
        path: the PNG to write.
        summaries: matcher -> what ``bench.summarize`` made.
        limit: such as ``2 m, 5 deg``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.8), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    _bars(left, {name: one["over_distance"] for name, one in summaries.items()}, limit, "m")
    _bars(right, {name: one["over_yaw"] for name, one in summaries.items()}, limit, "°")
    left.set(xlabel="distance between the sensors", ylabel=f"recall within {limit}, %", ylim=(0, 105))
    right.set(xlabel="yaw between the sensors")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    save_figure(path, figure)


def _shown(view: Image) -> Image:
    """A view for people: brighter, with a line along its right side."""
    shown = np.minimum(view.astype(np.uint16) * _GAIN, 255).astype(np.uint8)
    shown[:, -2:] = _LINE
    return shown


def _caption(found: Alignment, title: str) -> str:
    count = f"{int(found.inliers.sum())} of {len(found.matches)} matches agree"
    turned = f", A turned by {np.degrees(found.heading):.0f} deg" if found.heading else ""
    if found.T_0to1 is None:
        return f"{title}: no motion, {found.reason}"
    facts = found.facts()
    motion = f"{facts['x_m']:+.2f} {facts['y_m']:+.2f} {facts['z_m']:+.2f} m, {facts['yaw_deg']:+.1f} deg"
    return f"{title}: {count}{turned} | B | A (red) moved by {motion} onto B (cyan)"


def _bars(axes: Axes, series: Mapping[str, Sequence[Mapping[str, Any]]], limit: str, unit: str) -> None:
    """One group of bars per bin, one bar per matcher; the number of trials stands below the bin."""
    bins = next(iter(series.values()))
    width = 0.8 / len(series)
    for i, (name, rows) in enumerate(series.items()):
        x = np.arange(len(rows)) + (i - (len(series) - 1) / 2) * width
        heights = [100 * row["recall"][limit] for row in rows]
        axes.bar(x, heights, width, label=name, color=_COLOURS[i % len(_COLOURS)])
    names = [f"{b['from']:g}-{b['to']:g} {unit}" if b["to"] else f"over {b['from']:g} {unit}" for b in bins]
    labels = [f"{name}\nn = {b['trials']}" for name, b in zip(names, bins, strict=True)]
    axes.set_xticks(np.arange(len(bins)), labels, fontsize=8)
    axes.grid(visible=True, axis="y", color="#dfe4ea", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
