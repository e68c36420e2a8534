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
from gim_data.propagation.meet import Arrival, Meeting, MeetRules, arrive
from gim_data.propagation.tracks import Tracks
from gim_data.propagation.ways import Ways, longest_steps, walk_back
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


def farthest_per_bin(found: Iterable[Meeting], edges: Sequence[float]) -> Iterator[list[list[Meeting]]]:
    """From every start frame its farthest partners in each bin of overlap, near to far.

    GIM keeps one partner, the farthest (GIM.md 2.4); a student then never sees the easy and the middling pairs.

    Args:
        found: in time order of their start frame, then of their later frame; read as far as it is needed.
        edges: ascending bin edges in [0, 1]; the last bin includes its upper edge.

    Yields:
        For each start frame that meets any one list per bin: its ``TRIES`` farthest partners, the farthest
        first, so that one that fails the final check does not lose the bin.
    """
    for _, own in groupby(found, key=lambda meeting: meeting.frame0):
        kept: dict[int, deque[Meeting]] = {}
        for meeting in own:
            if edges[0] <= meeting.overlap <= edges[-1]:
                place = min(int(np.searchsorted(edges, meeting.overlap, side="right")), len(edges) - 1)
                kept.setdefault(place, deque(maxlen=TRIES)).appendleft(meeting)
        yield sorted(map(list, kept.values()), key=lambda group: group[0].frame1)


class Checker:
    """The final geometric check (GIM.md 2.4) of what start frames meet.

    Args:
        graph: where the nodes are.
        tracks: of the video.
        config: rules.
    """

    def __init__(self, graph: MatchGraph, tracks: Tracks, config: PropagationConfig) -> None:
        self.rules = MeetRules(config.min_support, config.min_matches, config.overlap_bins[0])
        self._graph, self._tracks, self._config = graph, tracks, config
        self._longest = longest_steps(tracks)

    def check(self, groups: Sequence[Sequence[Meeting]]) -> list[tuple[PairLabel, PairLabel] | None]:
        """A start frame's partners, of each bin as many as are needed.

        Args:
            groups: one per bin, as ``farthest_per_bin`` gives them.

        Returns:
            For each bin the first pair that passes, as propagated and as one two-view geometry explains it; None where
            none does.
        """
        firsts = self._labels([group[0] for group in groups]) if groups else []
        return [self._first_that_passes(first, group[1:]) for first, group in zip(firsts, groups, strict=True)]

    def _first_that_passes(self, label: PairLabel, others: Sequence[Meeting]) -> tuple[PairLabel, PairLabel] | None:
        checked = _inliers(label, self._config)
        if checked is not None:
            return label, checked
        return self._first_that_passes(self._labels(others[:1])[0], others[1:]) if others else None

    def _labels(self, meetings: Sequence[Meeting]) -> list[PairLabel]:
        """A start frame's pairs with their evidence, tracks of more than ``max_hops`` left out."""
        arrivals = arrive(self._tracks, self.rules, meetings)
        ways = walk_back(self._tracks, self._longest, arrivals)
        return [self._label(*each) for each in zip(meetings, arrivals, ways, strict=True)]

    def _label(self, meeting: Meeting, arrival: Arrival, ways: Ways) -> PairLabel:
        near = np.flatnonzero(ways.links <= self._config.max_hops + 1)
        points0, points1 = (
            self._graph.positions[frame].take(nodes.take(near) - self._tracks.begin[frame], axis=0)
            for frame, nodes in ((arrival.frame0, arrival.node0), (arrival.frame1, arrival.node1))
        )
        hops = (ways.links.take(near) - 1).astype(np.uint8)
        evidence = ways.confidence.take(near), hops, ways.votes.take(near)
        return PairLabel(meeting.frame0, meeting.frame1, points0, points1, *evidence, meeting.overlap)


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
    rows = np.flatnonzero(keep)
    return replace(
        label,
        points0=label.points0.take(rows, axis=0),
        points1=label.points1.take(rows, axis=0),
        confidence=label.confidence.take(rows),
        hops=label.hops.take(rows),
        votes=label.votes.take(rows),
    )
