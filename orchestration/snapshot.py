"""Telling DVC what is on disk, so that ``dvc repro`` finds the work that Dagster or ``gim run`` did."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from gim_data.errors import GimError
from gim_data.runner import Runner
from orchestration.status import SETTLED, workspace_status

LOCK = "dvc.lock"


def dvc_program() -> str:
    """The ``dvc`` beside this Python, else the one on PATH.

    Raises:
        GimError: there is none.
    """
    beside = Path(sys.executable).parent / "dvc"
    found = str(beside) if beside.exists() else shutil.which("dvc")
    if found is None:
        raise GimError("there is no 'dvc' beside this Python or on PATH", "run 'make setup', which installs it apart")
    return found


def complete_stages(runner: Runner) -> list[str]:
    """The stages whose every unit is made or skipped from the present inputs; what left the corpus is pruned."""
    for name in runner.graph:
        runner.prune(name)
    complete: list[str] = []
    for name, units in workspace_status(runner).items():
        if all(unit.state in SETTLED for unit in units) and set(runner.graph[name].deps) <= set(complete):
            complete.append(name)
    return complete


def commit(runner: Runner) -> dict[str, str]:
    """Record the complete stages in ``dvc.lock`` and DVC's cache, without running anything.

    Returns:
        stage -> md5 of its output folder.

    Raises:
        GimError: no dvc, or it fails.
    """
    stages = complete_stages(runner)
    if stages:
        command = [dvc_program(), "--wait-for-lock", "commit", "-f", *stages]
        done = subprocess.run(command, cwd=runner.root, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise GimError(f"dvc commit failed: {done.stderr.strip()}", "run 'gim doctor', then 'dvc status'")
    locked = yaml.safe_load((runner.root / LOCK).read_text())["stages"] if stages else {}
    return {name: locked[name]["outs"][0]["md5"] for name in stages}
