"""Baselines by name: what each is called on disk, where its folder is, and what its result depends on.

A unit's key is a folder name, a Dagster partition and part of an MLflow metric; a matcher's name may hold a path. So
``loftr:weights/gim_loftr_50h`` has the key ``loftr.gim_loftr_50h``, and ``vismatch:roma`` the key ``vismatch.roma``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gim_data.errors import GimError
from gim_data.files import fingerprint, from_home
from gim_data.stage import Params

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+.-]*")
_STRANGE = re.compile(r"[^A-Za-z0-9_+.-]+")
_LONGEST = 100  # characters; a file's name may have 255 bytes, and endings are added to it
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # devices in Windows


def baseline_key(name: str) -> str:
    """The key of a baseline: its name, or ``<prefix>.<last part of the path>`` where it has a path.

    Args:
        name: as ``gim_models.registry.open_matcher`` takes it.

    Returns:
        A name that is safe as a file on any system: letters, digits and ``_ + . -``, not hidden.

    Raises:
        ValueError: the name has no such key.
    """
    prefix, colon, rest = name.partition(":")
    last = re.split(r"[/\\]+", rest.rstrip("/\\"))[-1]
    if colon and not last.strip("."):
        raise ValueError(f"{name!r} ends in no name; give the path of a matcher's folder behind {prefix}:")
    key = f"{prefix}.{_STRANGE.sub('_', last)}" if colon else name
    if not _PLAIN.fullmatch(key) or _RESERVED.fullmatch(key) or key.endswith(".") or len(key) > _LONGEST:
        raise ValueError(f"{name!r} cannot name a folder, so it cannot name a baseline")
    return key


def distinct_keys(names: Sequence[str]) -> dict[str, str]:
    """Key -> name of every baseline.

    Raises:
        ValueError: a name without a key, or two with one key (also where a file system knows no case).
    """
    keys: dict[str, str] = {}
    for name in names:
        key = baseline_key(name)
        twin = next((other for other in keys if other.casefold() == key.casefold()), None)
        if twin is not None:
            raise ValueError(f"the baselines {keys[twin]!r} and {name!r} are both {key}; rename one of the folders")
        keys[key] = name
    return keys


def located(name: str, root: Path) -> str:
    """The name with its path, if it has one, made absolute: relative paths start at the workspace."""
    from gim_models.registry import FOLDER_FACTORIES

    prefix, _, folder = name.partition(":")
    return f"{prefix}:{root / from_home(folder)}" if folder and prefix in FOLDER_FACTORIES else name


def outside(unit: str, params: Params, root: Path) -> Any:
    """What a matcher's predictions depend on besides the graph: the weights in its folder, or its package's version.

    None for models of the graph and for matchers without either, so that their digests stay as they are.

    Raises:
        GimError: the folder of a baseline is not there.
    """
    name = distinct_keys(params["evaluate"].baselines).get(unit)
    if name is None or ":" not in name:
        return None
    if name.startswith("vismatch:"):
        from gim_models.teachers.vismatch import installed_version

        return {"matcher": name, "vismatch": installed_version()}
    prefix, _, path = located(name, root).partition(":")
    folder = Path(path)
    if not folder.is_dir():
        raise GimError(
            f"evaluate.baselines: {name}: {folder} is not a folder", "give the folder of a matcher's weights"
        )
    return {"matcher": prefix, "files": [[p.name, fingerprint(p)] for p in sorted(folder.iterdir()) if p.is_file()]}
