"""``gim weights``: published checkpoints become matchers of this project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestration.commands.common import out

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Weights that others published.")
Checkpoint = Annotated[Path, typer.Argument(help="GIM's file: .ckpt, .pth or .safetensors.", dir_okay=False)]
Target = Annotated[
    Path | None, typer.Option("--to", help="The folder to write; default: beside the file, without its ending.")
]
Dinov2 = Annotated[
    Path | None, typer.Option(help="DINOv2's dinov2_vitl14_pretrain.pth, which gim_roma_100h needs.", dir_okay=False)
]


@app.callback()
def weights() -> None:
    """Weights that others published."""


@app.command("import")
def import_(file: Checkpoint, to: Target = None, dinov2: Dinov2 = None) -> None:
    """Check a published GIM checkpoint name by name and write it as a folder that every stage can match with.

    \b
    Example:
      gim weights import gim_loftr_50h.ckpt --to weights/gim_loftr_50h
      gim weights import gim_roma_100h.ckpt --dinov2 dinov2_vitl14_pretrain.pth
    """  # noqa: D301
    from gim_models.official.importer import import_checkpoint

    done = import_checkpoint(file, to or file.with_suffix(""), dinov2)
    out.print(f"{done.checkpoint}: {done.tensors} tensors, {done.parameters / 1e6:.1f} million numbers")
    out.print(f"matcher  {done.matcher}", highlight=False, soft_wrap=True)
