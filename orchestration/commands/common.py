"""What every sub-command shares: the consoles and the workspace."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

import typer
from rich.console import Console

from orchestration.workspace import find_root

LOG_WIDTH = 120  # columns of a table that goes to a file


def _console(stream: TextIO, *, stderr: bool) -> Console:
    return Console(stderr=stderr, width=None if stream.isatty() else LOG_WIDTH)


out = _console(sys.stdout, stderr=False)
err = _console(sys.stderr, stderr=True)


def root_of(context: typer.Context) -> Path:
    """The folder given with ``--root``, else the workspace around the working directory."""
    given: Path | None = context.find_root().params.get("root")
    return given.resolve() if given is not None else find_root()


def say_leak(problem: str) -> None:
    """Warn that the scores are not of unseen images."""
    err.print(
        f"warning: {problem}\n  -> 'gim zeb leakage' lists them all", style="yellow", markup=False, soft_wrap=True
    )
