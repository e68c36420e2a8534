"""Sorting by columns of small integers: as one number a row, which numpy sorts many times faster than indices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
_BITS = 63


def order_by(*columns: NDArray[np.integer]) -> Whole:
    """(N,) rows in order of the first column, then of the second...; equal rows stay in the order they are in.

    Args:
        columns: (N,) each, not negative. Together with the row's number they share one 64-bit integer; where that is
            too small for them, they are sorted by as many indices.
    """
    rows = len(columns[0])
    widths = [int(column.max(initial=0)).bit_length() for column in columns]
    low = max(1, rows - 1).bit_length()
    if sum(widths) + low > _BITS:
        return np.asarray(np.lexsort(columns[::-1]), np.int64)
    key = columns[0].astype(np.int64)
    for column, width in zip(columns[1:], widths[1:], strict=True):
        key = (key << width) | column
    key = (key << low) | np.arange(rows)
    key.sort()
    return key & ((1 << low) - 1)


def changes(*columns: NDArray[np.generic]) -> NDArray[np.bool_]:
    """(N,) bool, True where sorted rows (N,) of these columns begin or go on with another value."""
    new = np.ones(len(columns[0]), np.bool_)
    if len(new):
        new[1:] = False
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return new
