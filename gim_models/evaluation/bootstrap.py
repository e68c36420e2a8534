"""How sure a score is: percentile intervals over pairs, and paired tests between two matchers.

Scores are means over sequences of AUC, so pairs are resampled within their sequence and the sequences stay. Pairs that
share an image are not independent; the intervals say what other pairs from these scenes would give, not other scenes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gim_models.evaluation.auc import auc, gains

Errors = NDArray[np.float64]  # (P,) degrees
Interval = tuple[float, float]
_CELLS = 1 << 22  # resampled indices held at once: 32 MiB


@dataclass(frozen=True)
class Comparison:
    """A matcher against another one on the same pairs.

    Attributes:
        difference: mean over sequences of AUC(first) - AUC(second), in [-1, 1].
        interval: 95 % percentile interval of it, pairs resampled together.
        p_value: two-sided, from swapping the two matchers' errors pair by pair.
        pairs: how many pairs were compared.
    """

    difference: float
    interval: Interval
    p_value: float
    pairs: int


def resample(errors: Errors, threshold: float, rng: np.random.Generator, *, samples: int) -> Errors:
    """AUC of ``samples`` bootstrap samples, (samples,) in [0, 1]: what calling ``auc`` in a loop would give."""
    return _auc_rows(errors, threshold, _draws(len(errors), samples, rng))


def interval(values: NDArray[np.float64], *, level: float = 0.95) -> Interval:
    """The central percentile interval of bootstrap values."""
    tail = 50 * (1 - level)
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def resample_mean(
    sequences: Sequence[Errors], threshold: float, rng: np.random.Generator, *, samples: int
) -> NDArray[np.float64]:
    """Bootstrap values of the unweighted mean AUC over sequences, (samples,)."""
    means = np.mean([resample(errors, threshold, rng, samples=samples) for errors in sequences], axis=0)
    return np.asarray(means, dtype=np.float64)


def compare(
    first: Mapping[str, Errors],
    second: Mapping[str, Errors],
    threshold: float,
    rng: np.random.Generator,
    *,
    samples: int = 1000,
) -> Comparison:
    """Test whether two matchers differ in mean AUC over sequences, pair by pair.

    Args:
        first, second: sequence -> (P,) errors in degrees, in the same order of pairs.
        threshold: degrees.
        rng: for resampling and for swapping.
        samples: bootstrap samples, and random swaps.

    Raises:
        ValueError: the two do not hold the same sequences with the same numbers of pairs.
    """
    if {k: len(v) for k, v in first.items()} != {k: len(v) for k, v in second.items()}:
        raise ValueError("the two matchers were not scored on the same pairs")
    names = sorted(first)
    spread = np.mean([_difference_rows(first[n], second[n], threshold, rng, samples) for n in names], axis=0)
    swapped = np.mean([_swap_rows(first[n], second[n], threshold, rng, samples) for n in names], axis=0)
    observed = float(np.mean([auc(first[n], threshold) - auc(second[n], threshold) for n in names]))
    step = float(np.mean([(gains(first[n], threshold) - gains(second[n], threshold)).mean() for n in names]))
    extreme = int((np.abs(swapped) >= abs(step) - 1e-12).sum())
    pairs = sum(len(errors) for errors in first.values())
    return Comparison(observed, interval(spread), (extreme + 1) / (samples + 1), pairs)


def _draws(pairs: int, samples: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Index blocks (b, pairs) that together make ``samples`` rows, bounded in memory."""
    block = max(1, _CELLS // max(1, pairs))
    for start in range(0, samples, block):
        yield rng.integers(0, pairs, (min(block, samples - start), pairs))


def _auc_rows(errors: Errors, threshold: float, draws: Iterator[NDArray[np.int64]]) -> Errors:
    gain = gains(errors, threshold)
    below = np.where(errors < threshold, errors, 0.0)
    half_step = 1 / (2 * len(errors) * threshold)
    return np.concatenate([gain[rows].mean(axis=1) + below[rows].max(axis=1) * half_step for rows in draws])


def _difference_rows(a: Errors, b: Errors, threshold: float, rng: np.random.Generator, samples: int) -> Errors:
    blocks = list(_draws(len(a), samples, rng))
    return _auc_rows(a, threshold, iter(blocks)) - _auc_rows(b, threshold, iter(blocks))


def _swap_rows(a: Errors, b: Errors, threshold: float, rng: np.random.Generator, samples: int) -> Errors:
    """Mean gain difference under random swaps; the half step of ``auc`` is left out on both sides."""
    difference = gains(a, threshold) - gains(b, threshold)
    signs = rng.integers(0, 2, (samples, len(a)), dtype=np.int8).astype(np.float64) * 2 - 1
    swapped: Errors = signs @ difference / len(a)
    return swapped
