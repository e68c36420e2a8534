"""First use of fresh databases by several processes at once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).parents[2]
USE = """
import os, sys
from pathlib import Path
from orchestration.home import initialise
root = Path(sys.argv[1])
initialise(root)
os.environ["DAGSTER_HOME"] = str(root / ".dagster")
import dagster as dg
with dg.DagsterInstance.get() as instance:
    instance.add_dynamic_partitions("videos", [sys.argv[2]])
from gim_models.tracking import open_tracker
open_tracker(root).experiment("race")
"""


@pytest.mark.slow
def test_four_processes_may_start_together(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", USE, str(tmp_path)]
    processes = [
        subprocess.Popen([*command, f"v{i}"], env=environment, stderr=subprocess.PIPE, text=True) for i in range(4)
    ]
    told = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, told
    with sqlite3.connect(tmp_path / "mlruns" / "mlflow.db") as database:
        assert database.execute("select count(*) from experiments where name = 'race'").fetchone() == (1,)
        assert len(database.execute("select * from alembic_version").fetchall()) == 1
    again = subprocess.run([*command, "v9"], env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
