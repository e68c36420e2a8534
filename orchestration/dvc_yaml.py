"""``dvc.yaml``, rendered from the stage registry: DVC sees each stage as one step over the whole corpus."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gim_data.stage import Stage
from orchestration.graph import GRAPH

FILE = "dvc.yaml"
HEADER = """\
# Rendered from the stage registry (gim_data/stages.py, gim_models/stages.py) by 'gim dvc render'. Do not edit.
# 'persist' keeps finished units: each command makes only what its ledger lacks.
"""
SCALING = "data/scaling_curve/all"
PLOTS = [
    {
        "accuracy_over_video": {
            "template": "scatter",
            "x": {f"{SCALING}/scaling.csv": "minutes"},
            "y": {f"{SCALING}/scaling.csv": "auc_5deg"},
            "title": "Zero-shot accuracy over minutes of video",
        }
    }
]
METRICS = [f"{SCALING}/metrics.json", "data/downstream/all/metrics.json"]


def render(graph: Mapping[str, Stage] = GRAPH, *, command: str = "gim run") -> str:
    """The text of ``dvc.yaml`` for a graph.

    Args:
        graph: the stages, each after those it reads.
        command: what makes the stage whose name follows it.
    """
    tree: dict[str, Any] = {"stages": {name: _stage(graph, stage, command) for name, stage in graph.items()}}
    if "scaling_curve" in graph:
        tree |= {"plots": PLOTS, "metrics": METRICS}
    return HEADER + yaml.safe_dump(tree, sort_keys=False, width=120)


def in_sync(root: Path) -> bool:
    """Whether the committed file is what the registry says."""
    path = root / FILE
    return path.is_file() and path.read_text() == render()


def _stage(graph: Mapping[str, Stage], stage: Stage, command: str) -> dict[str, Any]:
    return {
        "desc": stage.doc,
        "cmd": f"{command} {stage.name}",
        "deps": [*stage.code, *(f"data/{dep}" for dep in stage.deps)],
        "params": _sections(graph, stage),
        "outs": [{f"data/{stage.name}": {"persist": True}}],
    }


def _sections(graph: Mapping[str, Stage], stage: Stage) -> list[str]:
    """The sections that decide a stage's units and their content; the profile may overlay any of them.

    Whoever decides the units is listed even where a dependency lists it too: DVC skips a stage whose inputs did not
    change, and a removed video changes no bytes of the others.
    """
    axes = [stage.axis, *(graph[dep].axis for dep in stage.deps)]
    keys = [*stage.params, *(section for axis in axes for section in axis.sections)]
    return ["profile", "profiles", *dict.fromkeys(key.partition(".")[0] for key in keys)]
