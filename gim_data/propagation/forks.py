"""Tracks that were two points all along: cut where they come apart.

Two points that lie under one node for a while, far ahead of a walking camera, look like one track until the camera
comes near. Nothing tells which of both a start frame meant, so what follows the fork belongs to another track. A
detector's noise forks tracks too, but those halves stay beside each other, or one of them ends at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gim_data.propagation.join import Ids
from gim_data.propagation.order import Whole, changes, order_by
from gim_data.types import Floats


def cut_at_forks(track: Ids, frame: Whole, places: Floats, forks: Whole, cycle_px: float) -> Ids:
    """Number the tracks anew, with a cut at every fork whose branches ever lie farther apart than ``cycle_px``.

    Args:
        track: (N,) of every node of a video. frame: (N,) that it lies in. places: (N, 2) pixels.
        forks: (2, K) nodes where a track goes on, and where its branch begins as a track of its own.
        cycle_px: pixels, the larger of both axes.

    Returns:
        (N,) int32, from 0 on.
    """
    frames, order = int(frame.max(initial=0)) + 1, order_by(track, frame)
    key = track.take(order).astype(np.int64) * frames + frame.take(order)
    apart = _spread(key, places.take(order, axis=0), frames, track[forks[0]], track[forks[1]])
    cut = np.zeros(len(key), np.bool_)
    fork = forks[0][apart > cycle_px]
    cut[np.searchsorted(key, track[fork].astype(np.int64) * frames + frame[fork])] = True
    begin = np.flatnonzero(changes(key // frames) | cut)
    number = np.empty(len(begin), np.int32)
    number[order_by(order[begin])] = np.arange(len(begin), dtype=np.int32)  # by the first node of each
    new = np.empty(len(key), np.int32)
    new[order] = np.repeat(number, np.diff(np.r_[begin, len(key)]))
    return new


def _spread(key: Whole, places: Floats, frames: int, stem: Ids, branch: Ids) -> NDArray[np.float64]:
    """(K,) how far apart both tracks ever are in one frame; ``key`` (N,) is ``track * frames + frame``, sorted."""
    start, stop = (np.searchsorted(key, (branch.astype(np.int64) + side) * frames) for side in (0, 1))
    fork = np.repeat(np.arange(len(branch)), stop - start)
    mine = np.arange(len(fork)) + (start - np.r_[0, np.cumsum(stop - start)[:-1]])[fork]
    wanted = stem.astype(np.int64)[fork] * frames + key[mine] % frames
    theirs = np.searchsorted(key, wanted).clip(max=max(0, len(key) - 1))
    both = np.flatnonzero(key[theirs] == wanted)
    far = np.zeros(len(branch))
    np.maximum.at(far, fork[both], np.abs(places[theirs[both]] - places[mine[both]]).max(axis=1, initial=0))
    return far
