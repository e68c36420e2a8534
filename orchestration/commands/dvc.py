"""``gim dvc``: keep ``dvc.yaml`` as the registry says."""

from __future__ import annotations

from typing import Annotated

import typer

from gim_data.errors import GimError
from orchestration.commands.common import out, root_of

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The bridge to DVC.")
Check = Annotated[bool, typer.Option("--check", help="Write nothing; fail if the file differs.")]


@app.command()
def render(context: typer.Context, check: Check = False) -> None:
    """Write dvc.yaml from the stage registry.

    \b
    Examples:
      gim dvc render             after a change in stages.py
      gim dvc render --check     in CI
    """  # noqa: D301
    from orchestration import dvc_yaml

    root = root_of(context)
    if dvc_yaml.in_sync(root):
        out.print(f"{dvc_yaml.FILE} is as the stage registry says")
    elif check:
        raise GimError(f"{dvc_yaml.FILE} is not what the stage registry says", "run 'gim dvc render' and commit it")
    else:
        (root / dvc_yaml.FILE).write_text(dvc_yaml.render())
        out.print(f"wrote {dvc_yaml.FILE}")


@app.command("commit")
def record(context: typer.Context) -> None:
    """Record in dvc.lock what is made, without running anything.

    After 'gim run' or Dagster, or after a change of code that changes no result: 'dvc repro' then finds it all done.
    """
    from orchestration.snapshot import commit
    from orchestration.workspace import open_runner

    recorded = commit(open_runner(root_of(context)))
    out.print(f"recorded {', '.join(recorded) or 'nothing: no stage is complete'}", highlight=False, soft_wrap=True)
