"""Stage ``downstream``: every matcher at every task in one table, one figure and one MLflow study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gim_data.errors import BadInput
from gim_data.files import atomic, read_json, write_json
from gim_data.plotting import save_figure
from gim_data.stage import Job, Summary
from gim_models.downstream.tasks import SCORES, TASKS, Cell, headline, markdown

TABLE, TEXT, FIGURE, METRICS = "downstream.json", "downstream.md", "downstream.png", "metrics.json"
Scores = dict[str, dict[str, dict[str, Cell]]]  # task -> matcher -> set -> cell
_COLOURS = ("#444444", "#b5542a", "#9fc5d1", "#5fa3b8", "#1f6f8b", "#5b7f2b", "#7a4fa3", "#b08d2f")


def make_table(job: Job) -> Summary:
    """Collect what the tasks scored; writes ``downstream.json``, ``.md``, ``.png`` and ``metrics.json``.

    Raises:
        BadInput: no task has any score.
    """
    found: Scores = {
        task: {unit: read_json(folder / SCORES)["sets"] for unit, folder in job.inputs.get(task, {}).items()}
        for task in TASKS
    }
    found = {task: units for task, units in found.items() if units}
    if not found:
        raise BadInput("no downstream task has any set", "see 'gim params downstream'")
    write_json(job.out / TABLE, found)
    text = "\n\n".join(f"## {TASKS[task].title}\n\n{markdown(TASKS[task], units)}" for task, units in found.items())
    with atomic(job.out / TEXT) as temporary:
        temporary.write_text(text + "\n")
    totals = summed(found)
    write_json(job.out / METRICS, totals)
    draw_totals(job.out / FIGURE, totals)
    _publish(job, totals)
    flat = {f"{task}/{unit}": value for task, units in totals.items() for unit, value in units.items()}
    return {**flat, "table": _overview(totals), "figures": [FIGURE]}


def read_table(folder: Path) -> Scores:
    """What ``make_table`` collected: task -> matcher -> set -> numbers."""
    found: Scores = read_json(folder / TABLE)
    return found


def summed(found: Scores) -> dict[str, dict[str, float]]:
    """Task -> matcher -> its headline number, in percent."""
    totals = {
        task: {unit: headline(TASKS[task], cells) for unit, cells in units.items()} for task, units in found.items()
    }
    return {task: {u: v for u, v in units.items() if v is not None} for task, units in totals.items()}


def draw_totals(path: Path, totals: Mapping[str, Mapping[str, float]]) -> None:
    """A group of bars per task, a bar per matcher."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    matchers = list(dict.fromkeys(unit for units in totals.values() for unit in units))
    width = 0.8 / len(matchers)
    for i, unit in enumerate(matchers):
        x = np.arange(len(totals)) + (i - (len(matchers) - 1) / 2) * width
        heights = [units.get(unit, np.nan) for units in totals.values()]
        axes.bar(x, heights, width, label=unit, color=_COLOURS[i % len(_COLOURS)])
    labels = [f"{TASKS[task].title}\n{_wrapped(TASKS[task].headline)}" for task in totals]
    axes.set_xticks(np.arange(len(totals)), labels, fontsize=7)
    axes.set(ylabel="%", ylim=(0, 105))
    axes.grid(visible=True, axis="y", color="#dfe4ea", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    save_figure(path, figure)


def _wrapped(text: str) -> str:
    from textwrap import fill

    return fill(text, 25)


def _overview(totals: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown: a row per matcher, a column per task."""
    matchers = list(dict.fromkeys(unit for units in totals.values() for unit in units))
    head = ["matcher", *(f"{TASKS[task].title}, %" for task in totals)]
    rows: list[list[str]] = [head, ["---", *["---:"] * len(totals)]]
    for unit in matchers:
        rows.append([unit, *(f"{units[unit]:.0f}" if unit in units else "" for units in totals.values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _publish(job: Job, totals: Mapping[str, Mapping[str, float]]) -> None:
    """The totals into the study's parent run, with the table and the figure."""
    from gim_models.evaluation.publish import EXPERIMENT
    from gim_models.tracking import open_tracker

    log = open_tracker(job.root).study(EXPERIMENT, job.params["study"].name)
    values: dict[str, Any] = {
        f"downstream/{task}/{unit.replace('+', '-')}": value
        for task, units in totals.items()
        for unit, value in units.items()
    }
    log.metrics(values)
    for name in (TEXT, FIGURE):
        log.artifact(job.out / name)
