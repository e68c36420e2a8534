"""``gim init``, ``gim ui`` and ``gim dagster``: the databases and the browser views."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestration.commands.common import out, root_of
from orchestration.workspace import ROOT_VARIABLE, open_runner, video_keys

HOST = "127.0.0.1"
ui = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Open a browser view, on this machine only.")
dagster = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The bridge to Dagster.")
Port = Annotated[int, typer.Option(help="Port to listen on.")]


def init(context: typer.Context) -> None:
    """Create the databases of Dagster and MLflow.

    They go to .dagster and mlruns. Safe to call at any time, from several processes at once.
    """
    from orchestration.home import initialise

    root = root_of(context)
    initialise(root)
    out.print(f"databases ready in {root}", highlight=False, soft_wrap=True)


@ui.command("dagster")
def ui_dagster(context: typer.Context, port: Port = 3000) -> None:
    """The stage graph, every video's state, checks and figures. Stop with Ctrl-C.

    \b
    In the browser: Assets, then "View lineage"; "Materialize all" runs the whole loop.
    """  # noqa: D301
    root = root_of(context)
    _sync(root)
    out.print(f"Dagster: http://{HOST}:{port}", highlight=False)
    module = ["-m", "dagster", "dev", "-m", "orchestration.definitions", "-h", HOST, "-p", str(port)]
    _become(module, root, {})


@ui.command("mlflow")
def ui_mlflow(context: typer.Context, port: Port = 5000) -> None:
    """Training runs, curves and models, side by side. Stop with Ctrl-C."""
    from gim_models.tracking import open_tracker, tracking_uri

    root = root_of(context)
    artifacts = open_tracker(root).artifacts
    out.print(f"MLflow: http://{HOST}:{port}", highlight=False)
    where = ["--backend-store-uri", tracking_uri(root), "--default-artifact-root", str(artifacts)]
    _become(
        ["-m", "mlflow", "ui", *where, "--host", HOST, "--port", str(port)], root, {"MLFLOW_DISABLE_TELEMETRY": "true"}
    )


@dagster.command("sync")
def dagster_sync(context: typer.Context) -> None:
    """Bring Dagster's video partitions to what params.yaml lists ('gim ui dagster' does this too)."""
    added, deleted = _sync(root_of(context))
    out.print(f"added {len(added)}, removed {len(deleted)} video partition(s)", highlight=False)


def _sync(root: Path) -> tuple[list[str], list[str]]:
    keys = video_keys(open_runner(root))
    from orchestration.home import initialise_dagster

    os.environ["DAGSTER_HOME"] = str(initialise_dagster(root))
    import dagster as dg

    from orchestration.sensors import sync

    with dg.DagsterInstance.get() as instance:
        return sync(instance, keys)


def _become(arguments: list[str], root: Path, more: dict[str, str]) -> None:
    """Replace this process, so that signals reach the server itself."""
    os.chdir(root)
    sys.stdout.flush()
    environment = {**os.environ, ROOT_VARIABLE: str(root), **more}
    os.execve(sys.executable, [sys.executable, *arguments], environment)
