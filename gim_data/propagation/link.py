"""How observations of different labels become one node of a frame: the join behind every track.

An *observation* is where a label's match touches a frame. Labels continue each other where their observations join.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gim_data.propagation.config import PropagationConfig
from gim_data.propagation.join import Ids, cluster, group_bit
from gim_data.types import Floats, Size


@dataclass(frozen=True)
class Joined:
    """The nodes of one frame.

    Attributes:
        nodes: (N,) int32 node of every observation, group after group.
        positions: (M, 2) float32 where each node lies.
    """

    nodes: Ids
    positions: Floats


class Link(Protocol):
    """A rule for joining."""

    def join(self, groups: Sequence[Floats], size: Size) -> Joined:
        """Join the observations of one frame.

        Args:
            groups: (N_i, 2) pixels each, those of the most precise teacher first. Within a group equal coordinates are
                the same keypoint.
            size: (width, height) of the frame.
        """
        ...


@dataclass(frozen=True)
class CellLink:
    """GIM's rule (GIM.md 2.3): observations join when they round to the same pixel, and the last one gives its place.

    The published key ``round(x) + round(y) * W`` lets x = W collide with the next row; a column more avoids that.
    """

    def join(self, groups: Sequence[Floats], size: Size) -> Joined:
        """Join by rounded pixel."""
        points = _stacked(groups)
        cells = np.round(points).astype(np.int64)
        nodes = _numbered(cells[:, 0] + cells[:, 1] * (size[0] + 1))
        positions = np.zeros((nodes.max(initial=-1) + 1, 2), np.float32)
        positions[nodes] = points
        return Joined(nodes, positions)


@dataclass(frozen=True)
class RadiusLink:
    """Observations join by keypoint identity within a group, and across groups as mutual nearest neighbours.

    A node lies at the first of its observations, the most precise teacher's, and not where a chain of matches led: what
    a detector puts there is wrong by its noise once, a chain by the noise of every hop.

    Attributes:
        radius: largest distance of neighbours, pixels.
    """

    radius: float

    def join(self, groups: Sequence[Floats], size: Size) -> Joined:
        """Join by identity, then by nearness. Two float32 are compared as one 64-bit integer."""
        points = _stacked(groups)
        site_of = _numbered(np.ascontiguousarray(points + np.float32(0)).view(np.int64).ravel())
        first = _firsts(site_of)
        bits = np.zeros(len(first), np.uint64)
        for number, own in enumerate(np.split(site_of, np.cumsum([len(group) for group in groups])[:-1])):
            bits[own] |= group_bit(number)
        sites = points.take(first, axis=0)
        node_of = cluster(sites, bits, self.radius)
        return Joined(node_of.take(site_of), sites.take(_firsts(node_of), axis=0))


def make_link(config: PropagationConfig) -> Link:
    """The rule that ``config.link`` names."""
    rules: dict[str, Link] = {"cell": CellLink(), "radius": RadiusLink(config.radius_px)}
    return rules[config.link]


def _stacked(groups: Sequence[Floats]) -> Floats:
    return np.concatenate([np.zeros((0, 2), np.float32), *groups])


def _numbered(keys: NDArray[np.int64]) -> Ids:
    """(N,) number of each key, in order of first appearance."""
    return np.asarray(pd.factorize(keys)[0], np.int32)


def _firsts(numbers: Ids) -> Ids:
    """Where 0, 1, 2... first appear in ``numbers`` (N,), which hold them in order of appearance."""
    new = np.r_[-1, np.maximum.accumulate(numbers)[:-1]][: len(numbers)] < numbers
    return np.flatnonzero(new).astype(np.int32)
