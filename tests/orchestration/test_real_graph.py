"""The project's own stages on tiny ray-traced videos: Dagster and the command line make the same things, once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import dagster as dg
import pytest
import yaml

from gim_data.runner import Runner
from orchestration.code_location import build_definitions
from orchestration.sensors import sync
from orchestration.workshop import Here
from orchestration.workspace import open_runner, video_keys

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning", "ignore::dagster.PreviewWarning"),
]
SIZE = "&seconds=5&fps=6&width=240&height=180"
PARAMS = {
    "corpus": {"videos": [f"synthetic:street?seed=1{SIZE}", f"synthetic:room?seed=2{SIZE}"]},
    "labels": {"teachers": ["rootsift"], "skips": [0.34], "keypoints": 512},
}
STAGES = ("videos", "shots", "frames", "matches", "tracks", "dataset")


def write(root: Path, **changes: object) -> None:
    root.mkdir(exist_ok=True)
    (root / "params.yaml").write_text(yaml.safe_dump({**PARAMS, **changes}))


def contents(root: Path) -> dict[str, str]:
    """Unit -> digest of its files, over the stages that need no training."""
    runner = open_runner(root)
    entries = {f"{s}/{u}": runner.ledger.read(s, u) for s in STAGES for u in runner.keys(runner.graph[s])}
    return {unit: entry.content for unit, entry in entries.items() if entry is not None}


def run(root: Path) -> dict[str, int]:
    """Run those stages; stage -> units made now."""
    runner: Runner = open_runner(root)
    reports = [runner.run(stage) for stage in STAGES]
    for report in reports:
        report.raise_failures()
    return {report.stage: report.count("made") for report in reports if report.count("made")}


def materialize(root: Path, stages: tuple[str, ...], **options: object) -> bool:
    """One Dagster run of some assets with their checks."""
    opener = partial(open_runner, root)
    definitions = build_definitions(opener)
    instance = dg.DagsterInstance.ephemeral()
    sync(instance, video_keys(opener()))
    here = Here(opener)
    return dg.materialize(
        [*(definitions.assets or ()), *(definitions.asset_checks or ())],  # type: ignore[list-item]
        selection=dg.AssetSelection.assets(*stages) | dg.AssetSelection.checks_for_assets(*stages),
        instance=instance,
        resources={"here": here, "apart": here},
        **options,  # type: ignore[arg-type]
    ).success


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose videos Dagster has labelled, one run for all the partitions."""
    root = tmp_path_factory.mktemp("real") / "workspace"
    write(root)
    first, last = video_keys(open_runner(root))
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    assert materialize(root, STAGES[:-1], tags=tags)
    assert materialize(root, ("dataset",))
    return root


def test_the_command_line_finds_what_dagster_made(made: Path) -> None:
    assert len(contents(made)) == 11
    assert run(made) == {}


def test_both_make_the_same_bytes(made: Path, tmp_path: Path) -> None:
    write(tmp_path / "workspace")
    assert run(tmp_path / "workspace") == {
        "videos": 2,
        "shots": 2,
        "frames": 2,
        "matches": 2,
        "tracks": 2,
        "dataset": 1,
    }
    assert contents(tmp_path / "workspace") == contents(made)


def test_a_label_parameter_redoes_labels_and_what_reads_them(made: Path) -> None:
    write(made, labels={**PARAMS["labels"], "keypoints": 400})
    assert set(run(made)) <= {"matches", "tracks", "dataset"}
    write(made)
    assert run(made)["matches"] == 2


def test_adding_and_removing_a_video_touches_no_other(made: Path) -> None:
    more = [*PARAMS["corpus"]["videos"], f"synthetic:objects?seed=3{SIZE}"]
    write(made, corpus={"videos": more})
    assert run(made) == {"videos": 1, "shots": 1, "frames": 1, "matches": 1, "tracks": 1, "dataset": 1}
    write(made)
    assert run(made) == {"dataset": 1}
    assert all(len(list((made / "data" / stage).iterdir())) == 2 for stage in STAGES[:-1])
