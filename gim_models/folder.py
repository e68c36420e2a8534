"""A matcher's folder: ``weights.safetensors`` beside the ``config.json`` that says what network they fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gim_data.errors import GimError
from gim_data.files import atomic, read_json, write_json
from gim_models.sparse.weights import load_strictly

WEIGHTS = "weights.safetensors"
CONFIG = "config.json"
_REMEDY = "make the folder again: gim weights import FILE.ckpt"

Config = TypeVar("Config", bound=BaseModel)
Network = TypeVar("Network", bound=nn.Module)
Opened = TypeVar("Opened")


class Loader(Generic[Config, Network, Opened]):
    """Opens the folders of one architecture: ``loader(folder, device, name=...)`` is the matcher in it.

    Args:
        prefix: of the matcher's name where none is given: ``<prefix>:<folder name>``.
        config: what ``config.json`` must hold.
        build: the empty network that a configuration describes.
        wrap: makes a matcher of it: ``(name, network, config, *, device)``.
        kind, remedy: for messages, as in ``open_folder``.
    """

    def __init__(
        self,
        prefix: str,
        config: type[Config],
        build: Callable[[Config], Network],
        wrap: Callable[..., Opened],
        *,
        kind: str = "matcher of this kind",
        remedy: str = _REMEDY,
    ) -> None:
        self.prefix, self.config, self.build, self.wrap = prefix, config, build, wrap
        self.kind, self.remedy = kind, remedy

    def __call__(self, folder: Path, device: str = "cpu", *, name: str | None = None) -> Opened:
        """The matcher of a folder.

        Args:
            folder: with ``weights.safetensors`` and ``config.json``.
            device: where it runs.
            name: the matcher's name, or None for ``<prefix>:<folder name>``.

        Raises:
            GimError: a file is missing, damaged, of another architecture or not finite.
        """
        config, network = self.network(folder)
        return self.wrap(name or f"{self.prefix}:{folder.name}", network, config, device=device)

    def network(self, folder: Path) -> tuple[Config, Network]:
        """The configuration and the network of a folder, as for the call."""
        config, state, path = open_folder(folder, self.config, kind=self.kind, remedy=self.remedy)
        network = self.build(config)
        load_strictly(network, state, path)
        return config, network


def open_folder(
    folder: Path, model: type[Config], *, kind: str = "matcher of this kind", remedy: str = _REMEDY
) -> tuple[Config, dict[str, Tensor], Path]:
    """The configuration, the weights, and the file of the weights (for messages).

    Args:
        folder: to read.
        model: what ``config.json`` must hold.
        kind, remedy: for messages: what it should describe, and how such a folder is made again.

    Raises:
        GimError: a file is missing, damaged or describes another architecture.
    """
    path = folder / CONFIG
    try:
        config = model.model_validate(read_json(path))
    except (OSError, ValueError, ValidationError) as error:
        raise GimError(f"{path} describes no {kind}: {error}", remedy) from error
    return config, read_safetensors(folder / WEIGHTS, remedy=remedy), folder / WEIGHTS


def read_safetensors(path: Path, *, remedy: str = _REMEDY) -> dict[str, Tensor]:
    """Tensors by name.

    Raises:
        GimError: the file is missing or damaged.
    """
    try:
        state: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise GimError(f"{path} cannot be read: {error}", remedy) from error
    return state


def write_folder(folder: Path, config: BaseModel, state: Mapping[str, Tensor]) -> None:
    """Write both files, each whole or not at all; the configuration last, so that a folder with one is complete."""
    write_safetensors(folder / WEIGHTS, state)
    write_json(folder / CONFIG, config.model_dump(mode="json"))


def write_safetensors(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write tensors by name, whole or not at all."""
    with atomic(path) as temporary:
        save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, temporary)
