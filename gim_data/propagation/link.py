"""How observations of different labels become one node of a frame: the join behind every chain.

An *observation* is where a label's match touches a frame. Labels continue each other where their observations join.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
        """Join by identity, then group after group to the nodes so far."""
        positions = np.zeros((0, 2), np.float32)
        nodes: list[Ids] = []
        for group in groups:
            points, identity = _distinct(group)
            ids = np.full(len(points), -1, np.int32)
            mine, theirs = mutual_neighbours(points, positions, self.radius)
            ids[mine] = theirs
            fresh = np.flatnonzero(ids < 0)
            ids[fresh] = len(positions) + np.arange(len(fresh), dtype=np.int32)
            positions = np.concatenate([positions, points[fresh]])
            nodes.append(ids[identity])
        return Joined(nodes, positions)

    def advance(self, tracked: Floats, observed0: Floats, observed1: Floats) -> Floats:
        """The track's place plus the match's displacement."""
        return tracked + (observed1 - observed0)


def make_link(config: PropagationConfig) -> Link:
    """The rule that ``config.link`` names."""
    rules: dict[str, Link] = {"cell": CellLink(), "radius": RadiusLink(config.radius_px)}
    return rules[config.link]


def mutual_neighbours(points0: Floats, points1: Floats, radius: float) -> tuple[Ids, Ids]:
    """Rows of both sets that are each other's nearest neighbour, closer than ``radius``; symmetric in its arguments."""
    if len(points0) == 0 or len(points1) == 0:
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    to1 = np.asarray(cKDTree(points1).query(points0, distance_upper_bound=radius)[1])
    to0 = np.asarray(cKDTree(points0).query(points1, distance_upper_bound=radius)[1])
    near = np.flatnonzero(to1 < len(points1))
    mutual = near[to0[to1[near]] == near]
    return mutual.astype(np.int32), to1[mutual].astype(np.int32)


def _distinct(points: Floats) -> tuple[Floats, Ids]:
    """Distinct rows, and which of them each row is; two float32 are compared as one 64-bit integer."""
    bits = np.ascontiguousarray(points + np.float32(0), np.float32).view(np.int64).ravel()
    _, first, identity = np.unique(bits, return_index=True, return_inverse=True)
    return points[first], identity.astype(np.int32)


def _split(nodes: Ids, groups: Sequence[Floats]) -> list[Ids]:
    return np.split(nodes, np.cumsum([len(group) for group in groups])[:-1]) if groups else []
