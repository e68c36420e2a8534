"""What training asks of an architecture, and where each architecture's answer is. One line per architecture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from gim_data.stage import load
from gim_data.types import Image
from gim_models.training.augment import Views
from gim_models.training.config import Student, TrainConfig
from gim_models.training.sample import Batch

FAMILIES = {
    "dkm": "gim_models.training.families.dense:dkm",
    "lightglue": "gim_models.training.families.sparse:lightglue",
    "loftr": "gim_models.training.families.semidense:loftr",
    "roma": "gim_models.training.families.dense:roma",
    "superglue": "gim_models.training.families.sparse:superglue",
}
"""Architecture -> ``"module:function"`` of ``() -> Family``; of the sparse ones, of ``(detector) -> Family`` too."""

Net = TypeVar("Net", bound=nn.Module)


class Loss(NamedTuple):
    """What one batch costs.

    Attributes:
        total: scalar, a mean over pairs, so that the parts of a batch average to the whole.
        terms: its parts, for people.
    """

    total: Tensor
    terms: dict[str, float]


class Family(Protocol[Net]):
    """One architecture as the training loop sees it; everything else (data, schedule, averages, resume) is shared."""

    def start(self, student: Student, seed: int) -> Net:
        """The network before any training.

        Raises:
            GimError: weights it starts from are not installed.
        """
        ...

    def to(self, device: torch.device) -> None:
        """Bring whatever stands frozen beside the network to its device."""
        ...

    def loss(self, network: Net, batch: Batch, views: Views, config: TrainConfig, generator: torch.Generator) -> Loss:
        """The loss of an augmented batch; a function of its arguments alone."""
        ...

    def validate(self, network: Net, batches: Sequence[Batch], config: TrainConfig) -> dict[str, float]:
        """Metrics over held-out batches."""
        ...

    def sheet(self, network: Net, batches: Sequence[Batch], config: TrainConfig) -> Image:
        """A picture of matches on some held-out pairs."""
        ...

    def describe(self, network: Net, config: TrainConfig) -> BaseModel:
        """What goes beside the weights as ``config.json``."""
        ...


def family_of(arch: str, detector: str = "") -> Family[Any]:
    """The family of an architecture; of a sparse one, over a detector of ``sparse.detectors``.

    Raises:
        GimError: something frozen that it stands on is not installed.
    """
    make = cast(Callable[..., Family[Any]], load(FAMILIES[arch]))
    return make(detector) if detector else make()
