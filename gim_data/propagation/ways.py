"""How tracks came from one frame to another: the matches on the way, and the weakest evidence among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gim_data.propagation.join import Ids
from gim_data.propagation.meet import Arrival
from gim_data.propagation.order import Whole
from gim_data.propagation.tracks import Tracks
from gim_data.types import Floats


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


@dataclass(frozen=True)
class Steps:
    """The last match on the way to nodes.

    Attributes:
        back: (N,) node it comes from, -1 for none. votes: (N,) uint8, 1 at least. confidence: (N,) float32, 1 for none.
    """

    back: Ids
    votes: NDArray[np.uint8]
    confidence: Floats


def longest_steps(tracks: Tracks) -> Steps:
    """The longest match into every node of a video."""
    at = (tracks.back >= 0).argmax(axis=0), np.arange(tracks.back.shape[1])
    back = tracks.back[at]
    return Steps(back, tracks.votes[at].clip(1), np.where(back >= 0, tracks.confidence[at], np.float32(1)))


def walk_back(tracks: Tracks, longest: Steps, arrivals: Sequence[Arrival]) -> list[Ways]:
    """Go back from frame1 to frame0 along every track, always by the longest match that does not pass frame0.

    Where all matches pass it (both frames were reached from an earlier one), two links stand for the rest of the way.

    Args:
        tracks: of the video.
        longest: of its nodes, from ``longest_steps``: what most of the way is made of.
        arrivals: the tracks to go along, all from one start frame.
    """
    first = tracks.begin[arrivals[0].frame0]
    goal, here = (np.concatenate(parts) for parts in zip(*((a.node0, a.node1) for a in arrivals), strict=True))
    row, n = np.arange(len(here)), len(here)
    ways = Ways(np.zeros(n, np.int32), np.zeros(n, np.uint8), np.zeros(n, np.float32))
    links, votes, confidence = np.zeros(n, np.int32), np.full(n, 255, np.uint8), np.ones(n, np.float32)
    while len(row):
        last = Steps(longest.back.take(here), longest.votes.take(here), longest.confidence.take(here))
        links += 1
        far = np.flatnonzero(last.back < first)
        if len(far):
            links[far] += _shorten(tracks, last, far, here.take(far), goal.take(far), first)
        votes, confidence = np.minimum(votes, last.votes), np.minimum(confidence, last.confidence)
        home = last.back == goal
        here = last.back
        if home.any():
            done = row.compress(home)
            ways.links[done], ways.votes[done] = links.compress(home), votes.compress(home)
            ways.confidence[done] = confidence.compress(home)
            going = (row, here, goal, links, votes, confidence)
            row, here, goal, links, votes, confidence = (part.compress(~home) for part in going)
    ends = np.cumsum([len(arrival.node0) for arrival in arrivals])[:-1]
    parts = (np.split(whole, ends) for whole in (ways.links, ways.votes, ways.confidence))
    return [Ways(*each) for each in zip(*parts, strict=True)]


def _shorten(tracks: Tracks, last: Steps, far: Whole, node: Ids, goal: Ids, first: int) -> NDArray[np.bool_]:
    """Put longest matches that do not pass the node ``first`` in the place of those (K,) ``far`` in ``last`` that do.

    Returns:
        (K,) where all pass it: there any match will do, and the next node is the ``goal``.
    """
    back, route = goal.copy(), np.full(len(far), -1)
    for number, from_there in reversed(list(enumerate(tracks.back))):
        farther = from_there.take(node)
        inside = farther >= first
        back, route = np.where(inside, farther, back), np.where(inside, number, route)
    last.back[far] = back
    known = np.flatnonzero(route >= 0)
    at = route.take(known) * tracks.back.shape[1] + node.take(known)
    last.votes[far.take(known)] = tracks.votes.ravel().take(at).clip(1)
    last.confidence[far.take(known)] = tracks.confidence.ravel().take(at)
    return np.asarray(route < 0)
