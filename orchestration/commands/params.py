"""``gim params`` and ``gim use``: read about the parameters, and set the few that people set often."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.markup import escape
from rich.table import Table

from gim_data.errors import GimError
from gim_data.params import read_params
from gim_data.stage import load
from orchestration.commands.common import out, root_of
from orchestration.graph import SECTIONS
from orchestration.use import edit_params, from_root

Section = Annotated[str | None, typer.Argument(help=f"One of: {', '.join(SECTIONS)}.")]
Profile = Annotated[str | None, typer.Option(help="The profile to activate: demo, small or gim.")]
Videos = Annotated[list[str] | None, typer.Option(help="Video source (repeatable); replaces the present list.")]
Pairs = Annotated[list[str] | None, typer.Option(help="Folder of posed pairs to evaluate on (repeatable).")]


def params(context: typer.Context, section: Section = None) -> None:
    """List the parameters and what they mean.

    \b
    Examples:
      gim params                 every section
      gim params labels          one section
    """  # noqa: D301
    if section is not None and section not in SECTIONS:
        raise GimError(f"there is no section {section!r}", f"the sections are: {', '.join(SECTIONS)}")
    present = read_params(root_of(context), SECTIONS)
    for name in [section] if section else SECTIONS:
        model = load(SECTIONS[name])
        table = Table(title=name, title_justify="left", title_style="bold", box=None, header_style="dim")
        for column in ("parameter", "type", "value", "meaning"):
            table.add_column(column, overflow="fold")
        for row in _rows(model, present[name], ""):
            table.add_row(*map(escape, row))
        out.print(table)


def use(context: typer.Context, profile: Profile = None, videos: Videos = None, pairs: Pairs = None) -> None:
    """Choose profile, videos and pairs.

    Edits params.yaml and keeps its comments.

    A video source is a file, a folder, a quoted glob, a videos.txt, a folder of images, a URL, a YouTube id, or
    synthetic:NAME?seed=1&seconds=20. Relative paths are kept relative to the workspace.

    \b
    Examples:
      gim use --profile small
      gim use --videos ~/holiday --videos dQw4w9WgXcQ
      gim use --videos ../data/videos --pairs ../data/sequences --pairs ../data/multiview
      git checkout params.yaml       back to the built-in videos
    """  # noqa: D301
    if profile is None and not videos and not pairs:
        raise GimError("nothing to change", "give --profile, --videos or --pairs; 'gim use --help' has examples")
    root, here = root_of(context), Path.cwd()
    values: dict[tuple[str, str], Any] = {}
    if videos:
        values["corpus", "videos"] = from_root(videos, root, here)
    if pairs:
        values["evaluate", "pairs"] = from_root(pairs, root, here)
    edit_params(root, profile, values)
    for (section, key), value in values.items():
        out.print(f"{section}.{key} = {value}", highlight=False, markup=False)
    if profile:
        out.print(f"profile = {profile}", highlight=False)


def _rows(model: Any, value: Any, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        present = getattr(value, name)
        kind = _type_name(field.annotation)
        inner = next((t for t in (field.annotation, *get_args(field.annotation)) if hasattr(t, "model_fields")), None)
        if inner is not None and hasattr(present, "model_fields_set"):
            yield prefix + name, kind, "", field.description or ""
            yield from _rows(inner, present, f"{prefix}{name}.")
        else:
            yield prefix + name, kind, _shown(present), field.description or ""


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value)


def _type_name(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
    return text.replace("typing.", "").rpartition("gim_")[2] if "gim_" in text else text.replace("typing.", "")
