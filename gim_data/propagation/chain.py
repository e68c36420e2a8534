"""Tracks from every start frame at once, forward through time along the match graph.

For each frame there is a table with one row per start frame and one column per node: which node of the start frame lies
under this node, after how many hops, and where exactly. A new frame's table is read from the tables of the earlier
frames it is linked with, over skips of every length. So a node is reached on several *routes* (three short hops, one
long one), and routes must agree: that is the cycle check. The cost is linear in frames times reach, all of it gathers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gim_data.labels.coverage import cell_of, grid_size
from gim_data.propagation.graph import MatchGraph
from gim_data.propagation.link import Ids, Link
from gim_data.propagation.table import FIELDS, Table, arrive
from gim_data.types import Floats


@dataclass(frozen=True)
class Arrival:
    """The tracks of one start frame at one later frame.

    Attributes:
        frame0, frame1: the start frame and the frame they arrive at.
        origin: (N,) nodes of frame0.
        places: (N, 2) pixels of frame1.
        hops, votes, confidence: as in ``PairLabel``.
        overlap: share of frame0's covered cells with a surviving track.
    """

    frame0: int
    frame1: int
    origin: Ids
    places: Floats
    hops: NDArray[np.uint8]
    votes: NDArray[np.uint8]
    confidence: Floats
    overlap: float


@dataclass(frozen=True)
class ChainRules:
    """What a track must pass at every step, and when a start frame is done.

    Attributes:
        max_links: longest chain.
        min_support: teachers times routes that must agree on the last step of a track with hops.
        cycle_px: how far apart agreeing routes may end.
        min_matches, min_overlap: with fewer tracks, or less coverage, in every recent frame a start frame is done.
    """

    max_links: int
    min_support: int
    cycle_px: float
    min_matches: int
    min_overlap: float


def propagate(graph: MatchGraph, link: Link, rules: ChainRules) -> Iterator[Arrival]:
    """Every (start frame, later frame) with enough tracks, ordered by the later frame.

    Args:
        graph: the joined labels.
        link: how a track moves along a match.
        rules: see ``ChainRules``.
    """
    into = _incoming(graph)
    window = max((b - a for a, b in graph.links), default=1)
    cells = [cell_of(positions, graph.size) for positions in graph.positions]
    covered = [len(np.unique(own)) for own in cells]
    starts, alive_at = np.zeros(0, np.int64), np.zeros(0, np.int64)
    tables: dict[int, Table] = {}
    for frame, positions in enumerate(graph.positions):
        routes = [(tables[a], graph.links[a, frame]) for a in into[frame] if a in tables]
        table = arrive(routes, len(starts), len(positions), link, max_links=rules.max_links, cycle_px=rules.cycle_px)
        alive = np.zeros(len(starts), bool)
        for row, arrival in _arrivals(table, starts, frame, cells, covered, graph, rules):
            alive[row] = True
            yield arrival
        alive_at[alive] = frame
        keep = alive_at > frame - window
        starts, alive_at = np.append(starts[keep], frame), np.append(alive_at[keep], frame)
        tables[frame] = table
        tables = {a: t if keep.all() else t.rows(keep) for a, t in tables.items() if a > frame - window}
        tables[frame] = _with_start(tables[frame], positions)


def _incoming(graph: MatchGraph) -> list[list[int]]:
    into: list[list[int]] = [[] for _ in graph.positions]
    for a, b in sorted(graph.links):
        into[b].append(a)
    return into


def _with_start(table: Table, positions: Floats) -> Table:
    """The table with one more row: the frame itself as a start."""
    n = len(positions)
    own = (np.arange(n, dtype=np.int32), np.zeros(n, np.uint8), np.full(n, 255, np.uint8), np.full(n, 255, np.uint8))
    values = (*own, np.ones(n, np.float32), positions)
    stacked = zip(FIELDS, values, strict=True)
    return Table(*(np.concatenate([getattr(table, name), np.asarray(new)[None]]) for name, new in stacked))


def _arrivals(
    table: Table,
    starts: NDArray[np.int64],
    frame: int,
    cells: list[Ids],
    covered: list[int],
    graph: MatchGraph,
    rules: ChainRules,
) -> Iterator[tuple[int, Arrival]]:
    """Rows with enough tracks over enough of their start frame."""
    trusted = (table.origin >= 0) & ((table.support >= rules.min_support) | (table.links == 1))
    for row in np.flatnonzero(trusted.sum(axis=1) >= rules.min_matches):
        start = int(starts[row])
        node = np.flatnonzero(trusted[row])
        origin = table.origin[row, node]
        seen = np.zeros(grid_size(graph.size), bool)
        seen[cells[start][origin]] = True
        overlap = float(seen.sum() / max(1, covered[start]))
        inside = (table.places[row, node] >= -0.5) & (table.places[row, node] <= np.subtract(graph.size, 0.5))
        if overlap < rules.min_overlap:
            continue
        node, origin = node[inside.all(axis=1)], origin[inside.all(axis=1)]
        hops = table.links[row, node] - 1
        picked = (hops.astype(np.uint8), table.votes[row, node], table.confidence[row, node])
        yield int(row), Arrival(start, frame, origin, table.places[row, node], *picked, overlap)
