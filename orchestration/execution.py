"""Running several stages in order, and saying what happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gim_data.errors import GimError
from gim_data.ledger import Entry
from gim_data.runner import Outcome, Runner
from gim_data.stage import Stage
from orchestration.graph import with_upstream

Plan = dict[str, list[str] | None]  # stage -> units, None for all of them (and prune)


class Narrator(Protocol):
    """Who is told about each unit."""

    def started(self, stage: str, unit: str) -> None:
        """The unit is next."""
        ...

    def finished(self, stage: str, outcome: Outcome, seconds: float) -> None:
        """The unit ended in ``outcome`` after ``seconds``."""
        ...


def plan(runner: Runner, stages: Sequence[str], units: Sequence[str] | None = None) -> Plan:
    """The named stages in the order of the graph.

    Raises:
        GimError: an unknown stage.
    """
    for name in stages:
        runner.stage(name)
    return {name: list(units) if units is not None else None for name in runner.graph if name in set(stages)}


def plan_with_deps(runner: Runner, stages: Sequence[str], units: Sequence[str] | None = None) -> Plan:
    """The named stages and just those units upstream that they read; all units where ``units`` is None.

    Raises:
        GimError: an unknown stage.
    """
    wanted = plan(runner, stages, units)
    if units is None:
        return dict.fromkeys(with_upstream(runner.graph, wanted))
    needed: dict[str, set[str]] = {name: set(units) for name in wanted}
    for name in reversed(list(runner.graph)):
        for unit in needed.get(name, ()):
            for dep, keys in runner.upstream(runner.graph[name], unit).items():
                needed.setdefault(dep, set()).update(keys)
    return {name: sorted(needed[name]) for name in runner.graph if needed.get(name)}


@dataclass
class Tally:
    """What an execution did.

    Attributes:
        counts: outcome status -> how many units.
        failures: "stage unit: reason" of every unit that failed by itself.
        waiting: (stage, unit) that could not start, since something they read failed.
        refused: "stage unit left out ITEM: reason" of every part that a unit was made without.
    """

    counts: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    waiting: list[tuple[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def raise_failures(self) -> None:
        """One error for everything that failed.

        Raises:
            GimError: some unit failed.
        """
        if not self.failures:
            return
        held = f"\n{len(self.waiting)} unit(s) that read them were not started" if self.waiting else ""
        raise GimError("\n".join(self.failures) + held, "fix this and run the same command again; the rest is safe")


Make = Callable[[Runner, str, Sequence[str], Narrator], Iterator[Outcome]]
"""Makes units of one stage, tells the narrator of each, and yields what became of it."""


def one_by_one(runner: Runner, name: str, units: Sequence[str], narrator: Narrator) -> Iterator[Outcome]:
    """Make units of one stage in this process, in order."""
    for unit in units:
        narrator.started(name, unit)
        began = time.monotonic()
        [outcome] = runner.run(name, [unit]).outcomes
        narrator.finished(name, outcome, time.monotonic() - began)
        yield outcome


def execute(
    runner: Runner, todo: Mapping[str, Sequence[str] | None], narrator: Narrator, make: Make = one_by_one
) -> Tally:
    """Run a plan. A unit that fails holds up only what reads it; everything else goes on.

    Args:
        runner: of the workspace.
        todo: stage -> units, in the order to run.
        narrator: told of each unit.
        make: how the units of one stage are made; they never read each other.
    """
    tally = Tally()
    lost: set[tuple[str, str]] = set()
    for name, units in todo.items():
        stage = runner.stage(name)
        wanted = runner.keys(stage) if units is None else units
        waiting = [(name, unit) for unit in wanted if lost & _reads(runner, stage, unit)]
        tally.waiting += waiting
        lost.update(waiting)
        for outcome in make(runner, name, [unit for unit in wanted if (name, unit) not in lost], narrator):
            _record(tally, lost, name, outcome)
        for outcome in runner.prune(name) if units is None else ():
            _record(tally, lost, name, outcome)
            narrator.finished(name, outcome, 0.0)
    return tally


def _reads(runner: Runner, stage: Stage, unit: str) -> set[tuple[str, str]]:
    return {(dep, key) for dep, keys in runner.upstream(stage, unit).items() for key in keys}


def refusals(entry: Entry) -> list[str]:
    """The parts of its input that a unit was made without, each with its reason."""
    refused: Mapping[str, str] = entry.summary.get("refused", {})
    return [f"{name}: {reason}" for name, reason in sorted(refused.items())]


def _record(tally: Tally, lost: set[tuple[str, str]], name: str, outcome: Outcome) -> None:
    tally.counts[outcome.status] = tally.counts.get(outcome.status, 0) + 1
    if outcome.entry is not None:
        tally.refused += [f"{name} {outcome.unit} left out {line}" for line in refusals(outcome.entry)]
    if outcome.status == "failed":
        tally.failures.append(f"{name} {outcome.unit}: {outcome.reason}")
        lost.add((name, outcome.unit))
