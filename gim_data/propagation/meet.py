"""What two frames share: the tracks that pass both, counted for all frames at once and listed for those that are kept.

Which tracks a frame sees is one bit a track, 64 frames in one number. So what a start frame shares with all later ones
is one look-up for every 64 of them, and only the few that become pairs are joined node by node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gim_data.labels.coverage import cell_of, grid_size
from gim_data.propagation.graph import MatchGraph
from gim_data.propagation.join import Ids
from gim_data.propagation.order import Whole, changes, order_by
from gim_data.propagation.tracks import Tracks

_WORD = 64  # frames, one a bit


@dataclass(frozen=True)
class Meeting:
    """A start frame and a later one that sees enough of its tracks.

    Attributes:
        frame0, frame1: both frames.
        overlap: share of frame0's covered cells with a surviving track.
    """

    frame0: int
    frame1: int
    overlap: float


@dataclass(frozen=True)
class Arrival:
    """The tracks of a start frame that a later frame sees.

    Attributes:
        frame0, frame1: both frames.
        node0, node1: (N,) nodes of either, in the list of all (``Tracks``).
    """

    frame0: int
    frame1: int
    node0: Ids
    node1: Ids


@dataclass(frozen=True)
class MeetRules:
    """Which pairs of frames are offered.

    Attributes:
        min_support: teachers times routes that must agree on a node, unless a match leads there directly.
        min_matches, min_overlap: with fewer tracks, or less coverage, in every recent frame a start frame is done.
    """

    min_support: int
    min_matches: int
    min_overlap: float


def arrive(tracks: Tracks, rules: MeetRules, meetings: Sequence[Meeting]) -> list[Arrival]:
    """The tracks that each of a start frame's meetings is about, in order of their nodes in frame1."""
    at = tracks.nodes(meetings[0].frame0)
    low = int(tracks.track[at].min())
    node_of = np.full(int(tracks.track[at].max()) - low + 2, -1, np.int32)  # the last one: no track of this frame
    node_of[tracks.track[at] - low] = np.arange(at.start, at.stop, dtype=np.int32)
    return [_shared(tracks, rules, node_of, low, meeting) for meeting in meetings]


def _shared(tracks: Tracks, rules: MeetRules, node_of: Ids, low: int, meeting: Meeting) -> Arrival:
    """The tracks that a later frame sees; ``node_of`` holds the start frame's nodes by track, from ``low`` on."""
    at, none = tracks.nodes(meeting.frame1), len(node_of) - 1
    place = tracks.track[at] - low
    node0 = node_of.take(np.where((place < 0) | (place > none), none, place))
    here = np.flatnonzero(node0 >= 0)
    node0, node1 = node0.take(here), (at.start + here).astype(np.int32)
    trusted = tracks.support.take(node1) >= rules.min_support
    doubtful = np.flatnonzero(~trusted)
    trusted[doubtful] = (tracks.back[:, node1[doubtful]] == node0[doubtful]).any(axis=0)
    return Arrival(meeting.frame0, meeting.frame1, node0.compress(trusted), node1.compress(trusted))


