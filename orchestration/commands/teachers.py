"""``gim teachers``: who can label here, under which licence, and how fast."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from gim_data.errors import GimError
from orchestration.commands.common import err, out
from orchestration.progress import reporting

Measure = Annotated[bool, typer.Option("--measure", help="Time each of them here, on frames of 640x480.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="TEACHER", help="Only these.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Device = Annotated[str, typer.Option(help="Torch device to time on: auto, cpu, cuda...")]


def teachers(names: Names = None, measure: Measure = False, device: Device = "auto", as_json: AsJson = False) -> None:
    """List the teachers: licence, size, whether their weights are here.

    \b
    Examples:
      gim teachers
      gim teachers --measure rootsift
    """  # noqa: D301
    from gim_models.teachers import catalogue

    known = {teacher.name: teacher for teacher in catalogue.teachers()}
    chosen = [_find(name, list(known)) for name in names] if names else list(known)
    speeds = {}
    with reporting(err) as progress:
        timed = [name for name in chosen if measure and known[name].usable]
        progress.start("timing teachers", len(timed))
        for name in timed:
            speeds[name] = catalogue.measure(name, device=device)
            progress.advance(note=name)
    if as_json:
        rows = [{**asdict(known[n]), **({"speed": asdict(speeds[n])} if n in speeds else {})} for n in chosen]
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("teacher", "weights", "licence", "MB", "frames/s", "pairs/s", "keypoints"):
        table.add_column(column, justify="left" if column in ("teacher", "weights", "licence") else "right")
    for name in chosen:
        teacher, speed = known[name], speeds.get(name)
        state = "found" if teacher.usable else f"missing: {', '.join(teacher.missing)}"
        timing = (f"{speed.frames:.2f}", f"{speed.pairs:.2f}", str(speed.keypoints)) if speed else ("", "", "")
        table.add_row(escape(name), state, teacher.licence, f"{teacher.size / 1e6:.1f}", *timing)
    out.print(table)
    for remedy in dict.fromkeys(known[name].remedy for name in chosen if known[name].missing):
        out.print(f"-> {remedy}", highlight=False, soft_wrap=True)


def _find(name: str, known: list[str]) -> str:
    if name not in known:
        raise GimError(f"there is no teacher {name!r}", f"the teachers are: {', '.join(known)}")
    return name
