"""``gim report``: what came out."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from orchestration.commands.common import out, root_of, say_leak
from orchestration.graph import GRAPH
from orchestration.leak_warning import leak_warning

Target = Annotated[Path | None, typer.Option(help="The file to write; default: report/index.html.")]


def report(context: typer.Context, target: Target = None) -> None:
    """Write the HTML report.

    Stages, skips, label galleries, training curves, scores and the scaling figure, in one file.
    """
    from gim_models.report.build import build

    root = root_of(context)
    warning = leak_warning(root)
    path = build(root, GRAPH, target, warning=warning)
    curve = root / "data" / "scaling_curve" / "all" / "scaling.json"
    if curve.is_file():
        out.print(_curve_table(json.loads(curve.read_text())))
    if warning:
        say_leak(warning)
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
