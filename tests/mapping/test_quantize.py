"""The quantizer: what snaps, snaps near; equal points stay equal; tracks survive; the fast path is the greedy one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gim_data.types import Matches
from gim_models.downstream.mapping.quantize import Quantizer, one_to_one, quantize, suppress

SIZE = (200, 150)


def clouds(most=120):
    """Random endpoints in a small image, so that many are close."""
    return st.builds(
        lambda seed, count, side: (
            np.random.default_rng(seed).uniform(0, side, (count, 2)).astype(np.float32),
            np.random.default_rng(seed + 1).uniform(0.01, 1, count).astype(np.float32),
        ),
        st.integers(0, 10_000),
        st.integers(1, most),
        st.sampled_from([3.0, 20.0, 200.0]),
    )


def greedy(points, votes, radius):
    """One by one: the reference for ``suppress``."""
    chosen = []
    for row in np.argsort(-votes, kind="stable"):
        if all(np.linalg.norm(points[row].astype(float) - points[c]) > radius * (1 - 1e-9) for c in chosen):
            chosen.append(row)
    return chosen


@given(clouds())
@settings(max_examples=25, deadline=None)
def test_suppression_in_rounds_is_greedy_suppression(cloud):
    points, votes = cloud
    assert suppress(points, votes, 2.0).tolist() == greedy(points, votes, 2.0)


@given(clouds(), st.sampled_from([0.5, 2.0, 4.0]))
@settings(max_examples=25, deadline=None)
def test_keypoints_lie_apart_and_endpoints_snap_within_the_radius(cloud, radius):
    points, scores = cloud
    quantizer = Quantizer(radius)
    keypoints = quantizer.keypoints(points, scores)
    between = np.linalg.norm(keypoints[:, None].astype(float) - keypoints[None], axis=2)
    np.fill_diagonal(between, np.inf)
    assert between.min(initial=np.inf) >= radius * (1 - 1e-6)
    rows = quantizer.snap(points, keypoints)
    used = rows >= 0
    assert used.any()
    assert np.linalg.norm(points[used] - keypoints[rows[used]], axis=1).max() <= radius * (1 + 1e-6)


@given(
    st.integers(0, 10_000),
    st.integers(3, 6),
    st.floats(0, 0.6),
)
@settings(max_examples=10, deadline=None)
def test_a_point_seen_in_many_pairs_is_one_keypoint(seed, images, noise):
    """Well separated world points with noise below the radius: exactly one keypoint each, whatever the pair."""
    generator = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(10, 190, 12), np.arange(10, 140, 12)), -1).reshape(-1, 2)
    truth = [grid + generator.uniform(-2, 2, grid.shape) for _ in range(images)]

    def matches(pair):
        random = np.random.default_rng([seed, *pair])
        ends = [(truth[row] + random.uniform(-noise, noise, grid.shape)).astype(np.float32) for row in pair]
        order = random.permutation(len(grid))
        return Matches(ends[0][order], ends[1][order], np.ones(len(grid), np.float32), SIZE, SIZE)

    pairs = [(i, j) for i in range(images) for j in range(i + 1, images)]
    found = quantize(pairs, matches, [Quantizer(2.0)] * images)
    for row in range(images):
        assert len(found.keypoints[row]) == len(grid)
    for (i, j), rows in found.matches.items():
        assert len(rows) == len(grid)
        where = [np.linalg.norm(truth[k][:, None] - found.keypoints[k][None], axis=2).argmin(0) for k in (i, j)]
        assert np.array_equal(where[0][rows[:, 0]], where[1][rows[:, 1]])


def test_a_keypoint_stands_at_the_weighted_mean_of_its_voters():
    points = np.array([[10.0, 10.0], [10.8, 10.0]], np.float32)
    keypoints = Quantizer(2.0).keypoints(points, np.array([3.0, 1.0], np.float32))
    assert keypoints == pytest.approx(np.array([[10.2, 10.0]]))


def test_the_most_voted_keypoints_are_kept():
    points = np.array([[10, 10], [50, 50], [90, 90]], np.float32)
    keypoints = Quantizer(2.0, most=2).keypoints(points, np.array([0.2, 0.9, 0.5], np.float32))
    assert keypoints.tolist() == [[50, 50], [90, 90]]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 5), st.integers(-1, 5), st.floats(0.01, 1)), max_size=40))
def test_no_keypoint_is_matched_twice(rows):
    rows0, rows1 = (np.array([row[k] for row in rows], np.int64) for k in (0, 1))
    sure = np.array([row[2] for row in rows], np.float32)
    found = one_to_one(rows0, rows1, sure)
    assert (found >= 0).all()
    assert len(set(found[:, 0])) == len(set(found[:, 1])) == len(found)
    if ((rows0 >= 0) & (rows1 >= 0)).any():
        best = np.flatnonzero((rows0 >= 0) & (rows1 >= 0))
        best = best[np.argmax(sure[best])]
        assert [rows0[best], rows1[best]] in found.tolist()


def test_an_image_twice_as_large_as_it_was_matched_snaps_twice_as_far():
    points = np.array([[10.0, 10.0], [13.0, 10.0]], np.float32)
    scores = np.ones(2, np.float32)
    assert len(Quantizer(2.0).keypoints(points, scores)) == 2
    assert Quantizer(2.0).enlarged(2).keypoints(points, scores) == pytest.approx(np.array([[11.5, 10.0]]))


def test_an_image_without_matches_has_no_keypoints():
    nothing = Matches(*(np.zeros((0, 2), np.float32),) * 2, np.zeros(0, np.float32), SIZE, SIZE)
    found = quantize([(0, 1)], lambda _: nothing, [Quantizer()] * 3)
    assert [len(k) for k in found.keypoints] == [0, 0, 0]
    assert found.matches[0, 1].shape == (0, 2)
