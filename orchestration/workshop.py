"""Where the work of an asset is done: in the Dagster process, or in one of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gim_data.errors import GimError
from gim_data.ledger import Entry, Ledger
from gim_data.runner import Runner
from gim_data.stage import Progress
from orchestration.progress import LineProgress

Say = Callable[[str], None]
TAIL_LINES = 20


class Workshop(Protocol):
    """Makes units of a stage; the ledger holds the result, so it does not matter where."""

    def make(self, stage: str, units: Sequence[str], say: Say) -> None:
        """Make what is missing or stale.

        Raises:
            GimError: some unit failed.
        """
        ...


@dataclass(frozen=True)
class Here:
    """In this process: no start-up cost, and no protection against a crash.

    Attributes:
        open: makes a runner that reports to the progress it is given; called anew for each job, so that parameters
            edited since the definitions were loaded count.
    """

    open: Callable[[Progress], Runner]

    def make(self, stage: str, units: Sequence[str], say: Say) -> None:
        """Make the units, reporting rate and time left through ``say``."""
        self.open(LineProgress(say)).run(stage, units).raise_failures()


@dataclass(frozen=True)
class Apart:
    """In a process of its own, through the command line: its memory (and the GPU's) is free again afterwards.

    Attributes:
        root: the workspace.
    """

    root: Path

    def make(self, stage: str, units: Sequence[str], say: Say) -> None:
        """Make the units, passing every line of output to ``say``."""
        chosen = [word for unit in units for word in ("--unit", unit)]
        command = [sys.executable, "-m", "orchestration.cli", "--root", str(self.root), "run", stage, *chosen]
        tail: list[str] = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                for line in process.stdout or ():
                    say(line.rstrip())
                    tail = [*tail, line.rstrip()][-TAIL_LINES:]
            except BaseException:
                process.terminate()
                raise
        if process.returncode != 0:
            raise GimError("\n".join(tail) or f"exit code {process.returncode}", f"try 'gim run {stage}' in a shell")


def entries(root: Path, stage: str, units: Sequence[str]) -> dict[str, Entry]:
    """What the ledger says of the units that exist."""
    ledger = Ledger(root)
    found = {unit: ledger.read(stage, unit) for unit in units}
    return {unit: entry for unit, entry in found.items() if entry is not None}
