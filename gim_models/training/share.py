"""Which part of every batch a process computes, and when.

A batch of ``train.batch`` pairs may be computed in parts: one after the other (``train.accumulate``), in several
processes (``torchrun``), or both. Parts are numbered through, so that their pairs and their augmentation depend on the
number alone: two processes see what one process sees that computes twice as many parts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from gim_data.errors import GimError
from gim_models.training.config import TrainConfig
from gim_models.training.stream import BatchStream


@dataclass(frozen=True)
class Share:
    """One process among others.

    Attributes:
        rank: its number.
        world: how many there are.
        local: how many of them are on this machine.
        accumulate: parts that each computes per optimizer step, one after the other.
    """

    rank: int = 0
    world: int = 1
    local: int = 1
    accumulate: int = 1

    @property
    def parts(self) -> int:
        """Parts of a batch."""
        return self.world * self.accumulate

    def part(self, batch_idx: int) -> int:
        """Which part of its batch the ``batch_idx``-th thing computed here is."""
        return batch_idx % self.accumulate * self.world + self.rank

    def stream(self, whole: BatchStream, step: int) -> BatchStream:
        """This process's parts of the batches of ``whole``, from optimizer step ``step`` on.

        Raises:
            GimError: the batch does not divide into so many parts.
        """
        if whole.batch % self.parts:
            raise GimError(
                f"a batch of {whole.batch} pairs does not divide into {self.parts} equal parts",
                f"set train.batch to a multiple of {self.parts}: processes ({self.world}) x train.accumulate",
            )
        start = step * self.parts + self.rank
        return replace(whole, batch=whole.batch // self.parts, start=start, step=self.world)


WHOLE = Share()


def this_share(config: TrainConfig) -> Share:
    """The share of this process, from the variables that ``torchrun`` sets."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Share(accumulate=config.accumulate)
    rank, world, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    return Share(rank, world, local, config.accumulate)
