"""Tracks that were two points all along: cut where they come apart.

Two points that lie under one node for a while, far ahead of a walking camera, look like one track until the camera
comes near. Nothing tells which of both a start frame meant, so what follows the fork belongs to another track. A
detector's noise forks tracks too, but those halves stay beside each other, or one of them ends at once.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gim_data.propagation.join import Ids
from gim_data.types import Floats

_Wide = NDArray[np.int64]


def cut_at_forks(track: Ids, frame: _Wide, places: Floats, forks: _Wide, cycle_px: float) -> Ids:
    """Number the tracks anew, with a cut at every fork whose branches ever lie farther apart than ``cycle_px``.

    Args:
        track: (N,) of every node of a video. frame: (N,) that it lies in. places: (N, 2) pixels.
        forks: (2, K) nodes where a track goes on, and where its branch begins as a track of its own.
        cycle_px: pixels, the larger of both axes.

    Returns:
        (N,) int32, from 0 on.
    """
    frames = int(frame.max(initial=0)) + 1
    key = track.astype(np.int64) * frames + frame
    order = np.argsort(key, kind="stable")
    apart = _spread(key[order], places[order], frames, track[forks[0]], track[forks[1]])
    cuts = np.unique(key[forks[0]][apart > cycle_px])
    passed = np.searchsorted(cuts, key, side="right")
    return np.asarray(pd.factorize(track.astype(np.int64) * (len(cuts) + 1) + passed)[0], np.int32)


def _spread(key: _Wide, places: Floats, frames: int, stem: Ids, branch: Ids) -> NDArray[np.float64]:
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
