"""``gim zeb``: the zero-shot evaluation benchmark, its files and its scores."""

from __future__ import annotations

import typer

from orchestration.commands import zeb_files, zeb_scores

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The zero-shot evaluation benchmark.")


@app.callback()
def zeb() -> None:
    """The zero-shot evaluation benchmark."""


app.command()(zeb_files.unpack)
app.command()(zeb_files.check)
app.command()(zeb_files.make)
app.command()(zeb_files.leakage)
app.command()(zeb_scores.score)
app.command()(zeb_scores.table)
app.command()(zeb_scores.compare)
app.command()(zeb_scores.dump)
