"""``gim zeb score``: what matchers reached."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from orchestration.commands.common import out

Dumps = Annotated[Path, typer.Option(help="Folder of GIM's text dumps, one file per method and data set.")]
AsJson = Annotated[bool, typer.Option("--json", help="All numbers, as JSON.")]


def score(dumps: Dumps, as_json: AsJson = False) -> None:
    """Score published dumps under the paper's protocol: AUC at 5 degrees per data set, in percent.

    \b
    Example:
      gim zeb score --dumps ../dump/zeb
    """  # noqa: D301
    from gim_models.evaluation.dump_scores import score_dumps

    scores = score_dumps(dumps)
    if as_json:
        typer.echo(json.dumps(scores, indent=1, sort_keys=True))
        return
    out.print(_table(scores))


def _table(scores: dict[str, dict[str, Any]]) -> Table:
    """A row per data set, a column per method; the mean where a method has them all."""
    methods = sorted(scores)
    datasets = sorted({name for cells in scores.values() for name in cells})
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("AUC@5, %")
    for method in methods:
        table.add_column(method, justify="right", overflow="fold")
    values = {m: [scores[m][d]["auc_5deg"] if d in scores[m] else None for d in datasets] for m in methods}
    for row, name in enumerate(datasets):
        table.add_row(name, *(_shown(values[method][row]) for method in methods))
    table.add_row("mean", *(_shown(_mean(values[method])) for method in methods), style="bold")
    return table


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
