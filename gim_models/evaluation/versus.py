"""Two matchers on the same pairs: the paired difference of each sequence, and the pairs where they part most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gim_data.errors import GimError
from gim_models.evaluation.auc import auc
from gim_models.evaluation.bootstrap import Comparison, compare
from gim_models.evaluation.scores import Errors, by_sequence

ALL = "mean of sequences"
_WORST = 20.0  # degrees: beyond it one pose is as wrong as another


@dataclass(frozen=True)
class Difference:
    """The first matcher less the second one.

    Attributes:
        sequence: its name, or ``ALL``.
        first, second: AUC of either in [0, 1].
        comparison: difference, interval, p-value and number of pairs.
    """

    sequence: str
    first: float
    second: float
    comparison: Comparison


@dataclass(frozen=True)
class Parted:
    """A pair on which two matchers differ: errors in degrees, 180 for a failed pose."""

    sequence: str
    identifier: str
    overlap: float
    first: float
    second: float


def differences(
    first: pd.DataFrame, second: pd.DataFrame, threshold: float, *, samples: int = 1000, seed: int = 0
) -> list[Difference]:
    """The paired difference in AUC of all sequences together, then of each one.

    Args:
        first, second: rows of ``errors.parquet`` under one protocol.
        threshold: degrees.
        samples: bootstrap samples, and random swaps.
        seed: of both.

    Raises:
        GimError: the two were not scored on the same pairs.
    """
    a, b = _aligned(first, second)
    rows = [_difference(ALL, a, b, threshold, samples, seed)]
    rows += [_difference(n, {n: a[n]}, {n: b[n]}, threshold, samples, seed) for n in sorted(a)]
    return rows


def parted(first: pd.DataFrame, second: pd.DataFrame, count: int) -> tuple[list[Parted], list[Parted]]:
    """The pairs on which the first matcher loses most against the second, and the other way round, the worst first.

    Errors above 20 degrees count as 20, so that a failure beside a wild guess is no difference.

    Raises:
        GimError: as ``differences``.
    """
    _aligned(first, second)
    keys = ["sequence", "identifier"]
    both = first[[*keys, "overlap", "error"]].merge(second[[*keys, "error"]], on=keys, suffixes=("_first", "_second"))
    loss = both["error_first"].clip(upper=_WORST) - both["error_second"].clip(upper=_WORST)
    return _worst(both.assign(loss=loss), count), _worst(both.assign(loss=-loss), count)


def markdown(rows: Sequence[Difference], names: tuple[str, str], threshold: float) -> str:
    """The differences as a table, in percent."""
    head = ["sequence", "pairs", *(f"{name}, AUC@{threshold:g}°" for name in names), "difference", "95 %", "p"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(texts(row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def texts(row: Difference) -> tuple[str, ...]:
    """Name, pairs, both scores, difference, interval and p-value of a row, in percent."""
    found = row.comparison
    low, high = (100 * bound for bound in found.interval)
    return (
        row.sequence,
        str(found.pairs),
        f"{100 * row.first:.1f}",
        f"{100 * row.second:.1f}",
        f"{100 * found.difference:+.1f}",
        f"{low:+.1f} to {high:+.1f}",
        f"{found.p_value:.3f}",
    )


def _worst(both: pd.DataFrame, count: int) -> list[Parted]:
    keys = ["sequence", "identifier"]
    worst = both[both["loss"] > 0].sort_values(["loss", *keys], ascending=[False, True, True]).head(count)
    columns = worst[[*keys, "overlap", "error_first", "error_second"]]
    return [Parted(*row) for row in columns.itertuples(index=False, name=None)]


def _difference(name: str, a: Errors, b: Errors, threshold: float, samples: int, seed: int) -> Difference:
    found = compare(a, b, threshold, np.random.default_rng(seed), samples=samples)
    means = [float(np.mean([auc(errors, threshold) for errors in side.values()])) for side in (a, b)]
    return Difference(name, means[0], means[1], found)


def _aligned(first: pd.DataFrame, second: pd.DataFrame) -> tuple[Errors, Errors]:
    pairs = [set(zip(rows["sequence"], rows["identifier"], strict=True)) for rows in (first, second)]
    if pairs[0] != pairs[1]:
        odd = len(pairs[0] ^ pairs[1])
        raise GimError(
            f"the two were not scored on the same pairs: {odd} have one score only",
            "gim run zeb_predictions zeb_scores",
        )
    return by_sequence(first), by_sequence(second)
