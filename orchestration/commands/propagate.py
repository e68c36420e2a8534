"""``gim propagate``: wide-baseline pairs from labels that GIM made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from gim_data.errors import BadInput, GimError
from gim_data.params import read_params
from gim_data.stage import load
from orchestration.commands.common import err, out, root_of
from orchestration.graph import SECTIONS
from orchestration.progress import reporting

if TYPE_CHECKING:
    from gim_data.propagation.config import PropagationConfig
    from gim_data.propagation.gim_sets import GimSet

FromGim = Annotated[
    Path, typer.Option("--from-gim", help="GIM's data/ZeroMatch folder, or the one with its 'WALK ...' folders.")
]
Out = Annotated[Path, typer.Option("--out", help="Where the label folders go, one a video.")]
Videos = Annotated[list[str] | None, typer.Option("--video", help="Only this video (repeatable).")]
Link = Annotated[str | None, typer.Option(help="How matches join: radius (default) or cell, GIM's rule.")]


def propagate(context: typer.Context, from_gim: FromGim, out_dir: Out, video: Videos = None, link: Link = None) -> None:
    """Propagate the label sets that GIM's own preprocessor left.

    Any number of its 24 sets will do. Rules come from the section 'propagation' of the workspace, if there is one.

    \b
    Example:
      gim propagate --from-gim data/ZeroMatch --out labels
      gim labels export-gim labels data/ZeroMatch/propagate/mine
    """  # noqa: D301
    from gim_data.propagation.from_gim import propagate_gim
    from gim_data.propagation.gim_sets import find_sets

    config = _config(context, link)
    videos = _chosen(find_sets(from_gim), video or [])
    failed = []
    with reporting(out) as progress:
        for name, sets in videos.items():
            progress.label = name
            try:
                summary = propagate_gim(from_gim, sets, out_dir / name, config, progress)
            except BadInput as skip:
                out.print(f"[yellow]skipped[/yellow] {escape(name)}: {escape(skip.problem)}", soft_wrap=True)
            except GimError as error:
                err.print(f"[red]failed[/red] {escape(name)}: {escape(str(error))}", highlight=False, soft_wrap=True)
                failed.append(name)
            else:
                told = f"{summary['pairs']} pairs, {summary['correspondences']} correspondences, {len(sets)} label sets"
                out.print(f"[green]made[/green]    {escape(name)}: {told}", highlight=False, soft_wrap=True)
    if failed:
        raise GimError(f"{len(failed)} of {len(videos)} videos failed: {', '.join(failed)}", "the lines above say how")


def _config(context: typer.Context, link: str | None) -> PropagationConfig:
    """The workspace's section, or the defaults outside of any workspace."""
    model: Any = load(SECTIONS["propagation"])
    try:
        root = root_of(context)
    except GimError:
        values = {}
    else:
        values = read_params(root, SECTIONS)["propagation"].model_dump()
    if link not in (None, "radius", "cell"):
        raise GimError(f"there is no link {link!r}", "use radius or cell")
    config: PropagationConfig = model.model_validate(values | ({"link": link} if link else {}))
    return config


def _chosen(found: dict[str, list[GimSet]], names: list[str]) -> dict[str, list[GimSet]]:
    unknown = sorted(set(names) - set(found))
    if unknown:
        raise GimError(f"no label set is about {', '.join(unknown)}", f"the videos are: {', '.join(found)}")
    return {name: found[name] for name in names} if names else found
