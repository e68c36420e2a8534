"""Joining observations: properties of both rules, and the fast cell rule against a dictionary."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gim_data.propagation.link import CellLink, RadiusLink

SIZE = (640, 360)
SEEDS = st.integers(0, 10_000)


def observations(rng, n, spread=40):
    return (rng.random((n, 2)) * spread).astype(np.float32)


def naive_cells(groups):
    """GIM.md 2.3 with a dictionary: node numbers are by order of key, the last observation gives the place."""
    places = {}
    for group in groups:
        for point in group:
            x, y = np.round(point)
            places[int(y), int(x)] = point
    keys = sorted(places)
    number = {key: i for i, key in enumerate(keys)}
    nodes = [[number[int(np.round(y)), int(np.round(x))] for x, y in group] for group in groups]
    return nodes, [places[key] for key in keys]


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.lists(st.integers(0, 60), min_size=1, max_size=4))
def test_cells_equal_their_naive_twin(seed, counts):
    rng = np.random.default_rng(seed)
    groups = [observations(rng, n) for n in counts]
    joined = CellLink().join(groups, SIZE)
    nodes, places = naive_cells(groups)
    assert [ids.tolist() for ids in joined.nodes] == nodes
    np.testing.assert_array_equal(joined.positions, np.array(places, np.float32).reshape(-1, 2))


def test_the_last_column_does_not_meet_the_next_row():
    """In the published key x = W on row y collides with x = 0 on row y + 1 (GIM.md 2.6)."""
    joined = CellLink().join([np.array([[639.6, 10], [0, 11]], np.float32)], SIZE)
    assert len(set(joined.nodes[0].tolist())) == 2


def naive_radius(groups, radius):
    """Group after group to the nodes so far, one distance at a time: the twin of the fast join."""
    places, node_of, joined = [], {}, []
    for group in groups:
        points = list(dict.fromkeys(tuple(point) for point in group.tolist()))
        taken = {node_of[point] for point in points if point in node_of}
        fresh = [point for point in points if point not in node_of]

        def distance(a, b):
            return np.linalg.norm(np.subtract(a, b, dtype=np.float32))

        nearest = {p: min(range(len(places)), key=lambda n, p=p: distance(places[n], p), default=None) for p in fresh}
        back = [min(fresh, key=lambda p, place=place: distance(place, p), default=None) for place in places]
        for point in fresh:
            node = nearest[point]
            if (
                node is not None
                and back[node] == point
                and node not in taken
                and distance(places[node], point) < radius
            ):
                node_of[point] = node
        for point in fresh:
            if point not in node_of:
                node_of[point] = len(places)
                places.append(point)
        joined.append([node_of[tuple(point)] for point in group.tolist()])
    return joined, places


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.lists(st.integers(0, 60), min_size=1, max_size=5), st.floats(0.1, 5))
def test_the_radius_rule_equals_its_naive_twin(seed, counts, radius):
    rng = np.random.default_rng(seed)
    groups = [observations(rng, n) for n in counts]
    for earlier, later in pairwise(groups):  # some keypoints are seen again
        later[: len(earlier) // 3] = earlier[: len(later)][: len(earlier) // 3]
    joined = RadiusLink(radius).join(groups, SIZE)
    nodes, places = naive_radius(groups, radius)
    assert [ids.tolist() for ids in joined.nodes] == nodes
    np.testing.assert_array_equal(joined.positions, np.array(places, np.float32).reshape(-1, 2))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(0, 50), st.integers(0, 50), st.floats(0.1, 5))
def test_a_group_meets_another_one_to_one_and_near(seed, n, m, radius):
    rng = np.random.default_rng(seed)
    a, b = observations(rng, n), observations(rng, m)
    first, second = RadiusLink(radius).join([a, b], SIZE).nodes
    assert len(set(first.tolist())) == n
    assert len(set(second.tolist())) == m
    for row, node in enumerate(second):
        assert node >= n or np.linalg.norm(a[node] - b[row]) < radius


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([CellLink(), RadiusLink(0.75)]))
def test_order_inside_a_group_does_not_matter(seed, link):
    rng = np.random.default_rng(seed)
    a, b = observations(rng, 40), observations(rng, 30)
    shuffle = rng.permutation(40)
    plain, mixed = link.join([a, b], SIZE), link.join([a[shuffle], b], SIZE)

    def partition(ids):
        return ids[:, None] == ids[None, :]

    first = np.concatenate(plain.nodes)
    second = np.concatenate([mixed.nodes[0][np.argsort(shuffle)], mixed.nodes[1]])
    np.testing.assert_array_equal(partition(first), partition(second))


def test_equal_keypoints_of_a_teacher_are_one_node_and_close_ones_are_two():
    points = np.array([[10, 10], [10, 10], [10.25, 10]], np.float32)
    joined = RadiusLink(0.75).join([points], SIZE)
    assert joined.nodes[0].tolist() == [0, 0, 1]
    assert len(joined.positions) == 2


def test_teachers_meet_within_the_radius_only():
    a = np.array([[10, 10], [50, 50]], np.float32)
    b = np.array([[10.5, 10], [51, 50]], np.float32)
    joined = RadiusLink(0.75).join([a, b], SIZE)
    assert joined.nodes[1][0] == joined.nodes[0][0]
    assert joined.nodes[1][1] not in joined.nodes[0]


def test_a_track_keeps_its_place_beside_the_match_it_follows():
    tracked, seen0, seen1 = (np.array([p], np.float32) for p in ([10.5, 10], [10, 10], [20, 12]))
    assert RadiusLink(0.75).advance(tracked, seen0, seen1).tolist() == [[20.5, 12]]
    assert CellLink().advance(tracked, seen0, seen1).tolist() == [[20, 12]]


@pytest.mark.parametrize("link", [CellLink(), RadiusLink(0.75)])
@pytest.mark.parametrize("groups", [[], [np.zeros((0, 2), np.float32)]])
def test_frames_without_observations(link, groups):
    joined = link.join(groups, SIZE)
    assert len(joined.positions) == 0
    assert all(len(ids) == 0 for ids in joined.nodes)
