"""All direct labels of a video as one graph: nodes per frame, and the matches into each frame. Every one joins once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gim_data.errors import GimError
from gim_data.propagation.join import Ids
from gim_data.propagation.link import Link
from gim_data.types import Floats, PairLabel, Size

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
class Arcs:
    """Every match of one teacher between two frames, as nodes.

    Attributes:
        frame0: the earlier frame.
        teacher: number of the teacher, by precedence.
        node0, node1: (N,) int32 nodes of both frames.
        confidence: (N,) float32.
    """

    frame0: int
    teacher: int
    node0: Ids
    node1: Ids
    confidence: Floats


@dataclass(frozen=True)
class MatchGraph:
    """What propagation walks on.

    Attributes:
        positions: per frame the (N_f, 2) pixels of its nodes.
        into: per frame the matches that end in it.
        size: (width, height) of the frames.
    """

    positions: list[Floats]
    into: list[list[Arcs]]
    size: Size

    def __post_init__(self) -> None:
        for frame, arcs in enumerate(self.into):
            for arc in arcs:
                assert 0 <= arc.frame0 < frame, f"matches ({arc.frame0}, {frame}) do not go forward in time"
                for of, nodes in ((arc.frame0, arc.node0), (frame, arc.node1)):
                    inside = nodes.max(initial=-1) < len(self.positions[of])
                    assert inside, f"matches ({arc.frame0}, {frame}) touch nodes of another frame"


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
    eligible = eligible_pairs(sources, quorum=min(quorum, len(teachers)), min_direct=min_direct)
    segments = [(source, label) for source in sources for label in source.labels if len(label)]
    segments = [(source, label) for source, label in segments if (label.frame0, label.frame1) in eligible]
    _check_frames([label for _, label in segments], frames)
    positions, ends = _nodes(segments, link, frames, size)
    into: list[list[Arcs]] = [[] for _ in range(frames)]
    for (source, label), (node0, node1) in zip(segments, ends, strict=True):
        arcs = Arcs(label.frame0, teachers.index(source.teacher), node0, node1, label.confidence)
        into[label.frame1].append(arcs)
    return MatchGraph(positions, into, size)


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
    segments: Sequence[tuple[Source, PairLabel]], link: Link, frames: int, size: Size
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
            source = segments[k][0]
            groups[source.teacher if source.sparse else (k, side)].append((k, side))
        stacked = [np.concatenate([_end(segments[k][1], side) for k, side in group]) for group in groups.values()]
        joined = link.join(stacked, size)
        positions.append(joined.positions)
        flat = [touch for group in groups.values() for touch in group]
        cuts = np.cumsum([len(segments[k][1]) for k, _ in flat])[:-1]
        for (k, side), part in zip(flat, np.split(joined.nodes, cuts), strict=bool(flat)):
            ends[k][side] = part
    return positions, [(a, b) for a, b in ends]


def _end(label: PairLabel, side: int) -> NDArray[np.float32]:
    return label.points1 if side else label.points0
