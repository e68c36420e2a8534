"""``gim zeb`` and ``gim report``: what came out."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from orchestration.commands.common import out, root_of
from orchestration.graph import GRAPH

zeb = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The zero-shot evaluation benchmark.")
Dumps = Annotated[Path, typer.Option(help="Folder of GIM's text dumps, one file per method and data set.")]
AsJson = Annotated[bool, typer.Option("--json", help="All numbers, as JSON.")]
Target = Annotated[Path | None, typer.Option(help="The file to write; default: report/index.html.")]


@zeb.callback()
def zeb_group() -> None:
    """The zero-shot evaluation benchmark."""


@zeb.command()
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


def report(context: typer.Context, target: Target = None) -> None:
    """Write the HTML report.

    Stages, skips, label galleries, training curves, scores and the scaling figure, in one file.
    """
    from gim_models.report.build import build

    root = root_of(context)
    path = build(root, GRAPH, target)
    curve = root / "data" / "scaling_curve" / "all" / "scaling.json"
    if curve.is_file():
        out.print(_curve_table(json.loads(curve.read_text())))
    gim = os.path.relpath(sys.argv[0]) if Path.cwd() == root else f"{Path(sys.argv[0]).resolve()} --root {root}"
    for name, where in (("report", path), ("Dagster", f"{gim} ui dagster"), ("MLflow", f"{gim} ui mlflow")):
        out.print(f"{name:8} {where}", highlight=False, soft_wrap=True)


def _curve_table(curve: dict[str, Any]) -> Table:
    """Accuracy over video: a row per student and budget, then the baselines; 95 % intervals in brackets."""
    table = Table(box=None, header_style="bold", pad_edge=False, caption=curve["note"], caption_justify="left")
    for name in ("matcher", "video", *(f"AUC@{t}" for t in curve["thresholds"]), "AUC@5 over 0 hours"):
        table.add_column(name, justify="left" if name == "matcher" else "right")
    for row in curve["rows"]:
        cells = [f"{cell['value']:.1f} \\[{cell['low']:.1f}, {cell['high']:.1f}]" for cell in row["auc"]]
        gain = row["gain"]
        more = f"{gain['value']:+.1f} \\[{gain['low']:+.1f}, {gain['high']:+.1f}]" if gain else ""
        table.add_row(row["name"], row["video"], *cells, more, style="" if row["kind"] == "student" else "dim")
    return table


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
