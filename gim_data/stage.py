"""One row per stage: the truth about the graph, read by the command line, by Dagster and by DVC alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

Params = Mapping[str, Any]  # section name -> validated pydantic model


class Section(BaseModel):
    """Base of every section of ``params.yaml``: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Axis:
    """What a stage has one unit per.

    Attributes:
        name: ``video``, ``corpus``, ``student``, ``model``, ``matcher``...
        keys: ``"module:function"`` of ``(params, root) -> list[str]``; unit keys are safe as file names.
        sections: the params sections that decide the list.
    """

    name: str
    keys: str
    sections: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """One stage of the graph.

    Attributes:
        name: also the folder below ``data/``.
        group: the Dagster group.
        fn: ``"module:function"`` of ``(Job) -> Summary``, imported only when work is done.
        axis: what it runs per.
        deps: names of the stages it reads.
        optional: those of them that units may do without: where ``upstream`` names no unit, the digest says nothing of
            them.
        params: sections of ``params.yaml`` that its result depends on.
        code: files that decide the bytes (DVC dependencies).
        pool: Dagster pool, such as ``net`` or ``gpu``.
        version: bump it to make every unit anew; part of every digest.
        external: ``"module:function"`` of ``(unit, params, root) -> JSON value`` for what lies outside the graph
            (the source file of a video), or None.
        upstream: ``"module:function"`` of ``(unit, dep, dep_units, params) -> list[str]`` saying which units of
            the stage ``dep`` this unit reads, or None for the default: the same key where the axes agree, else all.
        doc: one line for people.
    """

    name: str
    group: str
    fn: str
    axis: Axis
    doc: str
    deps: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    pool: str | None = None
    version: str = "1"
    external: str | None = None
    upstream: str | None = None


class Progress(Protocol):
    """Where long work reports how far it is."""

    def start(self, title: str, total: float | None) -> None:
        """Begin a bar of ``total`` steps (None where unknown)."""
        ...

    def advance(self, n: float = 1, note: str = "") -> None:
        """Move the bar by ``n``; ``note`` replaces the text behind it."""
        ...


class Silent:
    """Progress that says nothing."""

    def start(self, title: str, total: float | None) -> None:
        """Ignore."""

    def advance(self, n: float = 1, note: str = "") -> None:
        """Ignore."""


@dataclass(frozen=True)
class Job:
    """One unit of work, as its stage function sees it.

    Attributes:
        stage, unit: what is being made.
        out: an empty folder; what is in it when the function returns becomes the unit, atomically.
        scratch: a folder that outlives a killed attempt at the *same* digest (checkpoints go here); gone on success.
        inputs: stage name -> unit key -> folder of that unit. Skipped units are not in it.
        params: the validated sections.
        root: the workspace (the folder of ``params.yaml``).
        seed: an integer from the unit's digest, for every random choice that no parameter seeds.
        digest: what identifies this unit's inputs, parameters and stage version.
        progress: where to report.
    """

    stage: str
    unit: str
    out: Path
    scratch: Path
    inputs: Mapping[str, Mapping[str, Path]]
    params: Params
    root: Path
    seed: int
    digest: str
    progress: Progress = field(default_factory=Silent)

    def input(self, stage: str) -> Path:
        """The folder of this unit's own input from ``stage`` (same key, or the only one there is)."""
        units = self.inputs[stage]
        return units[self.unit] if self.unit in units else next(iter(units.values()))


def without_silent(values: Mapping[str, Any], younger: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for a digest, without those younger than the first units that say nothing: such units stay valid.

    Args:
        values: by name.
        younger: name -> the value that says nothing.
    """
    return {name: value for name, value in values.items() if name not in younger or value != younger[name]}


Summary = dict[str, Any]
"""What a stage function returns: JSON numbers and texts for people, shown as Dagster metadata and by ``gim status``."""


def load(path: str) -> Callable[..., Any]:
    """The object at ``"module:attribute"``."""
    module, _, attribute = path.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), attribute)
    return found
