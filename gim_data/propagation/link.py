"""How observations of different labels become one node of a frame: the join behind every chain.

An *observation* is where a label's match touches a frame. Labels continue each other where their observations join.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gim_data.propagation.config import PropagationConfig
from gim_data.types import Floats, Size

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Joined:
    """The nodes of one frame.

    Attributes:
        nodes: one (N_i,) int32 array per group of observations: the node of each.
        positions: (M, 2) float32 where each node lies.
    """

    nodes: list[Ids]
    positions: Floats


class Link(Protocol):
    """A rule for joining."""

    def join(self, groups: Sequence[Floats], size: Size) -> Joined:
        """Join the observations of one frame.

        Args:
            groups: (N_i, 2) pixels each. Within a group equal coordinates are the same keypoint.
            size: (width, height) of the frame.
        """
        ...

    def advance(self, tracked: Floats, observed0: Floats, observed1: Floats) -> Floats:
        """Where a track that lies at ``tracked`` goes along the match ``observed0 -> observed1``; all (..., 2)."""
        ...


@dataclass(frozen=True)
class CellLink:
    """GIM's rule (GIM.md 2.3): observations join when they round to the same pixel, and the last one gives its place.

    The published key ``round(x) + round(y) * W`` lets x = W collide with the next row; a column more avoids that.
    """

    def join(self, groups: Sequence[Floats], size: Size) -> Joined:
        """Join by rounded pixel."""
        points = np.concatenate([np.zeros((0, 2), np.float32), *groups])
        cells = np.round(points).astype(np.int64)
        _, nodes = np.unique(cells[:, 0] + cells[:, 1] * (size[0] + 1), return_inverse=True)
        positions = np.zeros((nodes.max(initial=-1) + 1, 2), np.float32)
        positions[nodes] = points
        return Joined(_split(nodes.astype(np.int32), groups), positions)

    def advance(self, tracked: Floats, observed0: Floats, observed1: Floats) -> Floats:
        """The end of the match: what lay off the joint inside the pixel is lost at every hop."""
        return np.broadcast_to(observed1, tracked.shape)


@dataclass(frozen=True)
class RadiusLink:
    """Observations join by keypoint identity within a group, and across groups as mutual nearest neighbours.

    A track keeps its sub-pixel place: a match moves it *by* the match's displacement, so that the gap between two
    joined observations is not added at every hop; chains of one sparse teacher telescope to the detections themselves.

    Attributes:
        radius: largest distance of neighbours, pixels.
    """

    radius: float

    def join(self, groups: Sequence[Floats], size: Size) -> Joined:
        """Join by identity, then group after group to the nodes so far.

        All points that lie near each other are found at once: a search tree per group would cost a hundred times more.
        """
        points, sites = _sites(groups)
        near = _Neighbours(points, self.radius)
        node_of = np.full(len(points), -1, np.int32)  # of every site; a node lies where its first site does
        leader = np.zeros(len(points), bool)
        count = 0
        for group in sites:
            members = np.unique(group)
            fresh = members[node_of[members] < 0]
            mine, theirs = near.mutual(fresh, leader, taken=node_of[members], node_of=node_of)
            node_of[mine] = node_of[theirs]
            new = fresh[node_of[fresh] < 0]
            node_of[new] = count + np.arange(len(new), dtype=np.int32)
            leader[new], count = True, count + len(new)
        positions = np.empty((count, 2), np.float32)
        positions[node_of[leader]] = points[leader]
        return Joined([node_of[group] for group in sites], positions)

    def advance(self, tracked: Floats, observed0: Floats, observed1: Floats) -> Floats:
        """The track's place plus the match's displacement."""
        return tracked + (observed1 - observed0)


def make_link(config: PropagationConfig) -> Link:
    """The rule that ``config.link`` names."""
    rules: dict[str, Link] = {"cell": CellLink(), "radius": RadiusLink(config.radius_px)}
    return rules[config.link]


@dataclass(frozen=True)
class _Neighbours:
    """Which of many points lie closer to each other than a radius, from both sides."""

    points: Floats
    radius: float

    @cached_property
    def _rows(self) -> tuple[Ids, NDArray[np.int64], Floats]:
        """For every point its neighbours' numbers and distances, and where its part of both lists begins."""
        found = cKDTree(self.points).query_pairs(self.radius, output_type="ndarray")
        both = np.concatenate([found, found[:, ::-1]])
        distance = np.linalg.norm(self.points[both[:, 0]] - self.points[both[:, 1]], axis=1)
        inside = distance < self.radius
        both, distance = both[inside], distance[inside]
        order = np.lexsort((both[:, 1], distance, both[:, 0]))
        begin = np.searchsorted(both[order, 0], np.arange(len(self.points) + 1))
        return both[order, 1].astype(np.int32), begin, distance[order]

    def mutual(self, fresh: Ids, leader: NDArray[np.bool_], *, taken: Ids, node_of: Ids) -> tuple[Ids, Ids]:
        """Points of ``fresh`` and the leaders that they are mutual nearest neighbours with.

        Args:
            fresh: (N,) points of one group that have no node.
            leader: (P,) bool, the points that nodes lie at.
            taken: nodes that other points of the group lie under already; -1 for none.
            node_of: (P,) node of every point.
        """
        others, begin, distance = self._rows
        counts = begin[fresh + 1] - begin[fresh]
        starts = np.repeat(begin[fresh] - np.r_[0, np.cumsum(counts)[:-1]], counts)
        entry = starts + np.arange(len(starts))
        mine, theirs, far = np.repeat(fresh, counts), others[entry], distance[entry]
        known = leader[theirs]
        mine, theirs, far = mine[known], theirs[known], far[known]
        best = _first_by(mine, far, theirs) & _first_by(theirs, far, mine)
        best &= ~np.isin(node_of[theirs], taken)
        return mine[best], theirs[best]


def _first_by(key: Ids, distance: Floats, tie: Ids) -> NDArray[np.bool_]:
    """(N,) bool, the nearest entry of every key."""
    order = np.lexsort((tie, distance, key))
    first = np.zeros(len(key), bool)
    first[order] = np.r_[True, np.diff(key[order]) != 0][: len(key)]
    return first


def _sites(groups: Sequence[Floats]) -> tuple[Floats, list[Ids]]:
    """The distinct points of all groups in order of first appearance, and which of them every observation is.

    Two float32 are compared as one 64-bit integer.
    """
    points = np.concatenate([np.zeros((0, 2), np.float32), *groups])
    bits = np.ascontiguousarray(points + np.float32(0), np.float32).view(np.int64).ravel()
    _, first, identity = np.unique(bits, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return points[first[order]], _split(rank[identity], groups)


def _split(nodes: Ids, groups: Sequence[Floats]) -> list[Ids]:
    return np.split(nodes, np.cumsum([len(group) for group in groups])[:-1]) if groups else []
