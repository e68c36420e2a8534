"""The stages of both packages, collected into one graph; importing it costs nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import gim_data.stages
import gim_models.stages
from gim_data.errors import GimError
from gim_data.stage import Stage


def collect(stages: Iterable[Stage]) -> dict[str, Stage]:
    """Stages by name, every stage after those it reads, otherwise in the order given.

    Raises:
        GimError: a name used twice, a dependency that no stage makes, or a cycle.
    """
    rows = list(stages)
    by_name = {stage.name: stage for stage in rows}
    if len(by_name) != len(rows):
        raise GimError("two stages share a name", "rename one of them in its stages.py")
    unknown = sorted({dep for stage in rows for dep in stage.deps} - set(by_name))
    if unknown:
        raise GimError(f"no stage makes {unknown}", "correct the 'deps' in stages.py")
    order: list[str] = []
    while len(order) < len(rows):
        ready = next((s.name for s in rows if s.name not in order and set(s.deps) <= set(order)), None)
        if ready is None:
            left = [name for name in by_name if name not in order]
            raise GimError(f"the stages {left} read each other in a cycle", "correct the 'deps' in stages.py")
        order.append(ready)
    return {name: by_name[name] for name in order}


def with_upstream(graph: Mapping[str, Stage], names: Iterable[str]) -> list[str]:
    """``names`` and everything they read, directly or not, in the order of the graph."""
    wanted = set(names)
    for name in reversed(list(graph)):
        if name in wanted:
            wanted.update(graph[name].deps)
    return [name for name in graph if name in wanted]


GRAPH: dict[str, Stage] = collect([*gim_data.stages.STAGES, *gim_models.stages.STAGES])
SECTIONS: dict[str, str] = {**gim_data.stages.SECTIONS, **gim_models.stages.SECTIONS}
