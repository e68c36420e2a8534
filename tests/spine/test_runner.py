"""What the ledger promises: work is done once, exactly when it must be, and never half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from toy import GRAPH, calls, open_toy, run_all, write_params, write_workspace

from gim_data.errors import GimError
from gim_data.runner import Runner

TEXTS = {"a": "alpha", "b": "beta", "c": "gamma"}
EVERYTHING = sorted(
    [f"{stage} {unit}" for stage in ("videos", "matches") for unit in TEXTS]
    + ["dataset all", "model m-000", "model m-100"]
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_workspace(tmp_path, TEXTS)


def test_second_run_does_nothing(root: Path) -> None:
    assert run_all(root) == EVERYTHING
    assert run_all(root) == []


def test_changed_parameter_redoes_exactly_its_dependents(root: Path) -> None:
    run_all(root)
    write_params(root, TEXTS, upper=True)
    assert run_all(root) == sorted([f"matches {unit}" for unit in TEXTS] + ["dataset all", "model m-100"])


def test_equal_bytes_stop_the_wave(root: Path) -> None:
    """Upper-casing digits changes nothing, so what reads the labels is left alone."""
    write_workspace(root, {"a": "123"})
    run_all(root)
    write_params(root, ["a"], upper=True)
    assert run_all(root) == ["matches a"]


def test_added_video_redoes_only_itself_and_the_corpus(root: Path) -> None:
    run_all(root)
    write_workspace(root, {**TEXTS, "d": "delta"})
    assert run_all(root) == ["dataset all", "matches d", "model m-100", "videos d"]


def test_removed_video_is_pruned_everywhere(root: Path) -> None:
    run_all(root)
    write_params(root, ["a", "c"])
    assert run_all(root) == ["dataset all", "model m-100"]
    assert [p.name for stage in ("videos", "matches") for p in sorted((root / "data" / stage).iterdir())] == list(
        "acac"
    )
    assert '"beta"' not in (root / "data/dataset/all/index.json").read_text()


def test_what_was_begun_of_a_removed_video_goes_too_unless_somebody_is_at_it(root: Path) -> None:
    """A failed or killed download leaves its part behind, which may be gigabytes."""
    (root / "src/b").write_text("crash")
    ledger = open_toy(root).ledger
    assert open_toy(root).run("videos").count("failed") == 1
    [scratch] = (root / "data/.work/videos/b").glob("*/scratch")
    (scratch / "http.mp4.part").write_bytes(bytes(1000))
    open_toy(root).run("videos")
    assert scratch.is_dir(), "still listed: the next attempt goes on from it"
    write_params(root, ["a", "c"])
    with ledger.lock("videos", "b"):
        assert open_toy(root).run("videos").count("pruned") == 0
    assert [o.unit for o in open_toy(root).run("videos").outcomes if o.status == "pruned"] == ["b"]
    assert not list((root / "data").rglob("*.part"))
    assert sorted(p.name for p in (root / "data/videos").iterdir()) == ["a", "c"]
    assert open_toy(root).run("videos").count("pruned") == 0


def test_changed_source_redoes_its_chain(root: Path) -> None:
    run_all(root)
    (root / "src/b").write_text("BETA")
    assert run_all(root) == ["dataset all", "matches b", "model m-100", "videos b"]


def test_skip_is_recorded_left_out_downstream_and_retried_when_its_input_changes(root: Path) -> None:
    write_params(root, ["a", "nowhere"])
    assert run_all(root) == ["dataset all", "matches a", "model m-000", "model m-100", "videos a", "videos nowhere"]
    entry = open_toy(root).ledger.read("matches", "nowhere")
    assert entry is not None
    assert entry.skipped is not None
    assert "nowhere does not exist" in entry.skipped
    assert run_all(root) == []
    (root / "src/nowhere").write_text("found")
    assert run_all(root) == ["dataset all", "matches nowhere", "model m-100", "videos nowhere"]


def test_failure_is_reported_and_tried_again(root: Path) -> None:
    (root / "src/b").write_text("crash")
    report = open_toy(root).run("videos")
    assert [o.status for o in report.outcomes] == ["made", "failed", "made"]
    with pytest.raises(GimError, match="videos b: RuntimeError: out of luck"):
        report.raise_failures()
    calls(root)
    (root / "src/b").write_text("fine")
    assert open_toy(root).run("videos").count("made") == 1
    assert calls(root) == ["videos b"]


def test_missing_input_names_the_remedy(root: Path) -> None:
    with pytest.raises(GimError, match="gim run videos"):
        open_toy(root).run("matches", ["a"]).raise_failures()


def test_unknown_stage_and_unit(root: Path) -> None:
    with pytest.raises(GimError, match="no stage 'nonsense'"):
        open_toy(root).run("nonsense")
    with pytest.raises(GimError, match="has no unit"):
        open_toy(root).run("videos", ["nonsense"])


def test_killed_unit_is_redone_and_the_others_are_not(root: Path) -> None:
    (root / "src/b").write_text("slow")
    command = [sys.executable, str(Path(__file__).parents[1] / "toy.py"), "videos"]
    process = subprocess.Popen(command, cwd=root, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})
    _wait_for(root / "hanging")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (root / "data/videos/b").exists()
    assert calls(root) == ["videos a", "videos b"]
    (root / "src/b").write_text("quick")
    assert open_toy(root).run("videos").count("made") == 2
    assert calls(root) == ["videos b", "videos c"]
    assert (root / "data/videos/b/text.txt").read_text() == "quick"


def test_scratch_survives_a_killed_attempt_at_the_same_digest(root: Path) -> None:
    ledger = open_toy(root).ledger
    _, scratch = ledger.begin("model", "m-100", "d" * 64)
    (scratch / "checkpoint").write_text("step 100")
    out, again = ledger.begin("model", "m-100", "d" * 64)
    assert (again / "checkpoint").read_text() == "step 100"
    assert list(out.iterdir()) == []
    _, other = ledger.begin("model", "m-100", "e" * 64)
    assert list(other.iterdir()) == []


def test_two_processes_make_each_unit_once(root: Path) -> None:
    command = [sys.executable, str(Path(__file__).parents[1] / "toy.py"), "videos"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    processes = [subprocess.Popen(command, cwd=root, env=environment) for _ in range(3)]
    assert [p.wait(60) for p in processes] == [0, 0, 0]
    assert calls(root) == ["videos a", "videos b", "videos c"]


def test_same_inputs_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        root = write_workspace(tmp_path / name, TEXTS)
        run_all(root)
        contents.append({p.relative_to(root): p.read_bytes() for p in (root / "data").rglob("*.*") if p.is_file()})
    records = [{k: v for k, v in c.items() if ".work" not in k.parts} for c in contents]
    assert records[0] == records[1]


def _wait_for(path: Path) -> None:
    for _ in range(300):
        if path.exists():
            return
        time.sleep(0.05)
    raise TimeoutError(path)


def reads_labels(unit: str, dep: str, dep_units: list[str], params: object) -> list[str]:
    return dep_units if dep == "matches" else []


def reads_everything(unit: str, dep: str, dep_units: list[str], params: object) -> list[str]:
    return dep_units


def test_an_optional_dependency_counts_only_where_it_is_read(root: Path) -> None:
    """A unit that does not read it keeps the digest that it had before the stage knew of it."""
    run_all(root)
    toy = open_toy(root)
    more = {"deps": ("matches", "videos"), "optional": ("videos",)}
    for upstream, current in (("reads_labels", True), ("reads_everything", False)):
        stage = replace(GRAPH["dataset"], upstream=f"{__name__}:{upstream}", **more)
        runner = Runner({**GRAPH, "dataset": stage}, toy.params, root)
        assert runner.is_current(stage, "all") == current
    strict = replace(GRAPH["dataset"], deps=("matches", "videos"), upstream=f"{__name__}:reads_labels")
    assert not Runner({**GRAPH, "dataset": strict}, toy.params, root).is_current(strict, "all")
