"""Dagster partitions of the axes: one dynamic set for videos, fixed sets for what the parameters list."""

from __future__ import annotations

import dagster as dg

from gim_data.runner import Runner
from gim_data.stage import Stage

VIDEOS = dg.DynamicPartitionsDefinition(name="videos")


def partitions_of(runner: Runner, stage: Stage) -> dg.PartitionsDefinition[str] | None:
    """The partitions of a stage: None where it has one unit for the whole corpus."""
    if stage.axis.name == "video":
        return VIDEOS
    if stage.axis.name == "corpus":
        return None
    return dg.StaticPartitionsDefinition(runner.keys(stage))


def dependency(runner: Runner, stage: Stage, dep: Stage) -> dg.AssetDep:
    """The edge from ``dep`` to ``stage``, with the units each unit reads."""
    return dg.AssetDep(dep.name, partition_mapping=_mapping(runner, stage, dep))


def _mapping(runner: Runner, stage: Stage, dep: Stage) -> dg.PartitionMapping | None:
    if dep.axis.name == "corpus":
        return None
    if dep.axis.name == stage.axis.name:
        return dg.IdentityPartitionMapping()
    if stage.axis.name in ("corpus", "video") or dep.axis.name == "video":
        return dg.AllPartitionMapping()
    return dg.StaticPartitionMapping(_readers(runner, stage, dep))


def _readers(runner: Runner, stage: Stage, dep: Stage) -> dict[str, list[str]]:
    """Upstream unit -> the units of ``stage`` that read it."""
    readers: dict[str, list[str]] = {}
    for unit in runner.keys(stage):
        for key in runner.upstream(stage, unit)[dep.name]:
            readers.setdefault(key, []).append(unit)
    return readers
