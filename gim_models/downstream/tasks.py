"""What each downstream task reports: its numbers, its columns, and the one number that sums it up."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gim_data.files import digest_of
from gim_data.ledger import Ledger

if TYPE_CHECKING:
    from gim_data.stage import Job

Cell = Mapping[str, Any]
SCORES = "scores.json"
"""``{"sets": {set: cell}}``: what a downstream stage writes for one matcher."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its title, and the text of a cell."""

    title: str
    text: Callable[[Cell], str]


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: of its stage.
        title: for people.
        headline: what the headline number is.
        value: the headline number of a cell in percent, higher is better; None where the cell has none.
        columns: of its table.
    """

    name: str
    title: str
    headline: str
    value: Callable[[Cell], float | None]
    columns: tuple[Column, ...]


def _number(key: str, digits: int, factor: float = 1.0) -> Callable[[Cell], str]:
    """The text of a number, empty where it is not known."""

    def text(cell: Cell) -> str:
        value = cell.get(key)
        return "" if value is None else f"{factor * value:.{digits}f}"

    return text


def _left_out(cell: Cell) -> str:
    """How many images could not be read, empty where all could."""
    return str(cell["left_out"]) if cell.get("left_out") else ""


def _planar(cell: Cell) -> float | None:
    found: float | None = cell.get("auc_5px", cell.get("within_5px"))
    return found


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "maps",
            "Maps",
            "images whose centre is within 1 % of the scene's extent",
            lambda cell: 100 * float(cell["within_1_percent"]),
            (
                Column("placed", lambda cell: f"{cell['registered']}/{cell['images']}"),
                Column("within 1 %, %", _number("within_1_percent", 0, 100)),
                Column("centre error, % of extent", _number("relative_error", 3, 100)),
                Column("degrees", _number("rotation_deg", 3)),
                Column("track", _number("track_length", 2)),
                Column("px", _number("reprojection_px", 2)),
                Column("s", _number("seconds", 0)),
                Column("left out", _left_out),
            ),
        ),
        Task(
            "relocalization",
            "Relocalization",
            "queries within 1 % of the map's extent and 5 degrees",
            lambda cell: float(cell["recall_1percent_5deg"]),
            (
                Column("found", lambda cell: f"{cell['localized']}/{cell['queries']}"),
                Column("0.25, 2°", _number("recall_0.25_2deg", 0)),
                Column("0.5, 5°", _number("recall_0.5_5deg", 0)),
                Column("1, 10°", _number("recall_1_10deg", 0)),
                Column("5, 10°", _number("recall_5_10deg", 0)),
                Column("0.5 %, 2°", _number("recall_0.5percent_2deg", 0)),
                Column("1 %, 5°", _number("recall_1percent_5deg", 0)),
                Column("2 %, 10°", _number("recall_2percent_10deg", 0)),
                Column("median", _number("median_distance", 4)),
                Column("degrees", _number("median_deg", 3)),
                Column("left out", _left_out),
            ),
        ),
        Task(
            "splats",
            "Splats",
            "mean SSIM of splats at held-out pictures; one that the map lacks counts as 0",
            lambda cell: float(cell["similarity"]),
            (
                Column("judged", lambda cell: f"{cell['judged']}/{cell['held_out']}"),
                Column("SSIM", _number("ssim", 3)),
                Column("random start", _number("random_ssim", 3)),
                Column("PSNR, dB", _number("psnr", 2)),
                Column("random start, dB", _number("random_psnr", 2)),
                Column("splats", _number("gaussians", 0)),
                Column("s", _number("seconds", 0)),
            ),
        ),
        Task(
            "planes",
            "Planes and points",
            "AUC at 5 px of homographies; annotated points within 5 px of their epipolar lines",
            _planar,
            (
                Column("AUC@3 px", _number("auc_3px", 1)),
                Column("AUC@5 px", _number("auc_5px", 1)),
                Column("AUC@10 px", _number("auc_10px", 1)),
                Column("points within 3 px", _number("within_3px", 1)),
                Column("5 px", _number("within_5px", 1)),
                Column("10 px", _number("within_10px", 1)),
                Column("failed", lambda cell: f"{cell['failures']}/{cell['pairs']}"),
            ),
        ),
        Task(
            "bev",
            "Scans from above",
            "pairs of scans within 2 m and 5 degrees",
            lambda cell: float(cell["recall_2m_5deg"]),
            (
                Column("0.5 m, 1°", _number("recall_0.5m_1deg", 0)),
                Column("1 m, 2°", _number("recall_1m_2deg", 0)),
                Column("2 m, 5°", _number("recall_2m_5deg", 0)),
                Column("pairs", _number("trials", 0)),
                Column("no motion", _number("without_motion", 0)),
                Column("median, m", _number("plane_m", 2)),
                Column("degrees", _number("turn_deg", 2)),
            ),
        ),
    )
}


def headline(task: Task, cells: Mapping[str, Cell]) -> float | None:
    """The mean of a task's headline number over its sets; None without any."""
    values = [value for value in map(task.value, cells.values()) if value is not None]
    return float(np.mean(values)) if values else None


def rows_of(task: Task, found: Mapping[str, Mapping[str, Cell]]) -> list[list[str]]:
    """Set, matcher and the texts of the columns, set by set.

    Args:
        task: which columns.
        found: matcher -> set -> cell.
    """
    names = list(dict.fromkeys(name for cells in found.values() for name in cells))
    return [
        [name, matcher, *(column.text(cells[name]) for column in used_columns(task, found))]
        for name in names
        for matcher, cells in found.items()
        if name in cells
    ]


def used_columns(task: Task, found: Mapping[str, Mapping[str, Cell]]) -> list[Column]:
    """The columns that have a text in any row."""
    cells = [cell for of in found.values() for cell in of.values()]
    return [column for column in task.columns if any(column.text(cell) for cell in cells)]


def markdown(task: Task, found: Mapping[str, Mapping[str, Cell]]) -> str:
    """The table of a task: a row per set and matcher."""
    titles = ["set", "matcher", *(column.title for column in used_columns(task, found))]
    lines = [titles, ["---", "---", *["---:"] * (len(titles) - 2)], *rows_of(task, found)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def publish(job: Job, task: Task, cells: Mapping[str, Cell], files: Sequence[Path]) -> None:
    """Log the numbers of one matcher as ``downstream/<task>/<set>/<number>`` into its MLflow run.

    That is the one that trained it, for a baseline that of its scores. A matcher without either gets one.
    """
    from gim_models.evaluation.publish import EXPERIMENT, find_model_run, model_digest
    from gim_models.tracking import RunLog, open_tracker

    metrics = {
        f"downstream/{task.name}/{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}/{key}": float(value)
        for name, cell in cells.items()
        for key, value in cell.items()
        if isinstance(value, int | float)
    }
    total = headline(task, cells)
    metrics |= {f"downstream/{task.name}": total} if total is not None else {}
    tracker = open_tracker(job.root)
    scored = Ledger(job.root).read("zeb_scores", job.unit)
    run_id = find_model_run(tracker, job) or (tracker.find(scored.digest) if scored is not None else None)
    if run_id is None:
        study, params = job.params["study"].name, {"matcher": job.unit}
        digest = digest_of(["downstream", study, job.unit, model_digest(job)])  # one run for all tasks
        with tracker.run(EXPERIMENT, job.unit, study=study, digest=digest, params=params) as log:
            run_id = log.run_id
    log = RunLog(tracker.client, run_id)
    log.metrics(metrics)
    for path in files:
        log.artifact(path, "downstream")
