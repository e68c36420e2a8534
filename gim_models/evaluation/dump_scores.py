"""Scores of GIM's published dumps: the proof that this project's AUC is the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gim_data.bench.dumps import find_dumps, read_dump
from gim_data.errors import GimError
from gim_models.evaluation.auc import THRESHOLDS, auc
from gim_models.evaluation.bootstrap import interval, resample
from gim_models.evaluation.protocol import FAILED

Cell = dict[str, Any]


def score_dumps(folder: Path, *, samples: int = 1000, seed: int = 0) -> dict[str, dict[str, Cell]]:
    """Score every dump in a folder under the rules of GIM.md 4.5, steps 4 to 7.

    Args:
        folder: where the dumps lie.
        samples: bootstrap samples for the interval of AUC@5.
        seed: of the bootstrap.

    Returns:
        method -> data set as the dump names it -> ``auc_5deg``, ``auc_10deg``, ``auc_20deg`` and ``interval`` (95 %,
        of AUC@5) in percent, ``pairs``, ``failures``.

    Raises:
        GimError: no dump, a dump that cannot be read, or two versions of one method on one data set.
    """
    return {
        method: {
            dataset: score_errors(errors.to_numpy(), samples=samples, rng=np.random.default_rng(seed))
            for dataset, errors in found.items()
        }
        for method, found in dump_errors(folder).items()
    }


def dump_errors(folder: Path) -> dict[str, dict[str, pd.Series]]:
    """Method -> data set as the dump names it -> (P,) pose errors in degrees by identifier, inf or NaN where it failed.

    Raises:
        GimError: as ``score_dumps``.
    """
    errors: dict[str, dict[str, pd.Series]] = {}
    for dump in find_dumps(folder):
        found = errors.setdefault(dump.method, {})
        if dump.dataset in found:
            raise GimError(
                f"{folder}: {dump.method} has two dumps of {dump.dataset}", "keep one version of each method here"
            )
        table = read_dump(dump.path).set_index("identifiers")
        found[dump.dataset] = table[["R_errs", "t_errs"]].max(axis=1, skipna=False)
    return errors


def score_errors(errors: np.ndarray, *, samples: int, rng: np.random.Generator) -> Cell:
    """One cell of the table, in percent, from (P,) pose errors in degrees; inf and NaN are failures, scored as 180."""
    failed = ~np.isfinite(errors)
    values = np.where(failed, FAILED, errors)
    spread = resample(values, THRESHOLDS[0], rng, samples=samples)
    return {
        **{f"auc_{t:.0f}deg": 100 * auc(values, t) for t in THRESHOLDS},
        "pairs": len(values),
        "failures": int(failed.sum()),
        "interval": [100 * bound for bound in interval(spread)],
    }
