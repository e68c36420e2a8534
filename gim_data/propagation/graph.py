"""All direct labels of a video as one graph: nodes per frame, links per frame pair. Every segment is joined once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gim_data.errors import GimError
from gim_data.propagation.link import Ids, Link
from gim_data.types import Floats, PairLabel, Size

SLOTS = 2
"""Links kept into one node from one earlier frame: the best supported one and its rival."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Source:
    """The direct labels of one teacher at one skip and pass.

    Attributes:
        teacher: its name.
        labels: one per pair.
        sparse: equal coordinates in different pairs are the same keypoint.
    """

    teacher: str
    labels: Sequence[PairLabel]
    sparse: bool = True


@dataclass(frozen=True)
class Links:
    """The links of one frame pair, by the node they arrive at. ``N`` nodes in the later frame.

    Attributes:
        node0: (SLOTS, N) int32 node of the earlier frame, -1 for none.
        votes: (SLOTS, N) uint8 teachers that made the link.
        confidence: (SLOTS, N) float32.
        observed0, observed1: (SLOTS, N, 2) float32 the match itself.
    """

    node0: Ids
    votes: NDArray[np.uint8]
    confidence: Floats
    observed0: Floats
    observed1: Floats


@dataclass(frozen=True)
class MatchGraph:
    """What propagation walks on.

    Attributes:
        positions: (N_f, 2) of every frame's nodes.
        links: ``(frame0, frame1)`` -> links, frame0 < frame1.
        size: (width, height) of the frames.
    """

    positions: list[Floats]
    links: dict[Pair, Links]
    size: Size

    def __post_init__(self) -> None:
        for (a, b), links in self.links.items():
            known = 0 <= a < b < len(self.positions)
            assert known, f"links ({a}, {b}) do not lie between two frames of the video"
            assert links.node0.shape[1] == len(self.positions[b]), f"links ({a}, {b}) end in another frame's nodes"
            assert links.node0.max(initial=-1) < len(self.positions[a]), f"links ({a}, {b}) start in another frame"


def build_graph(
    sources: Sequence[Source], link: Link, *, frames: int, size: Size, quorum: int, min_direct: int
) -> MatchGraph:
    """Join all labels of a video.

    Args:
        sources: label sets, the most precise teacher first (its matches place the tracks where several agree).
        link: the joining rule.
        frames: frames of the video.
        size: (width, height) of the frames.
        quorum: teachers that must have labelled a pair with ``min_direct`` matches for the pair to be used. GIM asks
            it of every method (GIM.md 2.1), and one that fails then silences the others.
        min_direct: see ``quorum``.

    Raises:
        GimError: a label names frames that the video does not have.
    """
    teachers = list(dict.fromkeys(source.teacher for source in sources))
    segments = [(s, label) for s, source in enumerate(sources) for label in source.labels if len(label)]
    eligible = eligible_pairs(sources, quorum=min(quorum, len(teachers)), min_direct=min_direct)
    segments = [(s, label) for s, label in segments if (label.frame0, label.frame1) in eligible]
    _check_frames([label for _, label in segments], frames)
    positions, ends = _nodes(segments, sources, link, frames, size)
    by_pair: dict[Pair, list[int]] = defaultdict(list)
    for k, (_, label) in enumerate(segments):
        by_pair[label.frame0, label.frame1].append(k)
    rank = {teacher: i for i, teacher in enumerate(teachers)}
    links = {}
    for (a, b), members in sorted(by_pair.items()):
        rows = [(segments[k][1], rank[sources[segments[k][0]].teacher], *ends[k]) for k in members]
        links[a, b] = _links(rows, len(positions[b]))
    return MatchGraph(positions, links, size)


