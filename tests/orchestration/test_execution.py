"""Running plans: order, only what is needed, and failures that hold up only what reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import GRAPH, calls, open_toy, write_workspace

from gim_data.errors import GimError
from gim_data.runner import Outcome
from gim_data.stage import Axis, Stage
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
