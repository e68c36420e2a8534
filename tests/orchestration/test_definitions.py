"""What Dagster loads: quickly, without torch, and with string selections that parse."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.graph import GRAPH

PROJECT_ROOT = Path(__file__).parents[2]
PROBE = """
import sys, time
began = time.process_time()
from orchestration.definitions import defs
import dagster as dg
graph = defs.resolve_asset_graph()
heavy = {"torch", "pytorch_lightning", "kornia", "mlflow"} & set(sys.modules)
print("heavy:", sorted(heavy))
print("seconds:", time.process_time() - began)
print("assets:", *sorted(key.to_user_string() for key in graph.get_all_asset_keys()))
print("selected:", *sorted(k.to_user_string() for k in dg.AssetSelection.from_string("+tracks").resolve(graph)))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE],
        capture_output=True,
        text=True,
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


def test_no_heavy_import(told: dict[str, str]) -> None:
    assert told["heavy"] == "[]"


def test_quick(told: dict[str, str]) -> None:
    assert float(told["seconds"]) < 6  # CPU seconds: the clock on the wall depends on the neighbours


def test_an_asset_per_stage_and_the_snapshot(told: dict[str, str]) -> None:
    assert set(told["assets"].split()) == {*GRAPH, "corpus_snapshot"}


def test_string_selections_parse(told: dict[str, str]) -> None:
    assert told["selected"].split() == ["frames", "matches", "tracks"]


@pytest.mark.slow
def test_definitions_validate() -> None:
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "orchestration.definitions"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    done = subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_arrows_between_packages_go_down_only() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
