"""Students of every architecture, by what their ``config.json`` says. One line per architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gim_data.errors import GimError
from gim_data.files import read_json
from gim_data.stage import load
from gim_models.folder import CONFIG, Loader

LOADERS = {
    "dkm": "gim_models.dense.matcher:load_dkm",
    "lightglue": "gim_models.sparse.matcher:load_student",
    "loftr": "gim_models.semidense.matcher:load_loftr",
    "roma": "gim_models.dense.matcher:load_roma",
    "superglue": "gim_models.sparse.superglue:load_superglue",
}
"""Architecture -> ``"module:attribute"`` of the ``Loader`` of its folders."""

_REMEDY = "train the model again: gim run model"


def open_student(folder: Path, device: str = "cpu", *, name: str | None = None) -> Any:
    """The ``Matcher`` in a folder that training made, whatever its architecture.

    Args:
        folder: the unit's folder.
        device: where it runs.
        name: the matcher's name, or None for ``student:<folder name>``.

    Raises:
        GimError: a file is missing, damaged, of an unknown architecture or not finite.
    """
    return student_loader(folder)(folder, device, name=name or f"student:{folder.name}")


def student_loader(folder: Path) -> Loader[Any, Any, Any]:
    """What opens a student's folder.

    Raises:
        GimError: the folder does not say what it is.
    """
    path = folder / CONFIG
    try:
        described = read_json(path)
    except (OSError, ValueError) as error:
        raise GimError(f"{path} describes no student: {error}", _REMEDY) from error
    arch = described.get("arch") if isinstance(described, dict) else None
    if arch not in LOADERS:
        raise GimError(f"{path} is of the architecture {arch!r}, not of {sorted(LOADERS)}", _REMEDY)
    loader: Loader[Any, Any, Any] = load(LOADERS[arch])  # type: ignore[assignment]
    return loader
