"""``gim run``: make units."""

from __future__ import annotations

import logging
from typing import Annotated

import typer
from rich.markup import escape

from gim_data.errors import GimError
from gim_data.runner import Outcome, Runner
from orchestration.commands.common import err, out, root_of, say_leak
from orchestration.execution import Plan, Tally, execute, one_by_one, plan, plan_with_deps
from orchestration.graph import GRAPH
from orchestration.leak_warning import CURVE, leak_warning
from orchestration.parallel import Processes
from orchestration.progress import BarProgress, LineProgress, reporting
from orchestration.workspace import open_runner

INTERRUPTED = 130  # what shells report for Ctrl-C
STYLES = {"made": "green", "skipped": "yellow", "failed": "red", "pruned": "magenta"}

Stages = Annotated[list[str] | None, typer.Argument(metavar="STAGE", help=f"Any of: {', '.join(GRAPH)}.")]
Units = Annotated[
    list[str] | None,
    typer.Option("--unit", help="Only this unit, or the only one that starts so (repeatable); see 'gim status'."),
]
Videos = Annotated[list[str] | None, typer.Option("--video", help="Only this video (repeatable), in per-video stages.")]
WithDeps = Annotated[bool, typer.Option("--with-deps", help="Also make what the stages read.")]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, help="Units of a stage made at once, each in a process with its cores.")
]
Everything = Annotated[bool, typer.Option("--all", help="The whole loop, up to the scaling curve.")]


def run(
    context: typer.Context,
    stages: Stages = None,
    unit: Units = None,
    video: Videos = None,
    with_deps: WithDeps = False,
    everything: Everything = False,
    jobs: Jobs = 1,
) -> None:
    """Make what is missing or stale.

    What is already made from the same inputs and parameters is found, whoever made it.

    A unit that can never work (a corrupt file, no usable shot) is recorded as skipped, with its reason, and the
    others go on. A unit that fails holds up only what reads it.

    \b
    Examples:
      gim run --all                          the whole loop
      gim run --all --jobs 8                 ... eight videos, models or matchers at a time
      gim run matches --video walk           label one video (its frames must be made)
      gim run matches --video walk --with-deps   ... and make its frames first
      gim run --video walk                   every per-video stage of one video
      gim run model --unit lightglue-100     train one student at one budget
    """  # noqa: D301
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    with reporting(out) as progress:
        runner = open_runner(root_of(context), progress)
        names = _names(runner, stages or [], video or [], everything)
        units = _units(runner, names, [*(unit or []), *(video or [])])
        todo: Plan = (plan_with_deps if with_deps else plan)(runner, names, units)
        try:
            tally = execute(runner, todo, ConsoleNarrator(progress), Processes(jobs) if jobs > 1 else one_by_one)
        except KeyboardInterrupt:
            err.print("interrupted; finished units are kept, the same command goes on from here")
            raise typer.Exit(INTERRUPTED) from None
    _say_total(tally)
    warning = leak_warning(runner.root) if CURVE in todo else ""
    if warning:
        say_leak(warning)
    tally.raise_failures()


class ConsoleNarrator:
    """Writes one line for each unit that something happened to."""

    def __init__(self, progress: BarProgress | LineProgress) -> None:
        self._progress = progress

    def started(self, stage: str, unit: str) -> None:
        """Let the bars name the unit."""
        self._progress.label = f"{stage} {unit}"

    def finished(self, stage: str, outcome: Outcome, seconds: float) -> None:
        """Say what happened, unless the unit was found as it should be."""
        self._progress.hide()
        if outcome.status == "found":
            return
        style = STYLES[outcome.status]
        what = f"[{style}]{outcome.status:8}[/{style}] {stage} {escape(outcome.unit)}"
        tail = f"  {seconds:.1f} s" if outcome.status == "made" else ""
        reason = f"  {escape(outcome.reason.splitlines()[0])}" if outcome.reason else ""
        out.print(what + tail + reason, highlight=False, soft_wrap=True)


def _names(runner: Runner, stages: list[str], videos: list[str], everything: bool) -> list[str]:
    if everything:
        return list(runner.graph)
    if stages:
        return stages
    if videos:
        return [name for name, stage in runner.graph.items() if stage.axis.name == "video"]
    raise GimError("no stage named", f"'gim run --all', or name stages: {', '.join(runner.graph)}")


def _units(runner: Runner, names: list[str], units: list[str]) -> list[str] | None:
    """The keys of the units asked for, None for all.

    Raises:
        GimError: some stage has no such unit, or several.
    """
    chosen: list[str] = []
    for name in names if units else ():
        known = runner.keys(runner.stage(name))
        chosen = [_find(unit, known, name) for unit in units]
    return chosen or None


def _find(typed: str, known: list[str], stage: str) -> str:
    """The key typed, or the only one that starts so."""
    found = [typed] if typed in known else [key for key in known if key.startswith(typed)]
    if len(found) != 1:
        problem = f"{len(found)} units start with {typed!r}" if found else f"there is no unit {typed!r}"
        raise GimError(f"stage {stage}: {problem}", f"its units are: {', '.join(known)}")
    return found[0]


def _say_total(tally: Tally) -> None:
    for line in tally.refused:
        err.print(f"[yellow]refused[/yellow]  {escape(line)}", highlight=False, soft_wrap=True)
    words = [f"{n} {status}" for status, n in sorted(tally.counts.items())]
    words += [f"{len(tally.waiting)} not started"] if tally.waiting else []
    words += [f"{len(tally.refused)} refused by them"] if tally.refused else []
    (err if tally.failures else out).print(", ".join(words) or "nothing to do", highlight=False)
