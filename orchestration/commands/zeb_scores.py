"""``gim zeb score``, ``table``, ``compare`` and ``dump``: what matchers reached."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from gim_data.errors import GimError
from gim_data.files import atomic
from gim_data.ledger import Ledger
from orchestration.commands.common import out, root_of

Dumps = Annotated[Path, typer.Option(help="Folder of GIM's text dumps, one file per method and data set.")]
AsJson = Annotated[bool, typer.Option("--json", help="All numbers, as JSON.")]
TableDumps = Annotated[Path | None, typer.Option(help="Score these published dumps too, and put them beside.")]
ProtocolName = Annotated[str | None, typer.Option(help="A protocol that was scored; default: the headline one.")]
At = Annotated[int, typer.Option(help="Threshold of the AUC in degrees: 5, 10 or 20.")]
Target = Annotated[Path | None, typer.Option("--out", help="The file to write; default: print.", dir_okay=False)]
Folder = Annotated[Path | None, typer.Option("--out", help="The folder to write.", file_okay=False)]
First = Annotated[str, typer.Argument(metavar="A", help="A scored matcher.")]
Second = Annotated[str, typer.Argument(metavar="B", help="Another one.")]
Unit = Annotated[str, typer.Argument(metavar="UNIT", help="A scored matcher.")]
DumpFolder = Annotated[Path, typer.Option("--out", help="The folder to write.", file_okay=False)]
Worst = Annotated[int, typer.Option(help="How many pairs of each are shown.", min=0)]


class Form(StrEnum):
    """Forms of the table."""

    text = "text"
    markdown = "markdown"
    html = "html"
    latex = "latex"


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


def table(
    context: typer.Context,
    protocol: ProtocolName = None,
    at: At = 5,
    form: Annotated[Form, typer.Option("--format", help="How to write it.")] = Form.text,
    dumps: TableDumps = None,
    target: Target = None,
) -> None:
    """Print the paper-style table: what was measured here, beside what was published.

    Sequences that are ZEB's own stand beside the published rows, which are marked; all others in a table of their own.

    \b
    Examples:
      gim zeb table
      gim zeb table --format latex --out table.tex
      gim zeb table --dumps ../dump/zeb --format markdown
    """  # noqa: D301
    from gim_models.evaluation.table import build_tables
    from gim_models.evaluation.table_text import render

    units = scored(root_of(context))
    text = render(build_tables(units, protocol, float(at), dumps=dumps), form.value)
    if target is None:
        typer.echo(text, nl=False)
        return
    with atomic(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    out.print(target, highlight=False, soft_wrap=True)


def compare(
    context: typer.Context,
    first: First,
    second: Second,
    protocol: ProtocolName = None,
    at: At = 5,
    worst: Worst = 6,
    target: Folder = None,
) -> None:
    """Show where two matchers differ: the paired difference of every sequence, and the pairs each of them loses.

    Writes a page with pictures; default: compare/<A>-vs-<B>/index.html in the workspace.

    \b
    Example:
      gim zeb compare lightglue-100 rootsift
    """  # noqa: D301
    from gim_models.evaluation.scores import pick_protocol, read_errors
    from gim_models.evaluation.versus import differences, markdown, parted
    from gim_models.report.versus import Contest, write_page

    root = root_of(context)
    units = scored(root)
    names = (_key(units, first), _key(units, second))
    folders = [units[name] for name in names]
    chosen = pick_protocol(folders[0], protocol)
    errors = [read_errors(folder, pick_protocol(folder, chosen)) for folder in folders]
    rows = differences(errors[0], errors[1], float(at))
    typer.echo(markdown(rows, names, at), nl=False)
    lost = parted(errors[0], errors[1], worst)
    data = Ledger(root)
    predictions = (data.folder("zeb_predictions", names[0]), data.folder("zeb_predictions", names[1]))
    contest = Contest(names, predictions, data.folder("bench", "all"), f"protocol {chosen}", float(at))
    page = write_page(contest, rows, lost, target or root / "compare" / f"{names[0]}-vs-{names[1]}")
    out.print(page, highlight=False, soft_wrap=True)


def dump(context: typer.Context, unit: Unit, target: DumpFolder, protocol: ProtocolName = None) -> None:
    """Write a matcher's scores as GIM's result dumps, one text file per sequence and one line per pair.

    'gim zeb score --dumps' reads them back to the same AUC. The protocol stands where GIM's files have their version.

    \b
    Example:
      gim zeb dump rootsift --out dumps
    """  # noqa: D301
    from gim_models.evaluation.dump_write import write_dumps

    root = root_of(context)
    units = scored(root)
    name = _key(units, unit)
    for path in write_dumps(units[name], Ledger(root).folder("bench", "all"), name, protocol, target):
        out.print(path, highlight=False, markup=False, soft_wrap=True)


def scored(root: Path) -> dict[str, Path]:
    """Every matcher that has scores in the workspace, with the folder of its unit."""
    ledger = Ledger(root)
    entries = {unit: ledger.read("zeb_scores", unit) for unit in ledger.units("zeb_scores")}
    return {unit: ledger.folder("zeb_scores", unit) for unit, entry in entries.items() if entry and not entry.skipped}


def _key(units: dict[str, Path], name: str) -> str:
    """The unit of a matcher, by its key or by its name in the registry."""
    from gim_models.evaluation.baselines import baseline_key

    key = name if name in units or ":" not in name else baseline_key(name)
    if key not in units:
        known = f"scored are: {', '.join(sorted(units))}" if units else "run 'gim run zeb_scores --with-deps' first"
        raise GimError(f"{name} has no scores in this workspace", known)
    return key
