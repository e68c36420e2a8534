"""Whether the labels of a video contradict each other: do matches over three frames come back to the same place?

A match a -> b continued by one b -> c must end where the match a -> c of the same keypoint does. That needs no truth,
and wrong labels seldom do it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gim_data.types import Floats, PairLabel

SAME_PX = 0.75
"""Two observations nearer than this are one: exactly so for keypoints, about so for dense matchers."""
TRIPLETS = 200
"""Frame triplets that are looked at, evenly chosen from a video."""

_Triplet = tuple[PairLabel, PairLabel, PairLabel]


def cycle_errors(labels: Sequence[PairLabel], *, most: int = TRIPLETS) -> NDArray[np.float64]:
    """How far apart the direct way and the way over a third frame end.

    Args:
        labels: of one teacher in one pass, over all skips.
        most: frame triplets to look at.

    Returns:
        (N,) pixels, one for each match that both ways start from; empty where no three frames are matched all round.
    """
    triplets = list(_triplets(labels))
    chosen = sorted(set(np.linspace(0, len(triplets) - 1, most).astype(int).tolist())) if triplets else []
    return np.concatenate([np.zeros(0), *(_closing(*triplets[i]) for i in chosen)])


def _triplets(labels: Sequence[PairLabel]) -> Iterator[_Triplet]:
    """The labels (a, b), (b, c), (a, c) of all frames a < b < c that have all three, none of them empty."""
    by_pair = {(label.frame0, label.frame1): label for label in labels if len(label)}
    later: dict[int, list[int]] = {}
    for a, b in sorted(by_pair):
        later.setdefault(a, []).append(b)
    for a, b in sorted(by_pair):
        for c in later.get(b, ()):
            if (a, c) in by_pair:
                yield by_pair[a, b], by_pair[b, c], by_pair[a, c]


def _closing(first: PairLabel, second: PairLabel, direct: PairLabel) -> NDArray[np.float64]:
    """(N,) pixels between both ends in frame c of the matches that can be followed both ways."""
    onward = _same(first.points1, second.points0)
    across = _same(first.points0, direct.points0)
    both = (onward >= 0) & (across >= 0)
    gap = second.points1[onward[both]] - direct.points1[across[both]]
    return np.asarray(np.linalg.norm(gap, axis=1), np.float64)


def _same(points: Floats, among: Floats) -> NDArray[np.int64]:
    """(N,) which row of ``among`` is the same observation as each of ``points``, -1 for none."""
    distance, row = cKDTree(among).query(points, distance_upper_bound=SAME_PX)
    return np.where(np.isfinite(distance), row, -1)
