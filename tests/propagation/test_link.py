"""Joining observations: properties of both rules, and the fast ones against their naive twins."""

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
    """GIM.md 2.3 with a dictionary: node numbers by first appearance, the last observation gives the place."""
    places, number = {}, {}
    nodes = []
    for point in (point for group in groups for point in group):
        x, y = np.round(point)
        places[int(y), int(x)] = point
        nodes.append(number.setdefault((int(y), int(x)), len(number)))
    return nodes, list(places.values())


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.lists(st.integers(0, 60), min_size=1, max_size=4))
def test_cells_equal_their_naive_twin(seed, counts):
    rng = np.random.default_rng(seed)
    groups = [observations(rng, n) for n in counts]
    joined = CellLink().join(groups, SIZE)
    nodes, places = naive_cells(groups)
    assert joined.nodes.tolist() == nodes
    np.testing.assert_array_equal(joined.positions, np.array(places, np.float32).reshape(-1, 2))


def test_the_last_column_does_not_meet_the_next_row():
    """In the published key x = W on row y collides with x = 0 on row y + 1 (GIM.md 2.6)."""
    joined = CellLink().join([np.array([[639.6, 10], [0, 11]], np.float32)], SIZE)
    assert len(set(joined.nodes.tolist())) == 2


def naive_radius(groups, radius):
    """Clusters as lists: every two that are each other's nearest become one, until none is left to join."""
    points = list(dict.fromkeys(tuple(point) for group in groups for point in group.tolist()))
    member = [{g for g, group in enumerate(groups) if list(point) in group.tolist()} for point in points]
    near = {
        (i, j)
        for i in range(len(points))
        for j in range(i)
        if np.linalg.norm(np.subtract(points[i], points[j])) < radius
    }
    clusters = [[i] for i in range(len(points))]

    def distance(a, b):
        links = {tuple(sorted((i, j), reverse=True)) for i in a for j in b} & near
        shared = {g for i in a for g in member[i]} & {g for j in b for g in member[j]}
        far = np.linalg.norm(np.mean([points[i] for i in a], 0) - np.mean([points[j] for j in b], 0))
        if not links or shared or far >= radius:
            near.difference_update(links)  # once apart, for ever apart
            return np.inf
        return far

    while True:
        table = np.array([[distance(a, b) if a is not b else np.inf for b in clusters] for a in clusters])
        best = table.argmin(axis=1) if clusters else []
        pairs = [(i, j) for i, j in enumerate(best) if i < j and best[j] == i and table[i, j] < np.inf]
        if not pairs:
            break
        for i, j in pairs:
            clusters[i] = clusters[i] + clusters[j]
        clusters = [c for k, c in enumerate(clusters) if k not in {j for _, j in pairs}]
    clusters.sort(key=min)
    node = {points[i]: number for number, members in enumerate(clusters) for i in members}
    return [node[tuple(point)] for group in groups for point in group.tolist()], [points[min(c)] for c in clusters]


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.lists(st.integers(0, 14), min_size=1, max_size=5), st.floats(0.1, 5))
def test_the_radius_rule_equals_its_naive_twin(seed, counts, radius):
    rng = np.random.default_rng(seed)
    groups = [observations(rng, n, spread=12) for n in counts]
    for earlier, later in pairwise(groups):  # some keypoints are seen again
        later[: len(earlier) // 3] = earlier[: len(later)][: len(earlier) // 3]
    joined = RadiusLink(radius).join(groups, SIZE)
    nodes, places = naive_radius(groups, radius)
    assert joined.nodes.tolist() == nodes
    np.testing.assert_array_equal(joined.positions, np.array(places, np.float32).reshape(-1, 2))


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 12), st.integers(1, 6), st.sampled_from([0.1, 0.2, 0.4]), st.integers(8, 30))
def test_clusters_of_detectors_equal_their_naive_twin(seed, places, detectors, noise, spread):
    """Most are cliques, which need no rounds; some have a straggler, a neighbour, or two points of one detector."""
    rng = np.random.default_rng(seed)
    exact = rng.random((places, 2)) * spread
    chosen = [rng.integers(0, places, rng.integers(1, places + 1)) for _ in range(detectors)]
    groups = [(exact[rows] + rng.normal(0, noise, (len(rows), 2))).astype(np.float32) for rows in chosen]
    joined = RadiusLink(0.75).join(groups, SIZE)
    nodes, positions = naive_radius(groups, 0.75)
    assert joined.nodes.tolist() == nodes
    np.testing.assert_array_equal(joined.positions, np.array(positions, np.float32).reshape(-1, 2))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(0, 50), st.integers(0, 50), st.floats(0.1, 5))
def test_a_group_meets_another_one_to_one_and_near(seed, n, m, radius):
    rng = np.random.default_rng(seed)
    a, b = observations(rng, n), observations(rng, m)
    first, second = np.split(RadiusLink(radius).join([a, b], SIZE).nodes, [n])
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

    back = np.r_[np.argsort(shuffle), 40 + np.arange(30)]
    np.testing.assert_array_equal(partition(plain.nodes), partition(mixed.nodes[back]))


def test_equal_keypoints_of_a_teacher_are_one_node_and_close_ones_are_two():
    points = np.array([[10, 10], [10, 10], [10.25, 10]], np.float32)
    joined = RadiusLink(0.75).join([points], SIZE)
    assert joined.nodes.tolist() == [0, 0, 1]
    assert len(joined.positions) == 2


def test_teachers_meet_within_the_radius_only():
    a = np.array([[10, 10], [50, 50]], np.float32)
    b = np.array([[10.5, 10], [51, 50]], np.float32)
    assert RadiusLink(0.75).join([a, b], SIZE).nodes.tolist() == [0, 1, 0, 2]


def test_the_first_teacher_gives_the_place():
    a, b = np.array([[10, 10]], np.float32), np.array([[10.5, 10]], np.float32)
    assert RadiusLink(0.75).join([a, b], SIZE).positions.tolist() == [[10, 10]]
    assert CellLink().join([a, b], SIZE).positions.tolist() == [[10.5, 10]]  # GIM: the last one wins


@pytest.mark.parametrize("link", [CellLink(), RadiusLink(0.75)])
@pytest.mark.parametrize("groups", [[], [np.zeros((0, 2), np.float32)]])
def test_frames_without_observations(link, groups):
    joined = link.join(groups, SIZE)
    assert len(joined.positions) == 0
    assert len(joined.nodes) == 0
