"""Gather what the ledger knows and render it as one self-contained page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gim_data.files import atomic, read_json
from gim_data.ledger import Entry, Ledger
from gim_data.plotting import data_uri
from gim_data.stage import Stage

GALLERY = {
    "matches": "Two frames of one video, before filtering (red) and after (green), at every skip.",
    "tracks": "Pairs that no teacher matched directly: correspondences carried there through the frames between.",
}
MOST_UNITS = 8
"""Units of one stage whose pictures are shown; ``gim status`` lists them all."""
WIDTH = 1000
"""Pixels that pictures are reduced to."""


@dataclass(frozen=True)
class Figure:
    """A picture for the page.

    Attributes:
        title: unit and file name.
        source: a ``data:`` address, so that the page needs no other file.
    """

    title: str
    source: str


@dataclass(frozen=True)
class StageRow:
    """One line of the table of stages."""

    name: str
    group: str
    doc: str
    made: int
    skipped: int


def build(root: Path, graph: Mapping[str, Stage], target: Path | None = None, *, warning: str = "") -> Path:
    """Write the report.

    Args:
        root: the workspace.
        graph: every stage by name.
        target: the file to write, or None for ``report/index.html`` in the workspace.
        warning: what is wrong with the curve, shown above it.

    Returns:
        The file written.
    """
    target = target or root / "report" / "index.html"
    ledger = Ledger(root)
    entries = {name: dict(_entries(ledger, name)) for name in graph}
    environment = Environment(
        loader=PackageLoader("gim_models.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("page.html").render(
        stages=[_row(graph[name], units) for name, units in entries.items()],
        skips=[(name, unit, e) for name, units in entries.items() for unit, e in units.items() if e.skipped],
        warning=warning,
        curve=_curve(ledger, entries.get("scaling_curve", {})),
        galleries=[(name, text, list(_figures(ledger, name, entries.get(name, {})))) for name, text in GALLERY.items()],
        uses=_uses(ledger, entries.get("downstream", {})),
        training=list(_figures(ledger, "model", entries.get("model", {}))),
        root=shlex.quote(str(root)),
    )
    with atomic(target) as temporary:
        temporary.write_text(page)
    return target


def _entries(ledger: Ledger, stage: str) -> Iterator[tuple[str, Entry]]:
    for unit in ledger.units(stage):
        entry = ledger.read(stage, unit)
        if entry is not None:
            yield unit, entry


def _row(stage: Stage, units: Mapping[str, Entry]) -> StageRow:
    skipped = sum(bool(entry.skipped) for entry in units.values())
    return StageRow(stage.name, stage.group, stage.doc, len(units) - skipped, skipped)


def _figures(ledger: Ledger, stage: str, units: Mapping[str, Entry]) -> Iterator[Figure]:
    for unit, entry in islice(units.items(), MOST_UNITS):
        for name in entry.summary.get("figures", ()):
            source = data_uri(ledger.folder(stage, unit) / name, width=WIDTH, height=4 * WIDTH)
            yield Figure(f"{unit}: {Path(name).stem.replace('_', ' ')}", source)


def _curve(ledger: Ledger, units: Mapping[str, Entry]) -> dict[str, Any] | None:
    """The scaling stage's rows and figures, or None where that stage has not run."""
    if "all" not in units or units["all"].skipped:
        return None
    folder = ledger.folder("scaling_curve", "all")
    return {"table": read_json(folder / "scaling.json"), "figures": list(_figures(ledger, "scaling_curve", units))}


def _uses(ledger: Ledger, units: Mapping[str, Entry]) -> dict[str, Any] | None:
    """The figure of the downstream stage and a table per task, or None where that stage has not run."""
    if "all" not in units or units["all"].skipped:
        return None
    from gim_models.downstream.table import read_table
    from gim_models.downstream.tasks import TASKS, rows_of, used_columns

    found = read_table(ledger.folder("downstream", "all"))
    tables = [
        (TASKS[task].title, [column.title for column in used_columns(TASKS[task], of)], rows_of(TASKS[task], of))
        for task, of in found.items()
    ]
    return {"tables": tables, "figures": list(_figures(ledger, "downstream", units))}
