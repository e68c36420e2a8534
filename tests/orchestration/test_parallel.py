"""Units in several processes: the same work, the same outcomes, and a failure that holds up only what reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from toy import GRAPH, calls, open_toy, write_workspace

from gim_data.errors import GimError
from gim_data.runner import Outcome
from orchestration.execution import execute, plan
from orchestration.parallel import Processes

TWO = Processes(2, opener="toy:open_toy")


class Heard:
    """Remembers what it was told of."""

    def __init__(self) -> None:
        self.units: list[tuple[str, str, str]] = []

    def started(self, stage: str, unit: str) -> None: ...

    def finished(self, stage: str, outcome: Outcome, seconds: float) -> None:
        self.units.append((stage, outcome.unit, outcome.status))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_workspace(tmp_path, {"a": "alpha", "b": "beta", "c": "gamma"})


def test_several_processes_make_what_one_makes(root: Path, tmp_path: Path) -> None:
    other = write_workspace(tmp_path / "other", {"a": "alpha", "b": "beta", "c": "gamma"})
    heard = Heard()
    execute(open_toy(root), plan(open_toy(root), list(GRAPH)), heard, TWO)
    execute(open_toy(other), plan(open_toy(other), list(GRAPH)), Heard())
    here, there = open_toy(root).ledger, open_toy(other).ledger
    for name in GRAPH:
        for unit in there.units(name):
            assert here.read(name, unit) == there.read(name, unit)
    assert sorted(heard.units) == sorted((name, unit, "made") for name in GRAPH for unit in there.units(name))
    assert calls(root) == calls(other)


def test_what_is_made_is_found_by_all_of_them(root: Path) -> None:
    runner, heard = open_toy(root), Heard()
    execute(runner, plan(runner, ["videos"]), Heard(), TWO)
    assert calls(root) == ["videos a", "videos b", "videos c"]
    execute(runner, plan(runner, ["videos"]), heard, TWO)
    assert calls(root) == []
    assert {status for *_, status in heard.units} == {"found"}


def test_a_failure_in_one_process_holds_up_only_what_reads_it(root: Path) -> None:
    (root / "src/b").write_text("crash")
    runner = open_toy(root)
    tally = execute(runner, plan(runner, list(GRAPH)), Heard(), TWO)
    assert tally.waiting == [("matches", "b"), ("dataset", "all"), ("model", "m-100")]
    with pytest.raises(GimError, match=r"videos b: RuntimeError: out of luck"):
        tally.raise_failures()
    assert runner.ledger.units("matches") == ["a", "c"]


def test_a_process_that_dies_is_an_error_with_a_remedy_and_loses_nothing(root: Path) -> None:
    (root / "src/c").write_text("die")
    runner = open_toy(root)
    with pytest.raises(GimError, match="a process that made units of videos died") as caught:
        execute(runner, plan(runner, list(GRAPH)), Heard(), TWO)
    assert "fewer --jobs" in caught.value.remedy
    (root / "src/c").write_text("gamma")
    execute(runner, plan(runner, ["videos"]), Heard(), TWO)
    assert runner.ledger.units("videos") == ["a", "b", "c"]


def test_downloads_take_turns(root: Path) -> None:
    """Several processes would ask the same server at once; and one GPU is no two."""
    runner = open_toy(root)
    runner.graph = {**GRAPH, "videos": replace(GRAPH["videos"], pool="net")}
    nowhere = Processes(2, opener="toy:no_such_function")
    outcomes = list(nowhere(runner, "videos", ["a", "b", "c"], Heard()))
    assert [outcome.unit for outcome in outcomes] == ["a", "b", "c"]
