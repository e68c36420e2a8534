"""How far every stage is, by the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gim_data.ledger import Entry
from gim_data.runner import Runner
from gim_data.stage import Stage

State = Literal["made", "skipped", "stale", "missing", "gone"]
SETTLED = ("made", "skipped")


@dataclass(frozen=True)
class UnitState:
    """One unit of one stage.

    Attributes:
        state: ``made`` or ``skipped`` from the present inputs; ``stale`` if made from others, or from inputs that are
            stale themselves; ``missing``; ``gone`` if the parameters no longer list it (the next run of the whole
            stage prunes it).
        entry: what the ledger says, None where missing.
    """

    stage: str
    unit: str
    state: State
    entry: Entry | None


def workspace_status(runner: Runner) -> dict[str, list[UnitState]]:
    """Stage name -> its units, known or on disk, in the order of the graph."""
    settled: set[tuple[str, str]] = set()
    states: dict[str, list[UnitState]] = {}
    for name, stage in runner.graph.items():
        states[name] = _stage_status(runner, stage, settled)
        settled.update((name, unit.unit) for unit in states[name] if unit.state in SETTLED)
    return states


def _stage_status(runner: Runner, stage: Stage, settled: set[tuple[str, str]]) -> list[UnitState]:
    known = runner.keys(stage)
    gone = [unit for unit in runner.ledger.units(stage.name) if unit not in known]
    states = [_unit_status(runner, stage, unit, settled) for unit in known]
    return states + [UnitState(stage.name, unit, "gone", runner.ledger.read(stage.name, unit)) for unit in gone]


def _unit_status(runner: Runner, stage: Stage, unit: str, settled: set[tuple[str, str]]) -> UnitState:
    entry = runner.ledger.read(stage.name, unit)
    if entry is None:
        return UnitState(stage.name, unit, "missing", None)
    reads = {(dep, key) for dep, keys in runner.upstream(stage, unit).items() for key in keys}
    if not reads <= settled or not runner.is_current(stage, unit):
        return UnitState(stage.name, unit, "stale", entry)
    return UnitState(stage.name, unit, "skipped" if entry.skipped else "made", entry)
