"""What arrives at a frame: the routes that lead there propose, and for every node the best supported origin wins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gim_data.propagation.graph import SLOTS, Links
from gim_data.propagation.link import Ids, Link
from gim_data.types import Floats

FIELDS = ("origin", "links", "votes", "support", "confidence", "places")
_HOP_WEIGHT = 256.0
_NOWHERE = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Table:
    """Tracks that arrive at one frame; ``S`` start frames, ``N`` nodes.

    Attributes:
        origin: (S, N) int32 node of the start frame, -1 for none.
        links: (S, N) uint8 links on the way; 0 in the start frame itself.
        votes: (S, N) uint8 teachers behind the weakest link.
        support: (S, N) uint8 teachers times routes that agree on the last step.
        confidence: (S, N) float32 of the weakest link.
        places: (S, N, 2) float32 sub-pixel position.
    """

    origin: Ids
    links: NDArray[np.uint8]
    votes: NDArray[np.uint8]
    support: NDArray[np.uint8]
    confidence: Floats
    places: Floats

    def rows(self, keep: NDArray[np.bool_]) -> Table:
        """The rows of some start frames."""
        return Table(*(getattr(self, name)[keep[: len(self.origin)]] for name in FIELDS))


def arrive(
    routes: list[tuple[Table, Links]], starts: int, nodes: int, link: Link, *, max_links: int, cycle_px: float
) -> Table:
    """The table of a frame from those it is linked with.

    Args:
        routes: for every earlier frame its table, which may have fewer rows than ``starts``, and the links from there.
        starts: rows of the new table.
        nodes: of the frame.
        link: how a track moves along a match.
        max_links: longest chain.
        cycle_px: how far apart routes that agree may end, pixels; a node where they end farther apart is dropped.
    """
    parts = [_proposals(*route, slot, nodes, link, max_links) for route in routes for slot in range(SLOTS)]
    reached = np.zeros(starts * nodes, bool)
    for part in parts:
        reached[part.cells] = True
    cells = np.flatnonzero(reached)
    if not len(cells):
        return _empty(starts, nodes)
    ballot = _Ballot.of(parts, cells, starts * nodes)
    return _one_to_one(ballot.table(cells, starts, nodes, cycle_px))


@dataclass(frozen=True)
class _Proposals:
    """What one slot of one route proposes, ``M`` tracks.

    Attributes:
        cells: (M,) ``start * nodes + node``, each once.
        origin, links, votes, confidence, places: as in ``Table``; ``votes`` are those of the last link.
        weakest: (M,) uint8 votes of the weakest link of the whole way.
    """

    cells: NDArray[np.int64]
    origin: Ids
    links: NDArray[np.uint8]
    votes: NDArray[np.uint8]
    weakest: NDArray[np.uint8]
    confidence: Floats
    places: Floats


def _proposals(table: Table, links: Links, slot: int, nodes: int, link: Link, max_links: int) -> _Proposals:
    """Let every track of ``table`` go along one slot of the links."""
    to = np.flatnonzero(links.node0[slot] >= 0)
    via = links.node0[slot, to]
    usable = (table.origin[:, via] >= 0) & (table.links[:, via] < max_links)
    start, column = np.nonzero(usable)
    here = start * table.origin.shape[1] + via[column]
    node = to[column]
    votes, confidence = links.votes[slot, node], links.confidence[slot, node]
    return _Proposals(
        start * nodes + node,
        table.origin.ravel()[here],
        table.links.ravel()[here] + np.uint8(1),
        votes,
        np.minimum(votes, table.votes.ravel()[here]),
        np.minimum(confidence, table.confidence.ravel()[here]),
        link.advance(table.places.reshape(-1, 2)[here], links.observed0[slot, node], links.observed1[slot, node]),
    )


@dataclass(frozen=True)
class _Ballot:
    """``K`` proposals for each of ``M`` cells that any track reaches.

    Attributes:
        origin, links, votes, weakest, confidence, places: (K, M) as in ``_Proposals``; -1, 255 and 0 where there is
            none.
    """

    origin: Ids
    links: NDArray[np.uint8]
    votes: NDArray[np.uint8]
    weakest: NDArray[np.uint8]
    confidence: Floats
    places: Floats

    @classmethod
    def of(cls, parts: list[_Proposals], cells: NDArray[np.int64], most: int) -> _Ballot:
        """Collect proposals for ``cells`` (M,) of ``most`` there are."""
        column = np.zeros(most, np.int64)
        column[cells] = np.arange(len(cells))
        shape = (len(parts), len(cells))
        ballot = cls(
            np.full(shape, -1, np.int32),
            np.full(shape, 255, np.uint8),
            np.zeros(shape, np.uint8),
            np.zeros(shape, np.uint8),
            np.zeros(shape, np.float32),
            np.zeros((*shape, 2), np.float32),
        )
        for k, part in enumerate(parts):
            for name, values in ballot.__dict__.items():
                values[k, column[part.cells]] = getattr(part, name)
        return ballot

    def count(self) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.int32]]:
        """(M,) the winning proposal, the votes for its origin, and the most that another origin has.

        Most cells are of one mind, and need no counting; the others are looked at one by one.
        """
        winner = self.links.argmin(axis=0)
        support = self.votes.sum(axis=0, dtype=np.int32)
        rival = np.zeros_like(support)
        lowest = np.where(self.origin < 0, np.int32(_NOWHERE), self.origin).min(axis=0)
        contested = np.flatnonzero(lowest != self.origin.max(axis=0))
        parts = (self.origin[:, contested], self.votes[:, contested], self.links[:, contested])
        winner[contested], support[contested], rival[contested] = _elect(*parts)
        return winner, support, rival

    def table(self, cells: NDArray[np.int64], starts: int, nodes: int, cycle_px: float) -> Table:
        """What was elected, where it has more votes than its rival and its routes end within ``cycle_px``."""
        winner, support, rival = self.count()
        column = np.arange(len(cells))
        chosen, place = self.origin[winner, column], self.places[winner, column]
        agree = self.origin == chosen
        spread = np.where(agree, np.abs(self.places - place).max(axis=-1), 0).max(axis=0)
        good = np.flatnonzero((support > rival) & (spread <= cycle_px))
        elected = (
            chosen,
            self.links[winner, column],
            np.where(agree, self.weakest, 0).max(axis=0),
            support.clip(0, 255),
            np.where(agree, self.confidence, 0).max(axis=0),
            place,
        )
        table = _empty(starts, nodes)
        for name, values in zip(FIELDS, elected, strict=True):
            whole = getattr(table, name)
            whole.reshape(starts * nodes, *whole.shape[2:])[cells[good]] = values[good]
        return table


def _elect(
    origin: Ids, votes: NDArray[np.uint8], links: NDArray[np.uint8]
) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.int32]]:
    """(M,) the winner of (K, M) candidates, its votes and its rival's: most votes, then fewest links."""
    score = np.zeros(origin.shape, np.int32)
    for k in range(len(origin)):
        score[k] = np.where(origin == origin[k], votes, 0).sum(axis=0, dtype=np.int32)
    score[origin < 0] = 0
    winner = (score * _HOP_WEIGHT - links).argmax(axis=0)
    chosen = np.take_along_axis(origin, winner[None], 0)
    support = np.take_along_axis(score, winner[None], 0)[0]
    return winner, support, np.where(origin != chosen, score, 0).max(axis=0)


def _empty(starts: int, nodes: int) -> Table:
    shape = (starts, nodes)
    return Table(
        np.full(shape, -1, np.int32),
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.float32),
        np.zeros((*shape, 2), np.float32),
    )


def _one_to_one(table: Table) -> Table:
    """An origin keeps the node with the most support (then the fewest hops, then the most confidence)."""
    row, node = np.nonzero(table.origin >= 0)
    origin = table.origin[row, node]
    key = row * (int(origin.max(initial=0)) + 1) + origin
    shared = np.flatnonzero(np.bincount(key)[key] > 1)
    row, node, key = row[shared], node[shared], key[shared]
    worth = table.support[row, node] * _HOP_WEIGHT - table.links[row, node] + table.confidence[row, node] / 2
    order = np.lexsort((node, -worth, key))
    losers = order[1:][np.diff(key[order]) == 0]
    table.origin[row[losers], node[losers]] = -1
    return table
