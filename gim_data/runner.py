"""Making units: the one code path below the command line, Dagster and DVC."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from filelock import Timeout

from gim_data.errors import BadInput, GimError
from gim_data.files import digest_of
from gim_data.heap import keep_freed_memory
from gim_data.ledger import Entry, Ledger
from gim_data.params import dump
from gim_data.stage import Job, Params, Progress, Silent, Stage, load

log = logging.getLogger(__name__)
Status = Literal["made", "found", "skipped", "failed", "pruned"]


@dataclass(frozen=True)
class Outcome:
    """What happened to one unit.

    Attributes:
        unit: its key.
        status: ``made`` now, ``found`` done, ``skipped`` with a reason, ``failed``, or ``pruned`` since it left.
        entry: what the ledger says, None where failed or pruned.
        reason: why it was skipped or failed.
    """

    unit: str
    status: Status
    entry: Entry | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Report:
    """What one run of one stage did."""

    stage: str
    outcomes: tuple[Outcome, ...]

    def count(self, status: Status) -> int:
        """How many units ended in ``status``."""
        return sum(o.status == status for o in self.outcomes)

    def raise_failures(self) -> None:
        """Raise one error that names every failed unit.

        Raises:
            GimError: some unit failed.
        """
        failed = [o for o in self.outcomes if o.status == "failed"]
        if failed:
            lines = "\n".join(f"{self.stage} {o.unit}: {o.reason}" for o in failed)
            raise GimError(lines, f"the other units are safe; fix this and run 'gim run {self.stage}' again")


@dataclass
class Runner:
    """Makes units of one workspace.

    Attributes:
        graph: every stage by name.
        params: validated sections.
        root: the workspace.
        progress: where jobs report.
    """

    graph: Mapping[str, Stage]
    params: Params
    root: Path
    progress: Progress = field(default_factory=Silent)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.root)
        self._keys: dict[str, list[str]] = {}

    def keys(self, stage: Stage) -> list[str]:
        """The unit keys that a stage has under the present parameters."""
        axis = stage.axis
        if axis.name not in self._keys:
            self._keys[axis.name] = load(axis.keys)(self.params, self.root)
        return self._keys[axis.name]

    def run(self, name: str, units: Sequence[str] | None = None) -> Report:
        """Make what is missing or stale, find the rest done, and (for the whole stage) prune what left the corpus.

        Args:
            name: the stage.
            units: unit keys, or None for all of them.

        Raises:
            GimError: an unknown stage or unit, or an input that was never made.
        """
        keep_freed_memory()
        stage = self.stage(name)
        known = self.keys(stage)
        unknown = sorted(set(units or ()) - set(known))
        if unknown:
            raise GimError(f"stage {name} has no unit {unknown}", f"its units are {known}")
        outcomes = [self._unit(stage, unit) for unit in (known if units is None else units)]
        if units is None:
            outcomes += self.prune(name)
        return Report(name, tuple(outcomes))

    def prune(self, name: str) -> list[Outcome]:
        """Forget the units, made or begun, that the present parameters do not list.

        What another process is still making stays until the next time.
        """
        known = self.keys(self.stage(name))
        gone = sorted({*self.ledger.units(name), *self.ledger.begun(name)} - set(known))
        return [Outcome(unit, "pruned") for unit in gone if self._forget(name, unit)]

    def _forget(self, name: str, unit: str) -> bool:
        try:
            with self.ledger.lock(name, unit, timeout=0):
                self.ledger.remove(name, unit)
        except Timeout:
            return False
        return True

    def stage(self, name: str) -> Stage:
        """The row of a stage.

        Raises:
            GimError: there is no such stage.
        """
        if name not in self.graph:
            raise GimError(f"there is no stage {name!r}", f"the stages are {list(self.graph)}")
        return self.graph[name]

    def upstream(self, stage: Stage, unit: str) -> dict[str, list[str]]:
        """Dependency -> the keys of its units that this unit reads."""
        return {name: self._upstream(stage, unit, self.graph[name]) for name in stage.deps}

    def is_current(self, stage: Stage, unit: str) -> bool:
        """Whether the unit exists and was made from the present inputs, parameters and version."""
        entry = self.ledger.read(stage.name, unit)
        try:
            return entry is not None and entry.digest == self._digest(stage, unit, self._inputs(stage, unit))
        except GimError:
            return False

    def _upstream(self, stage: Stage, unit: str, dep: Stage) -> list[str]:
        keys = self.keys(dep)
        if stage.upstream is not None:
            chosen: list[str] = load(stage.upstream)(unit, dep.name, keys, self.params)
            return chosen
        return [unit] if dep.axis.name == stage.axis.name else keys

    def _inputs(self, stage: Stage, unit: str) -> dict[str, dict[str, Entry]]:
        inputs: dict[str, dict[str, Entry]] = {}
        for dep, keys in self.upstream(stage, unit).items():
            entries = {key: self.ledger.read(dep, key) for key in keys}
            missing = [key for key, entry in entries.items() if entry is None]
            if missing:
                raise GimError(
                    f"{stage.name} {unit} needs {dep} of {', '.join(missing)}, which is not made",
                    f"run 'gim run {dep}' first, or 'gim run --with-deps {stage.name}'",
                )
            inputs[dep] = {key: entry for key, entry in entries.items() if entry is not None}
        return inputs

    def _digest(self, stage: Stage, unit: str, inputs: Mapping[str, Mapping[str, Entry]]) -> str:
        outside = load(stage.external)(unit, self.params, self.root) if stage.external else None
        read = {dep: units for dep, units in inputs.items() if units or dep not in stage.optional}
        content = {dep: {key: entry.content for key, entry in units.items()} for dep, units in read.items()}
        parts = [stage.name, unit, stage.version, dump(self.params, stage.params), content, outside]
        return digest_of(parts)

    def _unit(self, stage: Stage, unit: str) -> Outcome:
        with self.ledger.lock(stage.name, unit):
            try:
                inputs = self._inputs(stage, unit)
                digest = self._digest(stage, unit, inputs)
                found = self.ledger.read(stage.name, unit)
                if found is not None and found.digest == digest:
                    return Outcome(unit, "skipped" if found.skipped else "found", found, found.skipped)
                return self._make(stage, unit, inputs, digest)
            except GimError as error:
                return Outcome(unit, "failed", None, str(error))
            except OSError as error:
                return Outcome(unit, "failed", None, _explain(error))
            except Exception as error:
                log.exception("%s %s failed", stage.name, unit)
                return Outcome(unit, "failed", None, f"{type(error).__name__}: {error}")

    def _make(self, stage: Stage, unit: str, inputs: dict[str, dict[str, Entry]], digest: str) -> Outcome:
        out, scratch = self.ledger.begin(stage.name, unit, digest)
        usable = {dep: {k: e for k, e in units.items() if not e.skipped} for dep, units in inputs.items()}
        starved = [dep for dep, units in inputs.items() if units and not usable[dep]]
        try:
            if starved:
                reasons = "; ".join(sorted({str(e.skipped) for e in inputs[starved[0]].values()}))
                raise BadInput(f"nothing usable from {starved[0]}: {reasons}", "see the skip of that stage")
            summary = load(stage.fn)(self._job(stage, unit, usable, digest, out, scratch))
            sealed = self.ledger.commit(stage.name, unit, out, Entry(digest, "", summary))
            return Outcome(unit, "made", sealed)
        except BadInput as error:
            out, _ = self.ledger.begin(stage.name, unit, digest)
            entry = Entry(digest, "", {}, error.problem, error.remedy)
            return Outcome(unit, "skipped", self.ledger.commit(stage.name, unit, out, entry), str(error))

    def _job(
        self, stage: Stage, unit: str, usable: dict[str, dict[str, Entry]], digest: str, out: Path, scratch: Path
    ) -> Job:
        folders = {dep: {key: self.ledger.folder(dep, key) for key in units} for dep, units in usable.items()}
        seed = int(digest[:12], 16)
        return Job(stage.name, unit, out, scratch, folders, self.params, self.root, seed, digest, self.progress)


def _explain(error: OSError) -> str:
    """An operating system error with the remedy where there is one to name."""
    remedies = {
        errno.ENOSPC: "free some disk space and run again: nothing made so far is lost",
        errno.EACCES: "give yourself the right to read and write it",
        errno.EMFILE: "raise the limit of open files (ulimit -n)",
    }
    remedy = remedies.get(error.errno or 0)
    return f"{error}\n  -> {remedy}" if remedy else f"{type(error).__name__}: {error}"
