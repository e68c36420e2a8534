"""Accuracy by how much two images share: the question behind ZEB's ten bins of overlap (GIM.md 4.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gim_models.evaluation.auc import THRESHOLDS, auc
from gim_models.evaluation.bootstrap import interval, resample

BINS = 10
Cell = dict[str, Any]


def overlap_cells(rows: pd.DataFrame, *, samples: int, seed: int) -> list[Cell]:
    """AUC in percent of the pairs of each tenth of overlap, all sequences together; empty tenths are left out.

    Args:
        rows: of ``errors.parquet`` under one protocol; pairs of unknown overlap (NaN) are left out.
        samples: bootstrap samples behind the interval of AUC@5.
        seed: of the bootstrap.

    Returns:
        In order of overlap: ``low``, ``high``, ``pairs``, ``auc_5deg``, ``auc_10deg``, ``auc_20deg``,
        ``auc_5deg_interval``.
    """
    known = rows[rows["overlap"].notna()]
    bins = np.minimum((known["overlap"].to_numpy(float) * BINS).astype(int), BINS - 1)
    rng = np.random.default_rng(seed)
    cells: list[Cell] = []
    for number in np.unique(bins).tolist():
        part = known[bins == number]
        errors = part.sort_values(["sequence", "identifier"])["error"].to_numpy(float)
        low, high = interval(resample(errors, THRESHOLDS[0], rng, samples=samples))
        cells.append(
            {
                "low": number / BINS,
                "high": (number + 1) / BINS,
                "pairs": len(errors),
                **{f"auc_{t:.0f}deg": 100 * auc(errors, t) for t in THRESHOLDS},
                "auc_5deg_interval": [100 * low, 100 * high],
            }
        )
    return cells
