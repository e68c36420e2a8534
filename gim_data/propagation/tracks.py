"""Tracks of a whole video, found once: every node of a frame takes the track that most matches into it come from.

A node is reached on several *routes* (three short hops, one long one) and by several teachers, and they must agree:
where as many speak for another track, the node begins a new one. The cost is linear in matches. What a pair of frames
shares is then a join of two lists of track numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gim_data.propagation.forks import cut_at_forks
from gim_data.propagation.graph import Arcs, MatchGraph
from gim_data.propagation.join import Ids
from gim_data.propagation.order import Whole, changes, order_by
from gim_data.types import Floats

_DOMINANT = 5  # times the support of a rival that lets a track go on whatever becomes of the rival


@dataclass(frozen=True)
class Tracks:
    """Every node of a video by the track it lies on; nodes of all frames in one list, frame after frame.

    Attributes:
        begin: (F + 1,) where each frame's nodes begin in the list.
        track: (N,) int32. A track has one node in a frame at most.
        support: (N,) uint8 teachers times routes that agree on the last step; 0 where a track begins.
        back: (R, N) int32 node that each route comes from, the farthest route first; -1 for none.
        votes: (R, N) uint8 teachers behind that link.
        confidence: (R, N) float32 of that link.
    """

    begin: Whole
    track: Ids
    support: NDArray[np.uint8]
    back: Ids
    votes: NDArray[np.uint8]
    confidence: Floats

    def nodes(self, frame: int) -> slice:
        """The nodes of one frame."""
        return slice(int(self.begin[frame]), int(self.begin[frame + 1]))


def follow(graph: MatchGraph, *, cycle_px: float) -> Tracks:
    """Give every node its track.

    Args:
        graph: the joined labels.
        cycle_px: two nodes of a frame that claim one track and, then or later, lie farther apart than this cut it
            there, unless one has many times the support of the other.
    """
    begin = np.cumsum([0, *map(len, graph.positions)])
    routes = max((len({arc.frame0 for arc in arcs}) for arcs in graph.into), default=0)
    shape, total = (max(1, routes), int(begin[-1])), int(begin[-1])
    tracks = Tracks(
        begin,
        np.zeros(total, np.int32),
        np.zeros(total, np.uint8),
        np.full(shape, -1, np.int32),
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.float32),
    )
    lives, forks = _Lives(total), [np.zeros((2, 0), np.int64)]
    for frame, arcs in enumerate(graph.into):
        at = tracks.nodes(frame)
        own = np.full(at.stop - at.start, -1, np.int32)
        if arcs:
            links = lives.merge(_links(arcs, tracks, lives))
            own, rivals = _continue(links, graph.positions[frame], tracks, at)
            forks.append(at.start + rivals)
        tracks.track[at] = lives.record(own, frame)
    places = np.concatenate([np.zeros((0, 2), np.float32), *graph.positions])
    frame_of = np.repeat(np.arange(len(graph.positions)), np.diff(begin))
    whole = lives.resolve(tracks.track)
    tracks.track[:] = cut_at_forks(whole, frame_of, places, np.concatenate(forks, axis=1), cycle_px)
    return tracks


class _Lives:
    """The tracks so far: in which frames they begin and end, and which of them turned out to be the same."""

    def __init__(self, most: int) -> None:
        self.count = 0
        self._same_as = np.arange(most, dtype=np.int32)
        self._first = np.zeros(most, np.int32)
        self._last = np.zeros(most, np.int32)

    def resolve(self, track: Ids) -> Ids:
        """(N,) tracks by the number that stands for them now."""
        known = self._same_as.take(track)
        while (known != (further := self._same_as.take(known))).any():
            known = further
        return known

    def record(self, own: Ids, frame: int) -> Ids:
        """Take down the tracks (N,) of a frame's nodes; -1 begins a new one."""
        new = np.flatnonzero(own < 0)
        own[new] = self.count + np.arange(len(new), dtype=np.int32)
        self.count += len(new)
        self._first[own[new]] = frame
        self._last[own] = frame
        return own

    def merge(self, links: _Links) -> _Links:
        """Make one track of two that lead to one node, where one ended before the other began: its matches were missing
        for a while. The links then go on with the older one.
        """
        claim = np.flatnonzero(changes(links.node, links.track))
        node, track = links.node[claim], links.track[claim]
        beside = np.flatnonzero(node[1:] == node[:-1])
        pair = np.stack([track[beside], track[beside + 1]])
        pair = np.where(self._first[pair[0]] <= self._first[pair[1]], pair, pair[::-1])
        older, younger = pair.compress(self._last[pair[0]] < self._first[pair[1]], axis=1)
        once = np.intersect1d(np.unique(older, return_index=True)[1], np.unique(younger, return_index=True)[1])
        once = once[~np.isin(older[once], younger[once])]
        if not len(once):
            return links
        older, younger = older[once], younger[once]
        self._same_as[younger] = older
        self._last[older] = self._last[younger]
        return links.of_tracks(self.resolve(links.track))


