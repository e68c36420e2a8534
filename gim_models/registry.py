"""Matchers by name. Nothing is imported before it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, cast

from gim_data.errors import GimError
from gim_data.stage import load
from gim_data.types import Matcher

if TYPE_CHECKING:
    from gim_data.labels.temporal import TemporalMatcher

FACTORIES = {
    "aliked+lightglue": "gim_models.teachers.lightglue:aliked_lightglue",
    "disk+lightglue": "gim_models.teachers.lightglue:disk_lightglue",
    "rootsift": "gim_models.teachers.rootsift:rootsift",
    "rootsift-zeb": "gim_models.teachers.rootsift:rootsift_zeb",
    "xfeat+lighterglue": "gim_models.sparse.matcher:published_lighterglue",
}
"""Name -> ``"module:function"`` of ``(device) -> Matcher``."""

FOLDER_FACTORIES = {
    "dkm": "gim_models.dense.matcher:load_dkm",
    "loftr": "gim_models.semidense.matcher:load_loftr",
    "roma": "gim_models.dense.matcher:load_roma",
    "student": "gim_models.students:open_student",
    "superglue": "gim_models.sparse.superglue:load_superglue",
    "superpoint+lightglue": "gim_models.sparse.official:load_superpoint_lightglue",
}
"""Prefix -> ``"module:function"`` of ``(folder, device) -> Matcher``, for names like ``student:data/model/x``."""

MODEL_FACTORIES = {"vismatch": "gim_models.teachers.vismatch:open_vismatch"}
"""Prefix -> ``"module:function"`` of ``(model, device) -> Matcher``, for names like ``vismatch:roma``."""


TEMPORAL_FACTORIES = {"klt": "gim_models.teachers.klt:klt"}
"""Name -> ``"module:function"`` of ``(device) -> TemporalMatcher``: they label videos and match no two pictures."""


def open_teacher(name: str, *, device: str = "cpu") -> Matcher | TemporalMatcher:
    """Whoever labels under that name: a matcher, or one that follows points through every picture of a video.

    Args:
        name: one of ``TEMPORAL_FACTORIES``, or as in ``open_matcher``.
        device: as in ``open_matcher``.

    Raises:
        GimError: as in ``open_matcher``.
    """
    if name in TEMPORAL_FACTORIES:
        return cast("Callable[[str], TemporalMatcher]", load(TEMPORAL_FACTORIES[name]))(usable_device(device))
    return open_matcher(name, device=device)


def open_matcher(name: str, *, device: str = "cpu") -> Matcher:
    """The matcher of that name, ready to match.

    Args:
        name: one of ``FACTORIES``, ``<prefix>:<folder>`` with a prefix of ``FOLDER_FACTORIES``, or ``<prefix>:<model>``
            with one of ``MODEL_FACTORIES``.
        device: torch device of learned matchers, or ``auto``.

    Raises:
        GimError: no matcher has this name, its weights are not there, or the device is not.
    """
    check_matcher(name)
    prefix, _, folder = name.partition(":")
    device = usable_device(device)
    if name in FACTORIES:
        return cast(Callable[[str], Matcher], load(FACTORIES[name]))(device)
    if prefix in FOLDER_FACTORIES:
        from pathlib import Path

        return cast(Callable[[Path, str], Matcher], load(FOLDER_FACTORIES[prefix]))(Path(folder), device)
    return cast(Callable[[str, str], Matcher], load(MODEL_FACTORIES[prefix]))(folder, device)


def check_matcher(name: str) -> None:
    """Refuse a name that ``open_matcher`` does not know; nothing is imported or opened.

    Raises:
        GimError: no matcher has this name; close ones are listed.
    """
    prefix, _, rest = name.partition(":")
    if name in FACTORIES or (rest and (prefix in FOLDER_FACTORIES or prefix in MODEL_FACTORIES)):
        return
    if name in TEMPORAL_FACTORIES:
        raise GimError(
            f"{name} follows points through a video and cannot match two images",
            f"name it in labels.teachers; here use one of {matcher_names()}",
        )
    raise GimError(
        f"there is no matcher {name!r}{_did_you_mean(name)}",
        f"use one of {matcher_names()}, or in labels.teachers also {sorted(TEMPORAL_FACTORIES)}",
    )


def check_teacher(name: str) -> None:
    """Refuse a name that ``open_teacher`` does not know; nothing is imported or opened.

    Raises:
        GimError: as in ``check_matcher``.
    """
    if name not in TEMPORAL_FACTORIES:
        check_matcher(name)


def _did_you_mean(name: str) -> str:
    prefix, colon, rest = name.partition(":")
    prefixes = [*FOLDER_FACTORIES, *MODEL_FACTORIES]
    if colon:
        close = [f"{found}:{rest}" for found in get_close_matches(prefix, prefixes)]
    else:
        close = get_close_matches(name, [*FACTORIES, *TEMPORAL_FACTORIES])
    return f"; did you mean {' or '.join(close)}?" if close else ""


def usable_device(wish: str) -> str:
    """The torch device of that name; ``auto`` is cuda where there is one, else cpu.

    Raises:
        GimError: torch knows no such device, or this machine has none.
    """
    if wish == "cpu":
        return wish
    import torch

    found = torch.cuda.is_available()
    if wish == "auto":
        return "cuda" if found else "cpu"
    try:
        kind = torch.device(wish).type
    except RuntimeError:
        raise GimError(f"{wish!r} is no torch device", "use auto, cpu, cuda, cuda:1 or mps") from None
    if kind == "cuda" and not found:
        raise GimError(
            "there is no CUDA device that this build of torch can use",
            "use the device cpu, or install a CUDA build of torch (see GPU in README.md)",
        )
    return wish


def matcher_names() -> list[str]:
    """Every name ``open_matcher`` knows; ``<folder>`` stands for a path, ``<model>`` for a name in that package."""
    folders = [f"{prefix}:<folder>" for prefix in sorted(FOLDER_FACTORIES)]
    return [*sorted(FACTORIES), *folders, *(f"{prefix}:<model>" for prefix in sorted(MODEL_FACTORIES))]
