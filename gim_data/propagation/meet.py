"""What two frames share: the tracks that pass both, and the matches that lead from one to the other along them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gim_data.labels.coverage import cell_of, grid_size
from gim_data.propagation.graph import MatchGraph
from gim_data.propagation.join import Ids
from gim_data.propagation.tracks import Tracks
from gim_data.types import Floats


@dataclass(frozen=True)
class Arrival:
    """The tracks of a start frame that a later frame sees.

    Attributes:
        frame0, frame1: both frames.
        node0, node1: (N,) nodes of either, in the list of all (``Tracks``).
        overlap: share of frame0's covered cells with a surviving track.
    """

    frame0: int
    frame1: int
    node0: Ids
    node1: Ids
    overlap: float


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


def meetings(graph: MatchGraph, tracks: Tracks, rules: MeetRules) -> Iterator[Arrival]:
    """Every (start frame, later frame) with enough tracks, ordered by start frame, then by the later one."""
    window = max((frame - arc.frame0 for frame, arcs in enumerate(graph.into) for arc in arcs), default=0)
    node_of = np.full(int(tracks.track.max(initial=-1)) + 1, -1, np.int32)
    for start, positions in enumerate(graph.positions):
        at = tracks.nodes(start)
        node_of[tracks.track[at]] = np.arange(at.start, at.stop, dtype=np.int32)
        cells, alive = cell_of(positions, graph.size), start
        for frame in range(start + 1, len(graph.positions)):
            if frame - alive > window:
                break
            arrival = _meeting(tracks, rules, (start, frame), node_of, cells, grid_size(graph.size))
            if arrival is not None:
                alive = frame
                yield arrival
        node_of[tracks.track[at]] = -1


def _meeting(
    tracks: Tracks, rules: MeetRules, pair: tuple[int, int], node_of: Ids, cells: NDArray[np.int32], grid: int
) -> Arrival | None:
    """What both frames share, if it is enough; ``cells`` (N,) are those of frame0's nodes, ``grid`` how many exist."""
    at = tracks.nodes(pair[1])
    node0 = node_of[tracks.track[at]]
    here = np.flatnonzero(node0 >= 0)
    node0, node1 = node0[here], (at.start + here).astype(np.int32)
    trusted = tracks.support[node1] >= rules.min_support
    doubtful = np.flatnonzero(~trusted)
    trusted[doubtful] = (tracks.back[:, node1[doubtful]] == node0[doubtful]).any(axis=0)
    node0, node1 = node0[trusted], node1[trusted]
    if len(node0) < rules.min_matches:
        return None
    seen, covered = np.zeros(grid, bool), np.zeros(grid, bool)
    covered[cells] = True
    seen[cells[node0 - tracks.begin[pair[0]]]] = True
    overlap = float(seen.sum() / covered.sum())
    return Arrival(*pair, node0, node1, overlap) if overlap >= rules.min_overlap else None


@dataclass(frozen=True)
class Ways:
    """How N tracks came from one frame to another.

    Attributes:
        links: (N,) matches on the way.
        votes: (N,) uint8 teachers behind the weakest of them.
        confidence: (N,) float32 of the weakest.
    """

    links: NDArray[np.int32]
    votes: NDArray[np.uint8]
    confidence: Floats


def walk_back(tracks: Tracks, arrival: Arrival) -> Ways:
    """Go back from frame1 to frame0 along every track, always by the longest match that does not pass frame0.

    Where all matches pass it (both frames were reached from an earlier one), two links stand for the rest of the way.
    """
    here, first = arrival.node1.copy(), tracks.begin[arrival.frame0]
    ways = Ways(np.zeros(len(here), np.int32), np.full(len(here), 255, np.uint8), np.ones(len(here), np.float32))
    going = np.arange(len(here))
    while len(going):
        node, goal = here[going], arrival.node0[going]
        back = tracks.back[:, node]
        inside = back >= first
        passing = ~inside.any(axis=0)
        step = np.where(passing, back >= 0, inside).argmax(axis=0), node
        ways.links[going] += 1 + passing
        ways.votes[going] = np.minimum(ways.votes[going], tracks.votes[step].clip(1))
        known = np.where(tracks.back[step] >= 0, tracks.confidence[step], 1)
        ways.confidence[going] = np.minimum(ways.confidence[going], known)
        here[going] = np.where(passing, goal, tracks.back[step])
        going = going[here[going] != goal]
    return ways
