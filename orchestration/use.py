"""Editing ``params.yaml`` from the command line, its comments kept."""

from __future__ import annotations

import glob
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gim_data.errors import GimError
from gim_data.files import atomic, from_home
from gim_data.params import PARAMS_FILE, check_shape, read_yaml
from orchestration.workspace import open_params

FILE_ENDINGS = (".txt", ".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpeg", ".mpg", ".m4v", ".mjpeg", ".json")


def edit_params(root: Path, profile: str | None, values: Mapping[tuple[str, str], Any]) -> None:
    """Set the profile and values in ``params.yaml``; the file is left alone if the result does not validate.

    A value goes where it counts: into the active profile's overlay if that sets the same key, else into the base.

    Args:
        root: the workspace.
        profile: name of the profile to activate, or None to leave it.
        values: (section, key) -> value.

    Raises:
        GimError: no file, not a mapping in YAML, or the result does not validate.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = root / PARAMS_FILE
    read_yaml(path)
    before = path.read_text(encoding="utf-8")
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    try:
        tree = yaml.load(before)
    except YAMLError as error:  # it is stricter: a key may not come twice
        raise GimError(f"{path} is not YAML: {error}", "fix the line it names") from None
    if profile is not None:
        tree["profile"] = profile
    check_shape(path, tree)
    for (section, key), value in values.items():
        _place(tree, section, key)[key] = value
    text = io.StringIO()
    yaml.dump(tree, text)
    _replace(path, text.getvalue())
    try:
        open_params(root)
    except GimError:
        _replace(path, before)
        raise


def from_root(texts: Sequence[str], root: Path, here: Path) -> list[str]:
    """Sources as typed in the folder ``here``, as they must read in ``params.yaml``.

    Relative paths become relative to the workspace; absolute ones, URLs, YouTube ids and ``synthetic:`` names stay.

    Raises:
        GimError: nothing at all, or something that looks like a path, but nothing is there.
    """
    return [_from_root(text, root, here) for text in texts]


def _from_root(text: str, root: Path, here: Path) -> str:
    if not text.strip():
        raise GimError("an empty name", "name a file, a folder or an address; '.' is the working directory")
    path = from_home(text)
    if glob.glob(str(here / path)):
        return str(path) if path.is_absolute() else Path(os.path.relpath(here / path, root)).as_posix()
    if "://" not in text and (text.startswith((".", "/", "~")) or text.lower().endswith(FILE_ENDINGS)):
        raise GimError(f"nothing at {text}", "check the path; relative paths start at the working directory")
    return text


def _place(tree: Any, section: str, key: str) -> Any:
    overlay = ((tree.get("profiles") or {}).get(tree.get("profile")) or {}).get(section) or {}
    if key in overlay:
        return overlay
    if not tree.get(section):
        tree[section] = {}
    return tree[section]


def _replace(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        temporary.chmod(path.stat().st_mode & 0o777)
