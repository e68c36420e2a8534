"""Points of several groups that lie near each other become one: clusters of mutual nearest neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gim_data.propagation.order import Whole, order_by
from gim_data.types import Floats

Ids = NDArray[np.int32]
_BITS = 63
_INDEX_BITS = 24  # of a key that orders pairs by distance, then by number
_FINEST = 2.0**38  # distances are told apart down to radius^2 / this
_HALF = 32  # bits of a pair's second point in one number
_STRIP = 4  # radii that a strip of points is high
_STEPS = 256  # a radius, along a strip
_SURE = 1 - 1e-9  # of radius^2: nearer than this, means of points lie within the radius whatever is rounded


def cluster(points: Floats, groups: NDArray[np.uint64], radius: float) -> Ids:
    """(N,) number of every point's cluster, in order of the clusters' first points.

    Round after round, every two clusters that are each other's nearest, lie nearer than ``radius`` and share no group
    become one, which lies in the mean of its points; those that came to lie farther apart stay so. So no cluster holds
    two points of one group, and the order of the points decides nothing but exact ties: the earlier points win.

    Args:
        points: (N, 2) pixels.
        groups: (N,) bit sets, of ``group_bit``.
        radius: pixels.
    """
    x, y = (points[:, axis].astype(np.float64) for axis in (0, 1))
    a, b = near_pairs(x, y, radius)
    parent = _cliques(a, b, groups, _apart(x, y, a, b) < radius * radius * _SURE)
    rest = np.flatnonzero(parent.take(a) < 0)
    a, b, parent = a.take(rest), b.take(rest), np.where(parent < 0, np.arange(len(points)), parent)
    size, groups = np.ones(len(points)), groups.copy()
    while True:
        distance = _apart(x, y, a, b)
        able = (a != b) & (distance < radius * radius) & ((groups.take(a) & groups.take(b)) == 0)
        a, b, distance = a.compress(able), b.compress(able), distance.compress(able)
        if not len(a):
            break
        mutual = np.flatnonzero(_mutual_nearest(a, b, distance / (radius * radius), len(points)))
        one, other = a.take(mutual), b.take(mutual)
        kept, gone = np.minimum(one, other), np.maximum(one, other)
        weight = size[gone] / (size[kept] + size[gone])
        x[kept] += weight * (x[gone] - x[kept])
        y[kept] += weight * (y[gone] - y[kept])
        size[kept] += size[gone]
        groups[kept] |= groups[gone]
        parent[gone] = kept
        a, b = parent.take(a), parent.take(b)
    while (parent.take(parent) != parent).any():
        parent = parent.take(parent)
    first = parent == np.arange(len(points))
    return (np.cumsum(first, dtype=np.int32) - np.int32(1)).take(parent)


def group_bit(number: int) -> np.uint64:
    """The bit of a group. Beyond 63 groups two may share a bit: their points then never join directly."""
    return np.uint64(1 << number % _BITS)


def near_pairs(x: NDArray[np.float64], y: NDArray[np.float64], radius: float) -> tuple[Whole, Whole]:
    """The pairs a < b of points (N,), (N,) that lie nearer to each other than ``radius``, in order.

    Points lie in strips, those near the lower border of one in the next one too, and are sorted along it: whoever is
    near comes soon after. With two points per pixel that is five times as fast as a tree.
    """
    down = (y - y.min(initial=np.inf)) / (_STRIP * radius)
    strip = down.astype(np.int64)
    below = np.flatnonzero(down - strip > 1 - 1.001 / _STRIP)
    row, strip = np.r_[np.arange(len(x)), below], np.r_[strip, strip[below] + 1]
    along = ((x - x.min(initial=np.inf)) * (_STEPS / radius)).astype(np.int64).take(row)
    order = order_by(strip, along)
    place = (strip * (along.max(initial=0) + 2 * _STEPS) + along).take(order)
    own, row = order < len(x), row.take(order)
    x, y = (np.asarray(axis.take(row)) for axis in (x, y))
    found, here, step = [np.zeros(0, np.int64)], np.arange(len(row) - 1), 1
    while len(here):
        there = here + step
        soon = place.take(there) - place.take(here) <= _STEPS
        here, there = here.compress(soon), there.compress(soon)
        near = (x.take(here) - x.take(there)) ** 2 + (y.take(here) - y.take(there)) ** 2 < radius * radius
        near &= own.take(here) | own.take(there)
        one, other = row.take(here.compress(near)), row.take(there.compress(near))
        found.append((np.minimum(one, other) << _HALF) | np.maximum(one, other))
        step += 1
        here = here[: np.searchsorted(here, len(row) - step)]
    pairs = np.concatenate(found)
    pairs.sort()
    return pairs >> _HALF, pairs & ((1 << _HALF) - 1)


def _cliques(a: Whole, b: Whole, groups: NDArray[np.uint64], sure: NDArray[np.bool_]) -> Whole:
    """(N,) the first point of every point's cluster where that needs no rounds, else -1.

    Points that are all near each other, near no other point and all of different groups become one whatever joins
    first, since all means lie between them. Most clusters are like that.

    Args:
        a, b: (M,) pairs of near points, a < b. groups: (N,) as in ``cluster``. sure: (M,) surely within the radius.
    """
    count = len(groups)
    least = np.arange(count)
    np.minimum.at(least, b, a)
    others = np.bincount(least, minlength=count) - 1
    near = np.bincount(a, minlength=count) + np.bincount(b, minlength=count)
    bad = np.zeros(count, np.bool_)
    bad[least.compress(near != others.take(least))] = True
    from_a, from_b = least.take(a), least.take(b)
    wrong = (from_a != from_b) | ((groups.take(a) & groups.take(b)) != 0) | ~sure
    bad[from_a.compress(wrong)] = True
    bad[from_b.compress(wrong)] = True
    return np.where(bad.take(least), -1, least)


def _apart(x: NDArray[np.float64], y: NDArray[np.float64], a: Whole, b: Whole) -> NDArray[np.float64]:
    """(M,) squared distances of pairs."""
    return np.asarray((x.take(a) - x.take(b)) ** 2 + (y.take(a) - y.take(b)) ** 2)


def _mutual_nearest(a: Whole, b: Whole, share: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """(M,) which pairs (a, b) are the nearest of both their ends; ``share`` (M,) is the distance in [0, 1)."""
    key = ((share * _FINEST).astype(np.int64) << _INDEX_BITS) | np.arange(len(a))
    nearest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(nearest, a, key)
    np.minimum.at(nearest, b, key)
    return np.asarray((key == nearest.take(a)) & (key == nearest.take(b)))
