"""Scoring many pairs over processes, bit for bit what one process finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gim_data.types import TwoViewPair
from gim_models.evaluation.parallel import in_order
from gim_models.evaluation.prediction_store import Prediction
from gim_models.evaluation.protocol import PROTOCOLS, PairScore, score_pair

_CHUNK = 16
_WORTH_A_PROCESS = 64  # pairs below which starting processes costs more than it saves


@dataclass(frozen=True)
class Task:
    """One pair to score: the protocol's name, the truth, the matches, the run's seed."""

    protocol: str
    pair: TwoViewPair
    prediction: Prediction
    seed: int


def score_task(task: Task) -> PairScore:
    """Score one pair; a function of the task alone, so that any process gives the same bits."""
    points = (task.prediction.keypoints0.astype(np.float64), task.prediction.keypoints1.astype(np.float64))
    return score_pair(PROTOCOLS[task.protocol], task.pair, points, task.seed)


def score_tasks(tasks: Sequence[Task], *, workers: int) -> Iterator[PairScore]:
    """Score pairs, in order.

    Args:
        tasks: what to score.
        workers: processes; 0 for one per core, 1 for this process.
    """
    yield from in_order(score_task, tasks, workers=workers, chunk=_CHUNK, worth=_WORTH_A_PROCESS)


def pair_up(protocol: str, pairs: Sequence[TwoViewPair], predictions: Iterable[Prediction], seed: int) -> list[Task]:
    """Tasks from pairs and their predictions.

    Raises:
        ValueError: the predictions are not of these pairs in this order.
    """
    tasks = [Task(protocol, pair, found, seed) for pair, found in zip(pairs, predictions, strict=True)]
    for task in tasks:
        if task.pair.identifier != task.prediction.identifier:
            raise ValueError(f"prediction of {task.prediction.identifier} where {task.pair.identifier} was expected")
    return tasks