def meetings(graph: MatchGraph, tracks: Tracks, rules: MeetRules) -> Iterator[Meeting]:
    """Every (start frame, later frame) with enough tracks, ordered by start frame, then by the later one."""
    window = max((frame - arc.frame0 for frame, arcs in enumerate(graph.into) for arc in arcs), default=0)
    sightings = _Sightings(graph, tracks, rules)
    for start, positions in enumerate(graph.positions):
        alive, covered = start, len(np.unique(cell_of(positions, graph.size)))
        for word, counts in enumerate(sightings.after(start), start // _WORD):
            for frame in range(max(start + 1, word * _WORD), min((word + 1) * _WORD, len(graph.positions))):
                if frame - alive > window:
                    break
                shared, cells = (int(count[frame % _WORD]) for count in counts)
                if shared >= rules.min_matches and cells / covered >= rules.min_overlap:
                    alive = frame
                    yield Meeting(start, frame, cells / covered)
            if (word + 1) * _WORD - alive > window:
                break


class _Sightings:
    """Which tracks are seen when, and what start frames share with later ones."""

    def __init__(self, graph: MatchGraph, tracks: Tracks, rules: MeetRules) -> None:
        self._graph, self._tracks, self._rules = graph, tracks, rules
        self._words = range(0, len(graph.positions), _WORD)
        self._seen = lru_cache(maxsize=32)(self._trusted)
        self._direct = self._direct_matches()

    def after(self, start: int) -> Iterator[tuple[Whole, Whole]]:
        """For 64 frames at a time, from those around ``start`` on: (64,) tracks of ``start`` that each of them sees,
        and (64,) cells of ``start`` that these tracks are in.
        """
        at = self._tracks.nodes(start)
        cell = cell_of(self._graph.positions[start], self._graph.size)
        order = order_by(cell)
        track, begin = self._tracks.track[at][order], np.flatnonzero(changes(cell[order]))
        for word in range(start // _WORD, len(self._words)):
            lowest, table = self._seen(word)
            bits = table[(track - lowest).clip(0, len(table) - 1)]
            shared = _column_sums(_bits(bits))
            cells = np.zeros((grid_size(self._graph.size), _WORD), np.bool_)
            if len(bits):
                cells[cell[order][begin]] = _bits(np.bitwise_or.reduceat(bits, begin))
            node, frame = self._direct_from(start, word)
            cells[cell[node - at.start], frame] = True
            yield shared + np.bincount(frame, minlength=_WORD), cells.sum(axis=0)

    def _trusted(self, word: int) -> tuple[int, NDArray[np.uint64]]:
        """A track's number, and the frames of a word that see the tracks from it on with enough support."""
        frames = range(word * _WORD, min((word + 1) * _WORD, len(self._graph.positions)))
        nodes = slice(self._tracks.nodes(frames[0]).start, self._tracks.nodes(frames[-1]).stop)
        track = self._tracks.track[nodes]
        lowest = int(track.min()) - 1 if len(track) else -1
        table = np.zeros(int(track.max(initial=lowest)) - lowest + 2, np.uint64)  # the first and the last: no track
        for bit, frame in enumerate(frames):
            at = self._tracks.nodes(frame)
            enough = self._tracks.support[at] >= self._rules.min_support
            table[self._tracks.track[at][enough] - lowest] |= np.uint64(1 << bit)
        return lowest, table

    def _direct_matches(self) -> tuple[Whole, Whole]:
        """Matches along a track into nodes with too little support: the node they come from, sorted, and the frame."""
        doubtful = np.flatnonzero(self._tracks.support < self._rules.min_support)
        back = self._tracks.back[:, doubtful]
        route, which = np.nonzero((back >= 0) & (self._tracks.track[back] == self._tracks.track[doubtful]))
        node, frame = back[route, which], np.searchsorted(self._tracks.begin, doubtful[which], side="right") - 1
        order = order_by(node, frame)
        return node[order].astype(np.int64), frame[order]

    def _direct_from(self, start: int, word: int) -> tuple[Whole, Whole]:
        """Such matches from one frame into a word: nodes, and numbers of the frames inside the word."""
        node, frame = self._direct
        of = slice(*np.searchsorted(node, self._tracks.begin[start : start + 2]))
        inside = frame[of] // _WORD == word
        return node[of][inside], frame[of][inside] % _WORD


def _bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """(N, 64) the bits of (N,) numbers, the lowest first."""
    octets = words.astype("<u8").view(np.uint8).reshape(len(words), _WORD // 8)
    return np.unpackbits(octets, axis=1, bitorder="little")


def _column_sums(bits: NDArray[np.uint8]) -> Whole:
    """(64,) sums of (N, 64) zeros and ones: eight columns in one addition, for as many rows as a byte can count."""
    eights = bits.view(np.uint64)
    parts = np.add.reduceat(eights, np.arange(0, len(bits), 255), axis=0) if len(bits) else eights
    return np.asarray(parts.view(np.uint8).sum(axis=0, dtype=np.int64))
