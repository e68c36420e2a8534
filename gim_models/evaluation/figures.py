"""Figures of the evaluation. The only place where it draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gim_data.plotting import save_figure
from gim_models.evaluation.published import PUBLISHED_CURVES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gim_models.evaluation.scaling import Row

_INK = "#1d2733"
_SOFT = "#8b949e"
_STUDENTS = ("#1f6f8b", "#b5542a", "#5b7f2b", "#7a4fa3")
_BASELINES = ("#444444", "#888888", "#b08d2f", "#6f5f90")


def draw_scaling(path: Path, tables: Mapping[str, Sequence[Row]], note: str) -> None:
    """AUC@5 over minutes of video, one panel a protocol; and GIM's published points.

    Args:
        path: the PNG to write.
        tables: protocol -> a row per matcher.
        note: above the figure.
    """
    figure, (*ours, theirs) = _canvas(columns=len(tables) + 1, width=4.7 * (len(tables) + 1))
    for axes, (protocol, rows) in zip(ours, tables.items(), strict=True):
        _curve(axes, rows, protocol)
    for name, curve in PUBLISHED_CURVES.items():
        theirs.plot(*zip(*curve, strict=True), "o-", markersize=4, label=name, alpha=0.75)
    theirs.set(xlabel="hours of video", ylabel="mean ZEB AUC@5°, %", title="published by GIM, on ZEB (reference)")
    theirs.legend(frameon=False, fontsize=8)
    figure.suptitle(note)
    save_figure(path, figure)


def _curve(axes: Axes, rows: Sequence[Row], protocol: str) -> None:
    """Students with interval bands, baselines as lines."""
    students = sorted({row.student for row in rows if row.student})
    for colour, student in zip(_STUDENTS, students, strict=False):
        points = sorted((row for row in rows if row.student == student), key=lambda row: row.seconds or 0)
        x = [(row.seconds or 0) / 60 for row in points]
        cells = [row.auc[0] for row in points]
        axes.fill_between(x, [c.low for c in cells], [c.high for c in cells], color=colour, alpha=0.18, linewidth=0)
        axes.plot(x, [c.value for c in cells], "o-", color=colour, label=student)
    for colour, row in zip(_BASELINES, (row for row in rows if not row.student), strict=False):
        axes.axhline(row.auc[0].value, color=colour, linestyle="--", linewidth=1.2, label=row.name)
    axes.set(xlabel="minutes of video", ylabel="mean AUC@5°, %", title=protocol)
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)


def draw_errors(path: Path, errors: Mapping[str, Mapping[str, NDArray[np.float64]]], title: str) -> None:
    """Share of pairs within an error of up to 20 degrees, averaged over sequences, one line per matcher.

    Args:
        path: the PNG to write.
        errors: matcher -> sequence -> (P,) degrees.
        title: above the figure.
    """
    figure, (axes,) = _canvas(columns=1, width=6.5)
    x = np.linspace(0, 20, 201)
    for name, sequences in errors.items():
        shares = [np.searchsorted(np.sort(values), x, side="right") / len(values) for values in sequences.values()]
        axes.plot(x, 100 * np.mean(shares, axis=0), label=name, linewidth=1.4)
    axes.set(xlabel="pose error, degrees", ylabel="pairs within, %", title=title, xlim=(0, 20), ylim=(0, 100))
    axes.legend(frameon=False, fontsize=8)
    save_figure(path, figure)


def draw_overlaps(path: Path, cells: Mapping[str, Sequence[Mapping[str, Any]]], title: str) -> None:
    """AUC@5 over tenths of overlap with intervals, one line per matcher or protocol; below, how many pairs each has.

    Args:
        path: the PNG to write.
        cells: name -> what ``overlap_cells`` gives.
        title: above the figure.
    """
    figure, (axes,) = _canvas(columns=1, width=6.5)
    for name, found in cells.items():
        x = [(cell["low"] + cell["high"]) / 2 for cell in found]
        values = np.array([cell["auc_5deg"] for cell in found])
        bounds = np.array([cell["auc_5deg_interval"] for cell in found]).reshape(-1, 2)
        spread = np.abs(bounds.T - values)
        axes.errorbar(x, values, yerr=spread, fmt="o-", markersize=4, linewidth=1.4, capsize=2, label=name)
    counts = {(c["low"] + c["high"]) / 2: c["pairs"] for found in cells.values() for c in found}
    axes.set_xticks(list(counts), [f"{x - 0.05:.1f}-{x + 0.05:.1f}\n{n}" for x, n in counts.items()], fontsize=7)
    axes.set(xlabel="overlap, and pairs", ylabel="AUC@5°, %", title=title, xlim=(0, 1), ylim=(0, 100))
    axes.legend(frameon=False, fontsize=8)
    save_figure(path, figure)


def draw_sequences(path: Path, cells: Mapping[str, Mapping[str, Any]], title: str) -> None:
    """Bars of AUC@5 per sequence with intervals, from the cells of ``scores.json``."""
    figure, (axes,) = _canvas(columns=1, width=7.5)
    names = list(cells)
    values = np.array([cells[name]["auc_5deg"] for name in names])
    bounds = np.array([cells[name]["auc_5deg_interval"] for name in names])
    spread = np.abs(bounds.T - values)
    axes.barh(names, values, xerr=spread, color=_STUDENTS[0], alpha=0.8, ecolor=_SOFT, height=0.65)
    axes.invert_yaxis()
    axes.set(xlabel="AUC@5°, %", xlim=(0, 100), title=title)
    save_figure(path, figure)


def _canvas(*, columns: int, width: float) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(1, columns, i + 1) for i in range(columns)]
    for each in axes:
        each.grid(visible=True, color="#dfe4ea", linewidth=0.7)
        each.set_axisbelow(True)
        each.spines[["top", "right"]].set_visible(False)
        each.title.set_fontsize(9)
        each.tick_params(labelsize=8, colors=_INK)
    return figure, axes
