"""Where jobs report to: a live bar on a terminal, plain lines everywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

SECONDS_BETWEEN_LINES = 10.0


class RateColumn(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        """The rate, or nothing before it is known."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="progress.data.speed")


class BarProgress:
    """Bars on a terminal; ``label`` names the unit at work and stands before every title."""

    def __init__(self, live: Progress) -> None:
        self._live = live
        self._task = live.add_task("", total=None, visible=False, note="")
        self.label = ""

    def start(self, title: str, total: float | None) -> None:
        """Begin a bar of ``total`` steps."""
        self._live.reset(self._task, description=f"{self.label} {title}".strip(), total=total, visible=True, note="")

    def advance(self, n: float = 1, note: str = "") -> None:
        """Move the bar."""
        self._live.update(self._task, advance=n)
        if note:
            self._live.update(self._task, note=note)

    def hide(self) -> None:
        """Take the bar away between units."""
        self._live.update(self._task, visible=False)


class LineProgress:
    """A line when a title starts, then one every ``SECONDS_BETWEEN_LINES`` with rate and time left.

    Args:
        write: takes one line of text.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self.label = ""
        self._title, self._total = "", None  # type: str, float | None
        self._done, self._began, self._said = 0.0, 0.0, 0.0

    def start(self, title: str, total: float | None) -> None:
        """Begin counting to ``total``."""
        self._title, self._total, self._done = f"{self.label} {title}".strip(), total, 0.0
        self._began = self._said = time.monotonic()

    def advance(self, n: float = 1, note: str = "") -> None:
        """Count on, and say so when it is time."""
        self._done += n
        now = time.monotonic()
        if now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            self._write(f"{self._title}: {self._position(now - self._began)} {note}".rstrip())

    def hide(self) -> None:
        """Nothing to take away."""

    def _position(self, elapsed: float) -> str:
        rate = self._done / elapsed if elapsed > 0 else 0.0
        if self._total is None or rate == 0:
            return f"{self._done:g} done, {rate:.1f}/s"
        left = max(0.0, self._total - self._done) / rate
        return f"{self._done:g} of {self._total:g}, {rate:.1f}/s, {left:.0f} s left"


@contextmanager
def reporting(console: Console) -> Iterator[BarProgress | LineProgress]:
    """The progress that suits the console: bars on a terminal, lines in a log."""
    if not console.is_terminal:
        yield LineProgress(lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True))
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, transient=True) as live:
        yield BarProgress(live)
