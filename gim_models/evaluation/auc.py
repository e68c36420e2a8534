"""Area under the cumulative error curve, exactly, and ranks (GIM.md 4.5, steps 5 to 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

THRESHOLDS = (5.0, 10.0, 20.0)
"""Degrees; the first is the headline."""


def gains(errors: ArrayLike, threshold: float) -> NDArray[np.float64]:
    """What each pair adds to the area: ``max(0, 1 - error / threshold)``.

    Args:
        errors: (P,) degrees, no NaN; a failure is at least ``threshold``.
        threshold: degrees.

    Returns:
        (P,) in [0, 1]. Their mean is the area under the *step* curve; ``auc`` adds half of the last step.
    """
    return np.maximum(0.0, 1.0 - np.asarray(errors, dtype=np.float64) / threshold)


def auc(errors: ArrayLike, threshold: float) -> float:
    """Area under recall over error up to ``threshold``, divided by it: GIM.md 4.5 step 6, in closed form.

    The sorted errors get a leading zero, recall is ``linspace(0, 1, P + 1)``; the trapezoid runs up to the last error
    below the threshold and recall is held flat from there. Summed by parts, this is the mean of ``gains`` plus
    ``e / (2 P threshold)``, where ``e`` is the largest error below the threshold (0 where there is none).

    Args:
        errors: (P,) degrees; a failure is inf, NaN or 180 and counts as "not within".
        threshold: degrees.

    Returns:
        Share in [0, 1]; NaN where there is no pair.
    """
    values = np.nan_to_num(np.asarray(errors, dtype=np.float64), nan=np.inf)
    if not len(values):
        return float("nan")
    last = np.max(values, initial=0.0, where=values < threshold)
    return float(gains(values, threshold).mean() + last / (2 * len(values) * threshold))


def auc_reference(errors: ArrayLike, threshold: float) -> float:
    """The definition of GIM.md 4.5 step 6 taken literally: the twin that ``auc`` is tested against."""
    values = np.sort(np.nan_to_num(np.asarray(errors, dtype=np.float64), nan=180.0))
    values = np.concatenate([[0.0], values])
    recall = np.linspace(0, 1, len(values))
    last = int(np.searchsorted(values, threshold))
    x = np.concatenate([values[:last], [threshold]])
    y = np.concatenate([recall[:last], [recall[last - 1]]])
    return float(np.trapezoid(y, x) / threshold)


def mean_rank(scores: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Mean over data sets of a method's rank, 1 the best; ties share the better rank (GIM.md 4.5 step 7).

    Args:
        scores: method -> score per data set, in one order for all.
    """
    table = np.array(list(scores.values()), dtype=np.float64)
    better = (table[None, :, :] > table[:, None, :]).sum(axis=1)
    return dict(zip(scores, (better + 1).mean(axis=1).tolist(), strict=True))
