"""Points of several groups that lie near each other become one: clusters of mutual nearest neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gim_data.types import Floats

Ids = NDArray[np.int32]
_BITS = 63
_INDEX_BITS = 24  # of a key that orders pairs by distance, then by number
_FINEST = 2.0**38  # distances are told apart down to radius^2 / this


def cluster(points: Floats, groups: NDArray[np.uint64], radius: float) -> Ids:
    """(N,) number of every point's cluster, in order of the clusters' first points.

    Round after round, every two clusters that are each other's nearest, lie nearer than ``radius`` and share no group
    become one, which lies in the mean of its points. So no cluster holds two points of one group, and the order of the
    points decides nothing but exact ties.

    Args:
        points: (N, 2) pixels.
        groups: (N,) bit sets, of ``group_bit``.
        radius: pixels.
    """
    x, y = (points[:, axis].astype(np.float64) for axis in (0, 1))  # apart, and with 32-bit indices: twice as fast
    parent, size, groups = np.arange(len(points), dtype=np.int32), np.ones(len(points)), groups.copy()
    tree = cKDTree(points, balanced_tree=False, compact_nodes=False)  # asked once: a quick build beats a good tree
    a, b = np.ascontiguousarray(tree.query_pairs(radius, output_type="ndarray").T, np.int32)
    while True:
        distance = (x[a] - x[b]) ** 2 + (y[a] - y[b]) ** 2
        able = np.flatnonzero((a != b) & (distance < radius * radius) & ((groups[a] & groups[b]) == 0))
        a, b, distance = a[able], b[able], distance[able]
        if not len(a):
            break
        mutual = np.flatnonzero(_mutual_nearest(a, b, distance / (radius * radius), len(points)))
        kept, gone = np.minimum(a[mutual], b[mutual]), np.maximum(a[mutual], b[mutual])
        weight = size[gone] / (size[kept] + size[gone])
        x[kept] += weight * (x[gone] - x[kept])
        y[kept] += weight * (y[gone] - y[kept])
        size[kept] += size[gone]
        groups[kept] |= groups[gone]
        parent[gone] = kept
        a, b = parent[a], parent[b]
    while (parent[parent] != parent).any():
        parent = parent[parent]
    first = parent == np.arange(len(points))
    return np.asarray((np.cumsum(first) - 1)[parent], np.int32)


def group_bit(number: int) -> np.uint64:
    """The bit of a group. Beyond 63 groups two may share a bit: their points then never join directly."""
    return np.uint64(1 << number % _BITS)


def _mutual_nearest(a: Ids, b: Ids, share: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """(M,) which pairs (a, b) are the nearest of both their ends; ``share`` (M,) is the distance in [0, 1)."""
    key = ((share * _FINEST).astype(np.int64) << _INDEX_BITS) | np.arange(len(a))
    nearest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(nearest, a, key)
    np.minimum.at(nearest, b, key)
    return np.asarray((key == nearest[a]) & (key == nearest[b]))
