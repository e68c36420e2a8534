"""First use of the two databases, one process at a time: two that first touch a fresh one together ruin it for good."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock

DAGSTER_FOLDER = ".dagster"
INSTANCE = """\
# Made by 'gim init'. For many workers, point 'storage' at PostgreSQL (docs.dagster.io, "dagster.yaml").
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 2
  pools:
    granularity: run
    default_limit: 2
"""
POOLS = {"gpu": 1, "net": 2}  # how many runs of a pool at once


def initialise(root: Path) -> None:
    """Create Dagster's home and MLflow's database where they are missing; safe to call from many processes at once.

    Args:
        root: the workspace; Dagster goes to ``.dagster``, MLflow to ``mlruns``.
    """
    initialise_dagster(root)
    from gim_models.tracking import open_tracker

    open_tracker(root)


def initialise_dagster(root: Path) -> Path:
    """Create the Dagster home of a workspace, databases migrated and pool limits set.

    Returns:
        The home, for ``DAGSTER_HOME``.
    """
    home = root / DAGSTER_FOLDER
    home.mkdir(exist_ok=True)
    done = home / "initialised"
    with FileLock(home / "init.lock"):
        if not done.exists():
            (home / "dagster.yaml").write_text(INSTANCE)
            _touch_databases(home)
            done.touch()
    return home


def _touch_databases(home: Path) -> None:
    import dagster as dg

    os.environ["DAGSTER_HOME"] = str(home)
    with dg.DagsterInstance.get() as instance:
        instance.get_runs_count()
        instance.get_dynamic_partitions("videos")
        instance.all_instigator_state()
        for pool, slots in POOLS.items():
            instance.event_log_storage.set_concurrency_slots(pool, slots)
