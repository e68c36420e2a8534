"""``gim labels``: look at label files, check them, and hand them on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from orchestration.commands.common import out

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at labels, check them, hand them on.")
Labels = Annotated[Path, typer.Argument(help="A folder of labels: data/tracks, one video's, or 'gim propagate --out'.")]
GimDir = Annotated[Path, typer.Argument(help="Where the files go: a folder a video.")]


@app.callback()
def labels_group() -> None:
    """Look at labels, check them, hand them on."""


@app.command("export-gim")
def export_gim(labels_dir: Labels, gim_dir: GimDir) -> None:
    """Write propagated pairs as GIM's training code reads them.

    One .npy a pair; its first row is the true span, the others are x0, y0, x1, y1.

    \b
    Example:
      gim labels export-gim labels data/ZeroMatch/propagate/mine
    """  # noqa: D301
    from gim_data.propagation.gim_pairs import export_pairs, label_folders

    for folder in label_folders(labels_dir):
        done = export_pairs(folder, gim_dir)
        out.print(f"{escape(done.video)}: {done.pairs} pairs, {done.matches} matches", highlight=False, soft_wrap=True)
