"""Every fast path of propagation against the plain way to say the same thing."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import SIZE, planted, sources
from scipy.spatial import cKDTree

from gim_data.labels.coverage import cell_of
from gim_data.labels.pairs import in_frame
from gim_data.labels.robust import sampson_px
from gim_data.propagation.config import PropagationConfig
from gim_data.propagation.forks import cut_at_forks
from gim_data.propagation.graph import build_graph
from gim_data.propagation.join import near_pairs
from gim_data.propagation.link import RadiusLink
from gim_data.propagation.meet import Meeting, MeetRules, arrive, meetings
from gim_data.propagation.npy import read_npy
from gim_data.propagation.order import changes, order_by
from gim_data.propagation.select import Checker
from gim_data.propagation.tracks import follow
from gim_data.propagation.ways import longest_steps, walk_back

SEEDS = st.integers(0, 10_000)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 300), st.lists(st.sampled_from([0, 1, 9, 1 << 20, 1 << 40]), min_size=1, max_size=3))
def test_rows_are_sorted_as_lexsort_sorts_them(seed, rows, tops):
    """Up to 120 bits: with more than 63 it goes another way."""
    columns = [np.random.default_rng((seed, top)).integers(0, top + 1, rows) for top in tops]
    order = order_by(*columns)
    np.testing.assert_array_equal(order, np.lexsort(columns[::-1]))
    whole = [tuple(int(column[i]) for column in columns) for i in order]
    assert changes(*(column[order] for column in columns)).tolist() == [
        i == 0 or whole[i] != whole[i - 1] for i in range(rows)
    ]


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.integers(0, 200), st.floats(0.05, 6), st.sampled_from([3, 40, 5000]), st.booleans())
def test_near_pairs_are_those_of_a_tree(seed, n, radius, spread, on_a_lattice):
    points = np.random.default_rng(seed).random((n, 2)) * (spread, 20) - 0.5
    if on_a_lattice:
        points = np.round(points * 16) / 16  # as the label store keeps them: many pairs exactly a radius apart
    a, b = near_pairs(points[:, 0], points[:, 1], radius)
    known = cKDTree(points).query_pairs(radius * 1.001, output_type="ndarray").reshape(-1, 2)
    near = known[((points[known[:, 0]] - points[known[:, 1]]) ** 2).sum(axis=1) < radius * radius]
    assert list(zip(a.tolist(), b.tolist(), strict=True)) == sorted(map(tuple, near.tolist()))


@pytest.fixture(scope="module", params=[0, 1])
def tracked(request):
    """A video with gaps, forks and doubtful nodes: few of the matches are there, and teachers disagree."""
    rng = np.random.default_rng(request.param)
    tracks, seen = planted(rng, frames=70, points=500, speed=4.0)  # more than 64 frames
    made = sources(rng, tracks, seen, teachers=("a", "b"), keep=0.45, teacher_noise=0.3)
    graph = build_graph(made, RadiusLink(0.75), frames=len(tracks), size=SIZE, quorum=1, min_direct=1)
    return graph, follow(graph, cycle_px=1.5)


def plain_share(graph, tracks, rules, a, b):
    """Nodes of the tracks that frame b sees of frame a, one track after the other."""
    of_track = {int(tracks.track[node]): node for node in range(*tracks.begin[a : a + 2])}
    found = []
    for node1 in range(*tracks.begin[b : b + 2]):
        node0 = of_track.get(int(tracks.track[node1]))
        if node0 is not None and (tracks.support[node1] >= rules.min_support or node0 in tracks.back[:, node1]):
            found.append((node0, node1))
    return found


@pytest.mark.parametrize("rules", [MeetRules(2, 64, 0.1), MeetRules(1, 8, 0.0), MeetRules(3, 1, 0.4)])
def test_meetings_are_what_counting_tracks_gives(tracked, rules):
    graph, tracks = tracked
    expected = []
    for a in range(len(graph.positions)):
        cells, alive = cell_of(graph.positions[a], SIZE), a
        for b in range(a + 1, len(graph.positions)):
            if b - alive > 4:
                break
            shared = plain_share(graph, tracks, rules, a, b)
            overlap = len({cells[node0 - tracks.begin[a]] for node0, _ in shared}) / len(set(cells.tolist()))
            if len(shared) >= rules.min_matches and overlap >= rules.min_overlap:
                alive = b
                expected.append(Meeting(a, b, overlap))
    assert list(meetings(graph, tracks, rules)) == expected
    assert any(meeting.frame0 // 64 != meeting.frame1 // 64 for meeting in expected)


def test_arrivals_are_the_tracks_of_both_frames(tracked):
    graph, tracks = tracked
    rules = MeetRules(2, 16, 0.0)
    for a in (0, 30, 60):
        met = [Meeting(a, b, 1.0) for b in range(a + 1, a + 9)]
        for meeting, arrival in zip(met, arrive(tracks, rules, met), strict=True):
            found = list(zip(arrival.node0.tolist(), arrival.node1.tolist(), strict=True))
            assert found == plain_share(graph, tracks, rules, a, meeting.frame1)


def plain_way(tracks, node0, node1, first):
    """One track, match after match: the longest that does not pass ``first``, else two links for the rest."""
    links, votes, confidence = 0, 255, 1.0
    while node1 != node0:
        routes = [route for route in range(len(tracks.back)) if tracks.back[route, node1] >= first]
        passing = not routes
        routes = routes or [route for route in range(len(tracks.back)) if tracks.back[route, node1] >= 0]
        links += 1 + passing
        votes = min(votes, max(1, tracks.votes[routes[0], node1]) if routes else 1)
        confidence = min(confidence, tracks.confidence[routes[0], node1] if routes else 1)
        node1 = node0 if passing else tracks.back[routes[0], node1]
    return links, votes, confidence


def test_ways_back_are_walked_one_by_one(tracked):
    _, tracks = tracked
    rules, longest, passed = MeetRules(1, 8, 0.0), longest_steps(tracks), 0
    for a in (0, 7, 40):
        arrivals = arrive(tracks, rules, [Meeting(a, b, 1.0) for b in (a + 1, a + 3, a + 10, a + 25)])
        for arrival, ways in zip(arrivals, walk_back(tracks, longest, arrivals), strict=True):
            for row, (node0, node1) in enumerate(zip(arrival.node0, arrival.node1, strict=True)):
                way = plain_way(tracks, node0, node1, tracks.begin[a])
                assert (ways.links[row], ways.votes[row], ways.confidence[row]) == way
                passed += way[0] > arrival.frame1 - a
    assert passed  # some came round by an earlier frame


def test_partners_come_bin_by_bin_and_one_that_fails_gives_way_to_the_next(tracked):
    graph, tracks = tracked
    near, far, hopeless = Meeting(10, 12, 0.8), Meeting(10, 20, 0.4), Meeting(10, 69, 0.2)
    (few,) = arrive(tracks, MeetRules(2, 8, 0.1), [hopeless])
    checker = Checker(graph, tracks, PropagationConfig(min_matches=len(few.node0) + 1))
    (first,), (second,) = checker.check([[near]]), checker.check([[hopeless, far]])
    assert [(pair.frame1, pair.overlap) for pair in first] == [(12, 0.8)] * 2
    assert [pair.frame1 for pair in second] == [20, 20]
    assert checker.check([[hopeless]]) == [None]
    assert checker.check([]) == []  # a start frame whose meetings lie in no bin
    both = checker.check([[near], [hopeless, far]])
    for pair, alone in zip(both, (first, second), strict=True):
        np.testing.assert_array_equal(pair[1].points1, alone[1].points1)
        np.testing.assert_array_equal(pair[1].confidence, alone[1].confidence)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.floats(0.5, 6))
def test_tracks_are_cut_as_one_by_one(seed, cycle_px):
    rng = np.random.default_rng(seed)
    nodes = [(f, t) for f in range(6) for t in rng.permutation(8) if rng.random() < 0.7]
    frame, track = (np.array([node[i] for node in nodes]) for i in (0, 1))
    places = rng.random((len(nodes), 2)).astype(np.float32) * 6
    index = {node: i for i, node in enumerate(nodes)}
    forks = [
        (index[f, t], index[f, u]) for f, t, u in product(range(6), range(8), range(8))
        if t < u and (f, t) in index and (f, u) in index and (f - 1, u) not in index and rng.random() < 0.3
    ]  # fmt: skip
    cuts: dict[int, set[int]] = {}
    for stem, branch in forks:
        own = [(f, i) for (f, t), i in index.items() if t == track[branch]]
        both = [(index[f, track[stem]], i) for f, i in own if (f, track[stem]) in index]
        if max(np.abs(places[i] - places[j]).max() for i, j in both) > cycle_px:
            cuts.setdefault(track[stem], set()).add(frame[stem])
    parts = [(t, sum(cut <= f for cut in cuts.get(t, ()))) for f, t in nodes]
    number = {part: i for i, part in enumerate(dict.fromkeys(parts))}
    new = cut_at_forks(track.astype(np.int32), frame, places, np.array(forks, int).reshape(-1, 2).T, cycle_px)
    assert new.tolist() == [number[part] for part in parts]


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.arange(12, dtype="<f4").reshape(3, 4),
        np.asfortranarray(np.arange(12, dtype=">i8").reshape(3, 4)),
        np.zeros((0, 4)),
        np.array([]),
        np.array(7),
        np.array(["text"]),
        np.zeros(3, [("x", "<f4"), ("y", "<i2")]),
    ],
)
def test_npy_files_are_read_as_numpy_reads_them(tmp_path, array, version):
    path = tmp_path / "a.npy"
    with path.open("wb") as stream:
        np.lib.format.write_array(stream, array, version)
    for found in (read_npy(path), read_npy(path)):  # the second time its header is known
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, np.load(path))
    whole = path.read_bytes()
    for cut in {0, 5, 9, 40, len(whole) - 1} if array.size else {0, 5, 9, 40}:
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"."):
            read_npy(path)


def test_what_lies_in_a_frame_is_finite_and_within_its_outer_pixels():
    edge = [-np.inf, -0.51, -0.5, 0, 9.5, 9.51, 19.5, 19.51, np.inf, np.nan]
    points = np.array(list(product(edge, edge)), np.float32)
    inside = np.isfinite(points).all(axis=1) & (points >= -0.5).all(axis=1) & (points <= (19.5, 9.5)).all(axis=1)
    np.testing.assert_array_equal(in_frame(points, (20, 10)), inside)
    assert inside.sum() == 5 * 3


def test_sampson_distances_are_those_of_the_formula():
    rng = np.random.default_rng(0)
    F = rng.normal(size=(3, 3))
    points0, points1 = (rng.random((2, 500, 2)) * 640).astype(np.float32)
    first, second = (np.column_stack([points, np.ones(500)]) for points in (points0, points1))
    line1, line0 = first @ F.T, second @ F
    slope = (line1[:, :2] ** 2).sum(axis=1) + (line0[:, :2] ** 2).sum(axis=1)
    expected = np.abs((second * line1).sum(axis=1)) / np.sqrt(slope)
    np.testing.assert_allclose(sampson_px(F, points0, points1), expected, rtol=1e-9, atol=1e-9)
