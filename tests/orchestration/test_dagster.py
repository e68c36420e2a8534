"""The same graph in Dagster: one partition per video, results found by the others, bad data held back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import dagster as dg
import pytest
from toy import GRAPH, calls, open_toy, run_all, write_params, write_workspace

from orchestration.assets import build_assets
from orchestration.checks import build_checks
from orchestration.code_location import build_definitions
from orchestration.sensors import sync, videos_sensor
from orchestration.soundness import Finding, Question
from orchestration.workshop import Here

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning", "ignore::dagster.PreviewWarning")
TEXTS = {"a": "alpha", "b": "beta"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_workspace(tmp_path, TEXTS)


def materialize(root: Path, stage: str, units: Sequence[str] | None = None, checks: Sequence[object] = ()) -> object:
    """One run of one asset over ``units`` in a new instance that knows the workspace's videos."""
    here = Here(partial(open_toy, root))
    instance = dg.DagsterInstance.ephemeral()
    sync(instance, open_toy(root).keys(GRAPH["videos"]))
    tags = {}
    if units is not None:
        tags = {"dagster/asset_partition_range_start": units[0], "dagster/asset_partition_range_end": units[-1]}
    return dg.materialize(
        [*build_assets(open_toy(root)), *checks],
        selection=dg.AssetSelection.assets(stage) | dg.AssetSelection.checks_for_assets(stage),
        instance=instance,
        tags=tags,
        resources={"here": here, "apart": here},
        raise_on_error=False,
    )


def materialize_all(root: Path) -> None:
    keys = open_toy(root).keys
    for name, stage in GRAPH.items():
        assert materialize(root, name, None if stage.axis.name == "corpus" else keys(stage)).success


def test_dagster_and_the_command_line_find_each_others_work(root: Path) -> None:
    materialize_all(root)
    assert len(calls(root)) == 7
    assert run_all(root) == []
    write_workspace(root, {**TEXTS, "c": "gamma"})
    run_all(root)
    materialize_all(root)
    assert calls(root) == []


def test_each_partition_has_its_own_numbers_and_one_version(root: Path) -> None:
    result = materialize(root, "videos", ["a", "b"])
    events = {e.partition: e for e in result.asset_materializations_for_node("videos")}
    assert {key: event.metadata["letters"].value for key, event in events.items()} == {"a": 5, "b": 4}
    single = materialize(root, "videos", ["a"]).asset_materializations_for_node("videos")[0]
    entry = open_toy(root).ledger.read("videos", "a")
    assert entry is not None
    assert single.tags["dagster/data_version"] == entry.content


def test_a_skipped_video_materializes_with_its_reason(root: Path) -> None:
    write_params(root, ["a", "nowhere"])
    result = materialize(root, "videos", ["a", "nowhere"])
    assert result.success
    shown = {e.partition: e.metadata for e in result.asset_materializations_for_node("videos")}
    assert "does not exist" in shown["nowhere"]["skipped"].value
    assert "skipped" not in shown["a"]


def test_a_failing_unit_fails_the_run_and_keeps_the_others(root: Path) -> None:
    (root / "src/b").write_text("crash")
    assert not materialize(root, "videos", ["a", "b"]).success
    assert open_toy(root).ledger.read("videos", "a") is not None


def test_an_empty_range_is_an_error_and_not_a_success(root: Path) -> None:
    assert not materialize(root, "model", ["m-100", "m-000"]).success


def test_a_blocking_check_holds_back_what_reads_the_unit(root: Path) -> None:
    bad = Question("videos", "never", lambda folder: Finding("poisoned", {"n": 1}), True, "Always bad.")
    here = Here(partial(open_toy, root))
    instance = dg.DagsterInstance.ephemeral()
    sync(instance, TEXTS)
    runner = open_toy(root)
    result = dg.materialize(
        [*build_assets(runner), *build_checks(runner, [bad])],
        selection=dg.AssetSelection.assets("videos", "matches") | dg.AssetSelection.checks_for_assets("videos"),
        instance=instance,
        partition_key="a",
        resources={"here": here, "apart": here},
        raise_on_error=False,
    )
    assert not result.success
    assert calls(root) == ["videos a"]


def test_partitions_follow_the_parameters(root: Path) -> None:
    instance = dg.DagsterInstance.ephemeral()
    assert sync(instance, ["a", "b"]) == (["a", "b"], [])
    assert sync(instance, ["b", "c"]) == (["c"], ["a"])
    write_params(root, ["c", "d"])
    sensor = videos_sensor(partial(open_toy, root))
    result = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
    requests = {type(r).__name__: list(r.partition_keys) for r in result.dynamic_partitions_requests or ()}
    assert requests == {"AddDynamicPartitionsRequest": ["d"], "DeleteDynamicPartitionsRequest": ["b"]}


def test_definitions_build_and_a_baseline_reads_no_model(root: Path) -> None:
    definitions = build_definitions(partial(open_toy, root))
    graph = definitions.resolve_asset_graph()
    names = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert names == {*GRAPH, "corpus_snapshot"}
    assert {job.name for job in definitions.jobs or ()} == {"per_video", "per_model"}
    assert graph.get(dg.AssetKey("model")).code_version == GRAPH["model"].version