@dataclass(frozen=True)
class _Links:
    """Distinct links into one frame, sorted by node, then by track, then by route.

    Attributes:
        node: (L,) of the frame. track: (L,) that the link would continue. route: (L,) number of the earlier frame.
        back: (L,) node of the earlier frame, in the list of all. votes, confidence: (L,) as in ``Tracks``.
    """

    node: Whole
    track: Ids
    route: Whole
    back: Whole
    votes: NDArray[np.uint8]
    confidence: Floats

    def of_tracks(self, track: Ids) -> _Links:
        """The same links as continuing other tracks, (L,), in order again: only nodes with a changed one are sorted."""
        touched = np.zeros(int(self.node[-1]) + 1, np.bool_)
        touched[self.node[track != self.track]] = True
        rows = np.flatnonzero(touched[self.node])
        by = np.arange(len(track))
        by[rows] = rows[order_by(self.node[rows], track[rows], self.route[rows])]
        ends = self.node, track[by], self.route[by], self.back[by]
        return _Links(*ends, self.votes[by], self.confidence[by])


def _links(arcs: Sequence[Arcs], tracks: Tracks, lives: _Lives) -> _Links:
    """The matches into a frame, those of several teachers between the same nodes as one."""
    route_of = {frame: route for route, frame in enumerate(sorted({arc.frame0 for arc in arcs}))}
    lengths = [len(arc.node0) for arc in arcs]
    node = np.concatenate([arc.node1 for arc in arcs]).astype(np.int64)
    back = np.concatenate([arc.node0 + tracks.begin[arc.frame0] for arc in arcs])
    route = np.repeat([route_of[arc.frame0] for arc in arcs], lengths)
    teacher = np.repeat([np.uint64(1 << arc.teacher % 64) for arc in arcs], lengths)
    track = lives.resolve(tracks.track[back])
    order = order_by(node, track, route)
    node, track, route = node.take(order), track.take(order), route.take(order)
    first = np.flatnonzero(changes(node, track, route))  # a track has one node in a frame: this names the link
    votes = np.bitwise_count(np.bitwise_or.reduceat(teacher.take(order), first))
    confidence = np.maximum.reduceat(np.concatenate([arc.confidence for arc in arcs]).take(order), first)
    ends = node.take(first), track.take(first), route.take(first), back.take(order.take(first))
    return _Links(*ends, votes, confidence)


def _continue(links: _Links, positions: Floats, tracks: Tracks, at: slice) -> tuple[Ids, Whole]:
    """Fill in a frame's part of ``tracks``, the track itself left out.

    Returns:
        (N,) the track that each node continues, -1 for none; (2, K) nodes that a track forks into, the winner first.
    """
    claim = np.flatnonzero(changes(links.node, links.track))
    support = np.add.reduceat(links.votes, claim, dtype=np.int64)
    node, track = links.node.take(claim), links.track.take(claim)
    won = np.flatnonzero(_elected(node, support))
    node, track, support = node.take(won), track.take(won), support.take(won)
    kept, rivals = _undisputed(track, support, positions.take(node, axis=0))
    own = np.full(len(positions), -1, np.int32)
    own[node.compress(kept)] = track.compress(kept)
    tracks.support[at][node.compress(kept)] = support.compress(kept).clip(0, 255)
    winner = np.zeros(len(claim), np.bool_)
    winner[won.compress(kept)] = True
    carried = np.flatnonzero(np.repeat(winner, np.diff(np.r_[claim, len(links.node)])))
    where = links.route.take(carried) * len(tracks.track) + at.start + links.node.take(carried)
    tracks.back.ravel()[where] = links.back.take(carried)
    tracks.votes.ravel()[where] = links.votes.take(carried)
    tracks.confidence.ravel()[where] = links.confidence.take(carried)
    return own, node[rivals]


def _elected(node: Whole, support: Whole) -> NDArray[np.bool_]:
    """(C,) bool, the claim with more support than any other on its node; ``node`` (C,) is sorted."""
    first = changes(node)
    begin, of = np.flatnonzero(first), np.cumsum(first) - 1
    best = support == np.maximum.reduceat(support, begin).take(of)
    return np.asarray(best & (np.add.reduceat(best, begin, dtype=np.int64) == 1).take(of))


def _undisputed(track: Ids, support: Whole, places: Floats) -> tuple[NDArray[np.bool_], Whole]:
    """The best supported one of all claims (C,) on each track, and who else had a good case.

    Returns:
        (C,) bool; (2, K) claims on one track, the winner and a rival with more than 1/``_DOMINANT`` of its support.
    """
    order = order_by(track)
    first = changes(track[order])
    alone = first & np.r_[first[1:], True]
    kept = np.ones(len(track), bool)
    several = order[~alone]
    order = several[np.lexsort((places[several, 1], places[several, 0], -support[several], track[several]))]
    first = changes(track[order])
    kept[order[~first]] = False
    rival = np.flatnonzero(~first)
    rival = rival[first[rival - 1]]  # the second of each track
    pairs = np.stack([order[rival - 1], order[rival]])
    return kept, pairs[:, support[pairs[0]] < _DOMINANT * support[pairs[1]]]
