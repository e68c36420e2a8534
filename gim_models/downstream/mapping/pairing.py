"""Which images are matched with which: all, neighbours in time, look-alikes, or a list."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gim_data.errors import BadInput
from gim_data.types import Floats

Pair = tuple[int, int]  # rows of the list of images, first < second
WINDOW = 5
"""Neighbours in time that every image of a sequence is matched with, beside those 8, 16, 32... images away."""
LOOKALIKES = 10
"""Images that every image is matched with by retrieval."""
LOOP_EVERY, LOOP_LOOKALIKES = 5, 3
"""A sequence looks for loops at every fifth image, among its three nearest look-alikes further away in time."""


def exhaustive(count: int) -> list[Pair]:
    """Every pair of ``count`` images."""
    return list(combinations(range(count), 2))


def sequential(count: int, *, window: int = WINDOW) -> list[Pair]:
    """Neighbours up to ``window`` apart, and pairs 2 ** k apart beyond: long steps hold a long sequence together."""
    steps = [*range(1, window + 1), *(2**k for k in range(2, count.bit_length() + 1) if 2**k > window)]
    return sorted((i, i + step) for step in steps for i in range(count - step))


def lookalikes(descriptors: Floats, count: int, *, apart: int = 0, rows: Sequence[int] | None = None) -> list[Pair]:
    """Each image with the ``count`` others whose descriptors are nearest.

    Args:
        descriptors: (N, D) unit vectors.
        count: how many per image.
        apart: rows at most this far away in order do not count (they are matched anyway).
        rows: for which images, None for all.
    """
    total = len(descriptors)
    pairs: set[Pair] = set()
    for i in range(total) if rows is None else rows:
        similarity = descriptors @ descriptors[i]
        similarity[np.abs(np.arange(total) - i) <= apart] = -np.inf
        best = nearest(similarity, count)
        pairs.update((min(i, j), max(i, j)) for j in best.tolist())
    return sorted(pairs)


def nearest(similarity: Floats, count: int) -> NDArray[np.int64]:
    """Indices of the ``count`` largest finite values, largest first; ties go to the lower index."""
    order = np.argsort(-similarity, kind="stable")[:count]
    return order[np.isfinite(similarity[order])]


def with_loops(descriptors: Floats, *, window: int = WINDOW) -> list[Pair]:
    """``sequential`` pairs and, at every fifth image, its look-alikes from another time: loop closure."""
    count = len(descriptors)
    loops = lookalikes(descriptors, LOOP_LOOKALIKES, apart=window, rows=range(0, count, LOOP_EVERY))
    return sorted({*sequential(count, window=window), *loops})


def read_pairs(path: Path, names: Sequence[str]) -> list[Pair]:
    """Pairs from a list: two image names a line, separated by a tab, a comma or spaces; ``#`` starts a comment.

    Raises:
        BadInput: not text, a line without two names, a name that is no image of the map, or no pair at all.
    """
    rows = {name: i for i, name in enumerate(names)}
    pairs: set[Pair] = set()
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"pair list {path} cannot be read: {error}", "write two image names a line") from None
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if text:
            first, second = _two_names(text, f"{path}, line {number}")
            pairs.add(_pair(rows, first, second, f"{path}, line {number}"))
    if not pairs:
        raise BadInput(f"{path} lists no pair", "write two image names a line")
    return sorted(pairs)


def _two_names(text: str, where: str) -> tuple[str, str]:
    for separator in ("\t", ",", None):
        parts = [part.strip() for part in text.split(separator)]
        if len(parts) == 2 and all(parts):
            return parts[0], parts[1]
    raise BadInput(f"{where}: {text!r} is not two names", "separate two image names by a tab, a comma or a space")


def _pair(rows: dict[str, int], first: str, second: str, where: str) -> Pair:
    for name in (first, second):
        if name not in rows:
            raise BadInput(f"{where}: no image is called {name!r}", f"the images are called like {next(iter(rows))!r}")
    i, j = sorted((rows[first], rows[second]))
    if i == j:
        raise BadInput(f"{where}: {first!r} with itself", "name two different images")
    return i, j
