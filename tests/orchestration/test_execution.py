"""Running plans: order, only what is needed, and failures that hold up only what reads them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import GRAPH, calls, open_toy, write_workspace

from gim_data.errors import GimError
from gim_data.runner import Outcome
from gim_data.stage import Axis, Stage
from orchestration.cli import main
from orchestration.execution import execute, plan, plan_with_deps
from orchestration.graph import GRAPH as PROJECT
from orchestration.graph import collect, with_upstream


class Quiet:
    def started(self, stage: str, unit: str) -> None: ...

    def finished(self, stage: str, outcome: Outcome, seconds: float) -> None: ...


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_workspace(tmp_path, {"a": "alpha", "b": "beta"})


def test_plan_follows_the_graph_whatever_the_order_typed(root: Path) -> None:
    assert list(plan(open_toy(root), ["model", "videos"])) == ["videos", "model"]
    with pytest.raises(GimError, match="no stage 'nonsense'"):
        plan(open_toy(root), ["nonsense"])


def test_dependencies_of_one_unit_are_only_its_own(root: Path) -> None:
    assert plan_with_deps(open_toy(root), ["matches"], ["b"]) == {"videos": ["b"], "matches": ["b"]}
    assert plan_with_deps(open_toy(root), ["model"], ["m-000"]) == {"model": ["m-000"]}
    wanted = plan_with_deps(open_toy(root), ["model"], ["m-100"])
    assert wanted == {"videos": ["a", "b"], "matches": ["a", "b"], "dataset": ["all"], "model": ["m-100"]}


def test_a_failure_holds_up_only_what_reads_it(root: Path) -> None:
    (root / "src/b").write_text("crash")
    runner = open_toy(root)
    tally = execute(runner, plan(runner, list(GRAPH)), Quiet())
    assert calls(root) == ["matches a", "model m-000", "videos a", "videos b"]
    assert tally.waiting == [("matches", "b"), ("dataset", "all"), ("model", "m-100")]
    with pytest.raises(GimError, match=r"videos b: RuntimeError: out of luck\n3 unit"):
        tally.raise_failures()


@pytest.mark.slow
def test_what_a_unit_was_made_without_is_told_by_run_and_by_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Two sequences, one with a pose that is none: the benchmark is made of the other, and says so every time."""
    for name, turn in (("good", 1.0), ("bent", 5.0)):
        (tmp_path / "pairs" / name / "images").mkdir(parents=True)
        for image in "ab":
            cv2.imwrite(str(tmp_path / "pairs" / name / "images" / f"{image}.png"), np.zeros((48, 64, 3), np.uint8))
        K, T = [[60, 0, 32], [0, 60, 24], [0, 0, 1]], np.diag([turn, 1, 1, 1]).tolist()
        pair = {"image0": "a.png", "image1": "b.png", "K0": K, "K1": K, "T_0to1": T}
        (tmp_path / "pairs" / name / "pairs.json").write_text(json.dumps({"pairs": [pair]}))
    (tmp_path / "params.yaml").write_text("corpus: {videos: []}\nevaluate: {pairs: [pairs], workers: 1}\n")
    for words in (["run", "bench"], ["run", "bench"], ["status"]):
        with pytest.raises(SystemExit) as caught:
            main(["--root", str(tmp_path), *words])
        told = "".join(capsys.readouterr())
        assert not caught.value.code
        assert "refused" in told
        assert "bench all left out bent: " in told
        assert "pairs.json, line 1, pair 0, T_0to1: the 3x3 part is not a rotation" in told


def test_the_project_graph_is_in_order() -> None:
    seen: set[str] = set()
    for name, stage in PROJECT.items():
        assert set(stage.deps) <= seen, name
        seen.add(name)
    assert with_upstream(PROJECT, ["matches"]) == ["videos", "shots", "frames", "matches"]


def test_the_project_graph_is_the_documented_one() -> None:
    edges = {name: stage.deps for name, stage in PROJECT.items()}
    assert edges["tracks"] == ("frames", "matches")
    assert set(edges["model"]) == {"worlds", "base_model", "dataset", "frames", "tracks"}
    assert {stage.axis.name for stage in PROJECT.values()} == {
        "video",
        "world",
        "corpus",
        "student",
        "model",
        "matcher",
        "contender",
    }


def _stage(name: str, deps: tuple[str, ...] = ()) -> Stage:
    return Stage(name, "g", "m:f", Axis("corpus", "gim_data.stages:one_unit"), "", deps=deps)


@given(st.permutations(range(6)), st.data())
def test_any_order_of_rows_gives_a_valid_graph(order: list[int], data: st.DataObject) -> None:
    rows = {n: _stage(f"s{n}", tuple(f"s{d}" for d in range(n) if data.draw(st.booleans()))) for n in range(6)}
    graph = collect([rows[n] for n in order])
    names = list(graph)
    assert all(names.index(dep) < names.index(name) for name, stage in graph.items() for dep in stage.deps)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([_stage("a"), _stage("a")], "share a name"),
        ([_stage("a", ("b",))], r"no stage makes \['b'\]"),
        ([_stage("a", ("b",)), _stage("b", ("a",))], "cycle"),
    ],
)
def test_a_broken_registry_is_refused(rows: list[Stage], problem: str) -> None:
    with pytest.raises(GimError, match=problem):
        collect(rows)
