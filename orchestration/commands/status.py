"""``gim status``: how far everything is."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from orchestration.commands.common import out, root_of
from orchestration.execution import refusals
from orchestration.graph import GRAPH
from orchestration.status import UnitState, workspace_status
from orchestration.workspace import open_runner

COLUMNS = {"made": "green", "skipped": "yellow", "stale": "cyan", "missing": "dim", "gone": "magenta"}
AsJson = Annotated[bool, typer.Option("--json", help="Every unit with its summary, as JSON.")]


def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show how far each stage is, why units were skipped, and what others were made without.

    \b
    made     from the present inputs and parameters
    skipped  recorded as impossible, with the reason
    stale    made from other inputs or parameters, or from stale inputs; the next 'gim run' makes it again
    gone     no longer listed by the parameters; the next 'gim run' of the stage prunes it

    \b
    Examples:
      gim status
      gim status --json | jq '.frames'
    """  # noqa: D301
    states = workspace_status(open_runner(root_of(context)))
    if as_json:
        typer.echo(json.dumps({name: [_json(u) for u in units] for name, units in states.items()}, indent=1))
        return
    out.print(_table(states))
    for unit in (u for units in states.values() for u in units):
        if unit.entry is not None and unit.entry.skipped:
            line = f"[yellow]skipped[/yellow] {unit.stage} {escape(unit.unit)}: {escape(unit.entry.skipped)}"
            out.print(line, highlight=False, soft_wrap=True)
        for text in refusals(unit.entry) if unit.entry is not None else ():
            line = f"[yellow]refused[/yellow] {unit.stage} {escape(unit.unit)} left out {escape(text)}"
            out.print(line, highlight=False, soft_wrap=True)


def _json(unit: UnitState) -> dict[str, object]:
    entry = unit.entry
    told = {"summary": entry.summary, "skipped": entry.skipped, "remedy": entry.remedy} if entry else {}
    return {"unit": unit.unit, "state": unit.state, **told}


def _table(states: dict[str, list[UnitState]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("stage")
    table.add_column("per")
    for name, style in COLUMNS.items():
        table.add_column(name, justify="right", style=style)
    for name, units in states.items():
        counts: Counter[str] = Counter(unit.state for unit in units)
        cells = [str(counts[column]) if counts[column] else "." for column in COLUMNS]
        table.add_row(name, GRAPH[name].axis.name, *cells)
    return table
