"""The endless stream of batches: batch ``n`` is a function of the seed and ``n`` alone, so any step can be resumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from gim_models.training.sample import Batch, collate
from gim_models.training.sources import Source

_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class BatchStream:
    """Batches drawn from weighted sources.

    Attributes:
        sources: where pairs come from.
        weights: how many come from each, relative to each other.
        batch: pairs per batch.
        seed: of everything drawn.
        start: number of the first batch.
        step: from one batch's number to the next; above 1 where several processes share the numbers.
    """

    sources: Sequence[Source]
    weights: Sequence[float]
    batch: int
    seed: int
    start: int = 0
    step: int = 1

    def __iter__(self) -> Iterator[Batch]:
        """Batches from ``start`` on."""
        for number in self.numbers():
            yield self.make(number)

    def numbers(self) -> Iterator[int]:
        """The numbers of the batches, from ``start`` on."""
        return count(self.start, self.step)

    def make(self, number: int) -> Batch:
        """Batch ``number``. Sources take turns in proportion, so that no batch is short of one by chance."""
        rng = np.random.default_rng([self.seed, number])
        turns = [_turn(self.weights, number * self.batch + slot) for slot in range(self.batch)]
        return collate([self.sources[turn].draw(rng) for turn in turns])


def _turn(weights: Sequence[float], n: int) -> int:
    """Whose turn the n-th pair is: multiples of the golden ratio fall evenly on shares of any size."""
    edges = np.cumsum(weights) / np.sum(weights)
    return int(np.searchsorted(edges, (n * _GOLDEN) % 1.0, side="right"))
