"""The Dagster code location of a workspace: assets, checks, jobs, sensor and the snapshot for DVC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import dagster as dg

from gim_data.errors import GimError
from gim_data.files import digest_of
from gim_data.runner import Runner
from gim_data.stage import Progress
from orchestration.assets import build_assets
from orchestration.checks import build_checks
from orchestration.sensors import videos_sensor
from orchestration.snapshot import commit
from orchestration.workshop import Apart, Here


class Opener(Protocol):
    """Opens the workspace anew, with the parameters as they are now."""

    def __call__(self, progress: Progress | None = None) -> Runner:
        """A runner that reports to ``progress``."""
        ...


def build_definitions(opener: Opener) -> dg.Definitions:
    """Everything Dagster shows of a workspace.

    Raises:
        GimError: parameters that do not validate.
    """
    runner = opener()
    return dg.Definitions(
        assets=[*build_assets(runner), snapshot_asset(runner, opener)],
        asset_checks=build_checks(runner),
        jobs=build_jobs(runner),
        sensors=[videos_sensor(opener)],
        resources={"here": Here(opener), "apart": Apart(runner.root)},
        executor=dg.in_process_executor,
    )


def snapshot_asset(runner: Runner, opener: Opener) -> dg.AssetsDefinition:
    """``corpus_snapshot``: prunes what left the corpus and records the rest in ``dvc.lock``, after the last stages."""

    @dg.asset(
        name="corpus_snapshot",
        deps=[dg.AssetDep(name, partition_mapping=_all(runner, name)) for name in _last(runner)],
        group_name="dataset",
        kinds={"dvc"},
        description="Records the finished stages in dvc.lock, so that 'dvc repro' finds them done.",
    )
    def asset() -> dg.MaterializeResult[None]:
        try:
            recorded = commit(opener())
        except GimError as error:
            raise dg.Failure(error.problem, metadata={"remedy": error.remedy}) from error
        return dg.MaterializeResult(metadata=dict(recorded), data_version=dg.DataVersion(digest_of(recorded)))

    return asset


def build_jobs(runner: Runner) -> Sequence[dg.JobDefinition]:
    """A job per axis; assets of several axes are materialized together from the asset graph ("Materialize all")."""
    names: dict[str, list[str]] = {}
    for stage in runner.graph.values():
        names.setdefault(stage.axis.name, []).append(stage.name)
    return [
        dg.define_asset_job(f"per_{axis}", selection=dg.AssetSelection.assets(*stages))  # type: ignore[misc]
        for axis, stages in names.items()
        if axis != "corpus"
    ]


def _last(runner: Runner) -> list[str]:
    read = {dep for stage in runner.graph.values() for dep in stage.deps}
    return [name for name in runner.graph if name not in read]


def _all(runner: Runner, name: str) -> dg.PartitionMapping | None:
    return None if runner.graph[name].axis.name == "corpus" else dg.AllPartitionMapping()
