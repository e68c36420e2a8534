"""The ``gim`` command: every step of the loop from a shell, with neither Dagster nor torch imported to start it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from gim_data.errors import GimError
from gim_data.heap import keep_freed_memory
from orchestration.commands import (
    bench,
    bev,
    doctor,
    downstream,
    dvc,
    home,
    labels,
    mapping,
    match,
    pairs,
    params,
    plan,
    propagate,
    results,
    run,
    splat,
    status,
    teachers,
    weights,
    zeb,
)
from orchestration.commands.common import err

app = typer.Typer(
    name="gim",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Root = Annotated[
    Path | None,
    typer.Option(help="The workspace; default: the nearest folder upwards with params.yaml.", file_okay=False),
]


@app.callback()
def gim(root: Root = None) -> None:
    """Learn an image matcher from ordinary videos, and prove that it generalizes.

    videos -> shots -> frames -> matches -> tracks -> dataset -> model -> scores -> scaling curve

    \b
    First steps:
      gim run --all              the whole loop on what params.yaml names
      gim status                 what is made, skipped or stale
      gim use --videos FOLDER    your own videos
      gim ui dagster             the same graph in a browser
    """  # noqa: D301


app.command()(run.run)
app.command()(status.status)
app.command()(params.use)
app.command()(params.params)
app.command()(plan.plan)
app.command()(propagate.propagate)
app.command()(teachers.teachers)
app.command()(results.report)
app.command()(match.match)
app.command()(match.homography)
app.command()(bev.bev)
bench.app.command("bev")(bev.bev_bench)
app.command()(mapping.reconstruct)
app.command()(mapping.localize)
app.command()(splat.splat)
bench.app.command("splat")(splat.splat_bench)
app.command()(downstream.downstream)
bench.app.command("maps")(downstream.maps)
bench.app.command("localization")(downstream.localization)
app.command()(doctor.doctor)
app.command()(home.init)
app.add_typer(home.ui, name="ui")
app.add_typer(home.dagster, name="dagster")
app.add_typer(labels.app, name="labels")
app.add_typer(dvc.app, name="dvc")
app.add_typer(zeb.app, name="zeb")
app.add_typer(bench.app, name="bench")
app.add_typer(pairs.app, name="pairs")
app.add_typer(weights.app, name="weights")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what the user can fix ends in a message and exit code 1, not in a traceback.

    Args:
        arguments: the words after ``gim``; those of the process by default.
    """
    keep_freed_memory()
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="gim")
    except GimError as error:
        err.print(f"[red]error[/red] {escape(error.problem)}", highlight=False, soft_wrap=True)
        err.print(f"  [bold]->[/bold] {escape(error.remedy)}", highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
