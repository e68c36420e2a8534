"""Tracks by hand: what is cut, what is mended, and what the way between two frames is made of."""

import numpy as np
import pytest
from planted import SIZE

from gim_data.propagation.forks import cut_at_forks
from gim_data.propagation.graph import Source, build_graph
from gim_data.propagation.link import RadiusLink
from gim_data.propagation.meet import Arrival
from gim_data.propagation.tracks import follow
from gim_data.propagation.ways import longest_steps, walk_back
from gim_data.types import PairLabel


def match(frame0, frame1, *points, confidence=0.5):
    """A direct label from ``(x0, y0, x1, y1)`` rows."""
    rows = np.array(points, np.float32)
    n = len(rows)
    ones = np.ones(n, np.uint8)
    return PairLabel(frame0, frame1, rows[:, :2], rows[:, 2:], np.full(n, confidence, np.float32), 0 * ones, ones, 1.0)


def tracked(frames, *sources):
    graph = build_graph(sources, RadiusLink(0.75), frames=frames, size=SIZE, quorum=1, min_direct=1)
    return graph, follow(graph, cycle_px=1.5)


def track_at(graph, tracks, frame, x, y):
    at = tracks.nodes(frame)
    near = np.linalg.norm(graph.positions[frame] - (x, y), axis=1)
    assert near.min() < 0.01
    return tracks.track[at][near.argmin()]


@pytest.mark.parametrize(("apart", "cut"), [(1.0, False), (5.0, True)])
def test_a_stem_is_cut_where_its_branch_goes_off(apart, cut):
    frame = np.array([0, 1, 2, 3, 2, 3])
    track = np.array([0, 0, 0, 0, 1, 1], np.int32)
    places = np.array([[0, 0]] * 4 + [[1, 0], [apart, 0]], np.float32)
    new = cut_at_forks(track, frame, places, np.array([[2], [4]]), 1.5)
    assert new[0] == new[1]
    assert new[2] == new[3]
    assert new[4] == new[5] != new[2]
    assert (new[1] != new[2]) == cut


def test_two_points_under_one_node_are_no_track_through_the_fork():
    """Teacher a follows P, b follows Q; they lie together in frames 0 to 2 and come apart by 2 px a frame."""
    p = [(100.0 + 5 * f, 50.0) for f in range(7)]
    q = [(100.3 + 5 * f, 50.0 + max(0, f - 2) * 2) for f in range(7)]
    sources = [
        Source(name, [match(f, f + s, (*points[f], *points[f + s])) for s in (1, 2) for f in range(7 - s)])
        for name, points in (("a", p), ("b", q))
    ]
    graph, tracks = tracked(7, *sources)
    early, late_p, late_q = (track_at(graph, tracks, *at) for at in ((1, *p[1]), (6, *p[6]), (6, *q[6])))
    assert len(graph.positions[1]) == 1
    assert len(graph.positions[6]) == 2
    assert len({early, late_p, late_q}) == 3


def test_a_track_whose_matches_were_missing_is_mended():
    """No match leads into frame 2, which later turns out to see the same point."""
    made = Source("a", [match(*pair, (10, 10, 10, 10)) for pair in ((0, 1), (2, 3), (1, 3), (3, 4))])
    graph, tracks = tracked(5, made)
    assert len({int(track_at(graph, tracks, frame, 10, 10)) for frame in range(5)}) == 1


def test_a_node_that_two_tracks_claim_alike_begins_a_third():
    made = Source(
        "a", [match(0, 1, (10, 10, 20, 20), (40, 10, 60, 20)), match(1, 2, (20, 20, 30, 30), (60, 20, 30, 30))]
    )
    graph, tracks = tracked(3, made)
    known = {track_at(graph, tracks, 1, 20, 20), track_at(graph, tracks, 1, 60, 20)}
    assert len(known) == 2
    assert track_at(graph, tracks, 2, 30, 30) not in known


def test_the_way_back_takes_the_longest_matches_and_keeps_the_weakest_evidence():
    still = (10, 10, 10, 10)
    a = Source("a", [match(0, 2, still, confidence=0.9), match(2, 3, still, confidence=0.4), match(0, 1, still)])
    b = Source("b", [match(0, 2, still, confidence=0.7)])
    _, tracks = tracked(4, a, b)
    end = [np.array([tracks.begin[frame]], np.int32) for frame in range(4)]
    longest = longest_steps(tracks)
    (direct,) = walk_back(tracks, longest, [Arrival(0, 2, end[0], end[2])])
    assert (direct.links[0], direct.votes[0], direct.confidence[0]) == (1, 2, np.float32(0.9))
    (whole,) = walk_back(tracks, longest, [Arrival(0, 3, end[0], end[3])])
    assert (whole.links[0], whole.votes[0], whole.confidence[0]) == (2, 1, np.float32(0.4))
    (through_0,) = walk_back(tracks, longest, [Arrival(1, 2, end[1], end[2])])  # 0 is on the way from 1 to 2
    assert through_0.links[0] == 2
