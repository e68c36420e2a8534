"""``gim plan``: what the corpus will cost here."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from orchestration.commands.common import err, out, root_of
from orchestration.progress import reporting
from orchestration.workspace import open_runner

if TYPE_CHECKING:
    from orchestration.plan import Cost, Extent

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Size = Annotated[str, typer.Option(help="Width x height of the corpus, pixels; frames.max_side still applies.")]
Fps = Annotated[float, typer.Option(min=1, help="Pictures a second of the corpus.")]
Typical = Annotated[float, typer.Option(min=0, help="Minutes to assume of a video that is not fetched yet.")]


def plan(
    context: typer.Context,
    size: Size = "1920x1080",
    fps: Fps = 30.0,
    typical: Typical = 10.0,
    as_json: AsJson = False,
) -> None:
    """What labelling the corpus will cost on this machine: frames, pairs, hours, disk, stage by stage.

    Runs the stages on a few seconds of synthetic video of that size, with the parameters of the workspace, and scales
    up. Shots that are cut out later make it cheaper; start-up makes the estimate of a small corpus too high.

    \b
    Examples:
      gim plan
      gim plan --size 640x360 --typical 30
    """  # noqa: D301
    from orchestration.plan import calibrate, extent_of, lengths_of, scaled

    runner = open_runner(root_of(context))
    width, height = _size(size)
    with reporting(err) as progress:
        lengths = lengths_of(runner.params, runner.root, progress)
        corpus = extent_of(runner.params, [typical * 60 if length is None else length for length in lengths], fps)
        trial, costs = calibrate(runner, width, height, progress)
    costs = [scaled(cost, trial, corpus) for cost in costs]
    unknown = lengths.count(None)
    if as_json:
        typer.echo(json.dumps({**asdict(corpus), "unknown": unknown, "stages": [asdict(c) for c in costs]}, indent=1))
        return
    out.print(_heading(corpus, unknown, typical), highlight=False, soft_wrap=True)
    out.print(_table(costs, runner.params["labels"].device))


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and min(int(width), int(height)) >= 64):
        raise typer.BadParameter(f"{text!r} is not a size such as 1920x1080")
    return int(width), int(height)


def _heading(extent: Extent, unknown: int, typical: float) -> str:
    guessed = f" ({unknown} of them not fetched yet, taken for {typical:g} minutes each)" if unknown else ""
    return (
        f"{extent.videos} videos{guessed}, {extent.seconds / 3600:.2f} h of them usable at most: "
        f"{extent.frames:,} frames, {extent.pairs:,} pairs"
    )


def _table(costs: list[Cost], device: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column, side in (("stage", "left"), (f"{device} hours", "right"), ("GB", "right")):
        table.add_column(column, justify="right" if side == "right" else "left")
    for cost in costs:
        table.add_row(cost.stage, f"{cost.hours:.3f}", f"{cost.gigabytes:.3f}")
    table.add_row("all", f"{sum(c.hours for c in costs):.3f}", f"{sum(c.gigabytes for c in costs):.3f}", style="bold")
    return table
