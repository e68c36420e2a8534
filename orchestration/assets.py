"""One Dagster asset per stage, made from the registry.

Dagster reads the annotation of ``context`` itself, so annotations are not postponed here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from gim_data.errors import GimError
from gim_data.files import digest_of
from gim_data.ledger import Entry, Ledger
from gim_data.runner import Runner
from gim_data.stage import Stage
from orchestration.metadata import unit_metadata
from orchestration.partitions import dependency, partitions_of
from orchestration.workshop import Workshop, entries

KINDS = {"gpu": {"python", "torch"}, "net": {"python", "video"}}


def build_assets(runner: Runner) -> list[dg.AssetsDefinition]:
    """An asset for every stage of the runner's graph; resources ``here`` and ``apart`` do the work."""
    return [stage_asset(runner, stage) for stage in runner.graph.values()]


def stage_asset(runner: Runner, stage: Stage) -> dg.AssetsDefinition:
    """The asset of one stage.

    All the partitions of a run are made by one step (a single-run backfill). Stages of the ``gpu`` pool work in a
    process of their own.
    """
    where, root = "apart" if stage.pool == "gpu" else "here", runner.root

    @dg.asset(
        name=stage.name,
        deps=[dependency(runner, stage, runner.graph[dep]) for dep in stage.deps],
        partitions_def=partitions_of(runner, stage),
        backfill_policy=None if stage.axis.name == "corpus" else dg.BackfillPolicy.single_run(),
        automation_condition=dg.AutomationCondition.eager(),
        group_name=stage.group,
        kinds=KINDS.get(stage.pool or "", {"python"}),
        pool=stage.pool,
        code_version=stage.version,
        description=stage.doc,
        required_resource_keys={where},
    )
    def asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        workshop: Workshop = getattr(context.resources, where)
        return _materialize(context, stage, root, workshop)

    return asset


def units_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, axis: str) -> list[str]:
    """The unit keys of a run.

    Raises:
        dg.Failure: an empty range of partitions, which Dagster would count as success.
    """
    if axis == "corpus":
        return ["all"]
    units = list(context.op_execution_context.partition_keys)
    if not units:
        raise dg.Failure("no partition selected: is the range in the order of the partitions?")
    return units


def _materialize(
    context: dg.AssetExecutionContext, stage: Stage, root: Path, workshop: Workshop
) -> dg.MaterializeResult[None]:
    units = units_of(context, stage.axis.name)
    try:
        workshop.make(stage.name, units, context.log.info)
    except GimError as error:
        raise dg.Failure(error.problem, metadata={"remedy": error.remedy}) from error
    made = entries(root, stage.name, units)
    if stage.axis.name == "corpus":
        return dg.MaterializeResult(metadata=_shown(root, stage, made)["all"], data_version=_version(made))
    for unit, metadata in _shown(root, stage, made).items():
        context.add_asset_metadata(metadata, partition_key=unit)
    return dg.MaterializeResult(data_version=_version(made))


def _shown(root: Path, stage: Stage, made: Mapping[str, Entry]) -> dict[str, dict[str, Any]]:
    ledger = Ledger(root)
    return {unit: unit_metadata(ledger.folder(stage.name, unit), entry) for unit, entry in made.items()}


def _version(made: Mapping[str, Entry]) -> dg.DataVersion:
    """The content of the one unit, or a digest over those of a whole run: Dagster keeps one version per run."""
    contents = {unit: entry.content for unit, entry in made.items()}
    return dg.DataVersion(next(iter(contents.values())) if len(contents) == 1 else digest_of(contents))