def eligible_pairs(sources: Sequence[Source], *, quorum: int, min_direct: int) -> set[Pair]:
    """The frame pairs that at least ``quorum`` teachers labelled with ``min_direct`` matches, over their passes."""
    counts: dict[Pair, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for source in sources:
        for label in source.labels:
            counts[label.frame0, label.frame1][source.teacher] += len(label)
    return {pair for pair, of in counts.items() if sum(n >= min_direct for n in of.values()) >= quorum}


def _check_frames(labels: Sequence[PairLabel], frames: int) -> None:
    for label in labels:
        if not 0 <= label.frame0 < label.frame1 < frames:
            raise GimError(
                f"a label joins frames {label.frame0} and {label.frame1} of a video with {frames} frames",
                "the labels belong to another frame store: run 'gim run matches' again",
            )


def _nodes(
    segments: Sequence[tuple[int, PairLabel]], sources: Sequence[Source], link: Link, frames: int, size: Size
) -> tuple[list[Floats], list[tuple[Ids, Ids]]]:
    """Join frame by frame: every frame's node positions, and the nodes of both ends of every segment."""
    touching: list[list[tuple[int, int]]] = [[] for _ in range(frames)]
    for k, (_, label) in enumerate(segments):
        touching[label.frame0].append((k, 0))
        touching[label.frame1].append((k, 1))
    ends: list[list[Ids]] = [[np.zeros(0, np.int32)] * 2 for _ in segments]
    positions = []
    for touches in touching:
        groups: dict[object, list[tuple[int, int]]] = defaultdict(list)
        for k, side in touches:
            source = sources[segments[k][0]]
            groups[source.teacher if source.sparse else (k, side)].append((k, side))
        stacked = [np.concatenate([_end(segments[k][1], side) for k, side in group]) for group in groups.values()]
        joined = link.join(stacked, size)
        positions.append(joined.positions)
        for group, nodes in zip(groups.values(), joined.nodes, strict=True):
            cuts = np.cumsum([len(segments[k][1]) for k, _ in group])[:-1]
            for (k, side), part in zip(group, np.split(nodes, cuts), strict=True):
                ends[k][side] = part
    return positions, [(a, b) for a, b in ends]


def _end(label: PairLabel, side: int) -> Floats:
    return label.points1 if side else label.points0


def _links(rows: Sequence[tuple[PairLabel, int, Ids, Ids]], nodes1: int) -> Links:
    """Distinct links of one frame pair with their votes, the ``SLOTS`` best supported ones into every node."""
    node0, node1 = (np.concatenate([row[i] for row in rows]).astype(np.int64) for i in (2, 3))
    teacher = np.concatenate([np.full(len(row[0]), row[1]) for row in rows])
    confidence = np.concatenate([row[0].confidence for row in rows])
    points0, points1 = (np.concatenate([_end(row[0], side) for row in rows]) for side in (0, 1))
    # the first teacher's most confident match stands for all that make the same link
    order = np.lexsort((-confidence, teacher, node0, node1))
    key = (node1 * (node0.max() + 1) + node0)[order]
    first = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    new_teacher = np.r_[True, (key[1:] != key[:-1]) | (teacher[order][1:] != teacher[order][:-1])]
    votes = np.add.reduceat(new_teacher.astype(np.uint8), first).astype(np.uint8)
    best = order[first]
    ranked = np.lexsort((-confidence[best], -votes.astype(int), node1[best]))
    best, votes = best[ranked], votes[ranked]
    arrives = node1[best]
    starts = np.flatnonzero(np.r_[True, arrives[1:] != arrives[:-1]])
    slot = np.arange(len(arrives)) - np.repeat(starts, np.diff(np.r_[starts, len(arrives)]))
    keep = slot < SLOTS
    best, votes, arrives, slot = best[keep], votes[keep], arrives[keep], slot[keep]
    links = Links(
        np.full((SLOTS, nodes1), -1, np.int32),
        np.zeros((SLOTS, nodes1), np.uint8),
        np.zeros((SLOTS, nodes1), np.float32),
        np.zeros((SLOTS, nodes1, 2), np.float32),
        np.zeros((SLOTS, nodes1, 2), np.float32),
    )
    links.node0[slot, arrives], links.votes[slot, arrives] = node0[best], votes
    links.confidence[slot, arrives] = confidence[best]
    links.observed0[slot, arrives], links.observed1[slot, arrives] = points0[best], points1[best]
    return links
