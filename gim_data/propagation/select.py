"""Which partners a start frame keeps, and the last check of what propagation made."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from gim_data.labels.robust import fit_sampled
from gim_data.propagation.config import PropagationConfig
from gim_data.propagation.graph import MatchGraph, Source
from gim_data.propagation.meet import Arrival, walk_back
from gim_data.propagation.tracks import Tracks
from gim_data.types import PairLabel

TRIES = 3
"""Partners of one bin that the final check may look at."""


@dataclass
class Selection:
    """The pairs that passed, and why others did not.

    Attributes:
        labels: propagated pairs in order of frame0, frame1.
        candidates: labels before the final check, same order as ``labels`` (for figures).
        rejected: bins of start frames of which no partner passed.
    """

    labels: list[PairLabel] = field(default_factory=list)
    candidates: list[PairLabel] = field(default_factory=list)
    rejected: int = 0


def farthest_per_bin(arrivals: Iterable[Arrival], edges: Sequence[float]) -> Iterator[list[list[Arrival]]]:
    """From every start frame its farthest partners in each bin of overlap, near to far.

    GIM keeps one partner, the farthest (GIM.md 2.4); a student then never sees the easy and the middling pairs.

    Args:
        arrivals: in time order of their start frame, then of their later frame; read as far as it is needed.
        edges: ascending bin edges in [0, 1]; the last bin includes its upper edge.

    Yields:
        For each start frame that arrives anywhere one list per bin: its ``TRIES`` farthest partners, the farthest
        first, so that one that fails the final check does not lose the bin.
    """
    for _, own in groupby(arrivals, key=lambda arrival: arrival.frame0):
        kept: dict[int, deque[Arrival]] = {}
        for arrival in own:
            if edges[0] <= arrival.overlap <= edges[-1]:
                place = min(int(np.searchsorted(edges, arrival.overlap, side="right")), len(edges) - 1)
                kept.setdefault(place, deque(maxlen=TRIES)).appendleft(arrival)
        yield sorted(map(list, kept.values()), key=lambda group: group[0].frame1)


def check(
    group: Sequence[Arrival], graph: MatchGraph, tracks: Tracks, config: PropagationConfig
) -> tuple[PairLabel, PairLabel] | None:
    """The final geometric check (GIM.md 2.4) of a start frame's partners in one bin.

    Returns:
        The first pair that passes, as propagated and as one two-view geometry explains it; None where none does.
    """
    for arrival in group:
        label = _label(arrival, graph, tracks, config.max_hops)
        checked = _inliers(label, config)
        if checked is not None:
            return label, checked
    return None


def _label(arrival: Arrival, graph: MatchGraph, tracks: Tracks, max_hops: int) -> PairLabel:
    """The pair with its evidence, tracks of more than ``max_hops`` left out."""
    ways = walk_back(tracks, arrival)
    near = ways.links <= max_hops + 1
    points0, points1 = (
        graph.positions[frame][nodes[near] - tracks.begin[frame]]
        for frame, nodes in ((arrival.frame0, arrival.node0), (arrival.frame1, arrival.node1))
    )
    evidence = ways.confidence[near], (ways.links[near] - 1).astype(np.uint8), ways.votes[near]
    return PairLabel(arrival.frame0, arrival.frame1, points0, points1, *evidence, arrival.overlap)


def _inliers(label: PairLabel, config: PropagationConfig) -> PairLabel | None:
    fit = fit_sampled(
        label.points0,
        label.points1,
        sample=config.fit_points,
        threshold=config.epipolar_px,
        iterations=config.fit_iterations,
    )
    return subset(label, fit.inliers) if fit.inliers.sum() >= config.min_matches else None


def confident(source: Source, least: float) -> Source:
    """The source without matches of less confidence than ``least``.

    Attention matchers know when they guess: on exact truth (``benchmarks/label_precision.py``) LighterGlue's matches
    below 0.9 are wrong by 3 px ten times as often as those above 0.95.
    """
    if least <= 0:
        return source
    return replace(source, labels=[subset(label, label.confidence >= least) for label in source.labels])


def subset(label: PairLabel, keep: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> PairLabel:
    """The correspondences of a label where ``keep`` (N,) bool."""
    return PairLabel(
        label.frame0,
        label.frame1,
        label.points0[keep],
        label.points1[keep],
        label.confidence[keep],
        label.hops[keep],
        label.votes[keep],
        label.overlap,
    )
