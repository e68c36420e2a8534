"""Turn and shift from matched points: exact where it can be, robust where most matches are wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gim_models.downstream.bev.rigid import fit_rigid, least_squares, turn


def planted(rng, count, wrong, yaw, shift, noise=0.0):
    points0 = rng.uniform(-40, 40, (count, 2))
    points1 = points0 @ turn(yaw).T + shift + rng.normal(0, noise, (count, 2))
    points1[:wrong] = rng.uniform(-40, 40, (wrong, 2))
    return points0, points1


def difference(a, b):
    return abs(np.angle(np.exp(1j * (a - b))))


@settings(deadline=None, max_examples=40)
@given(yaw=st.floats(-np.pi, np.pi), x=st.floats(-30, 30), y=st.floats(-30, 30), seed=st.integers(0, 2**16))
def test_any_exact_motion_comes_back(yaw, x, y, seed):
    rng = np.random.default_rng(seed)
    found = fit_rigid(*planted(rng, 12, 0, yaw, (x, y)), tolerance=0.5, rng=rng)
    assert difference(found.yaw, yaw) < 1e-9
    np.testing.assert_allclose(found.shift, [x, y], atol=1e-7)
    assert found.inliers.all()


def test_nine_of_ten_matches_may_be_wrong():
    rng = np.random.default_rng(0)
    found = fit_rigid(*planted(rng, 600, 540, 2.0, (5, -3), noise=0.1), tolerance=0.5, rng=rng)
    assert difference(found.yaw, 2.0) < np.radians(0.1)
    np.testing.assert_allclose(found.shift, [5, -3], atol=0.06)
    assert found.inliers[540:].all()
    assert found.inliers[:540].mean() < 0.02


def test_few_matches_are_tried_in_all_pairs_whatever_the_generator():
    points = planted(np.random.default_rng(1), 40, 34, -1.0, (2, 8), noise=0.05)
    found = [fit_rigid(*points, tolerance=0.4, rng=np.random.default_rng(seed)) for seed in (1, 2)]
    assert found[0].yaw == found[1].yaw
    assert found[0].inliers[34:].all()


def test_random_matches_hardly_agree():
    counts = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        found = fit_rigid(rng.uniform(-40, 40, (400, 2)), rng.uniform(-40, 40, (400, 2)), tolerance=0.6, rng=rng)
        counts.append(found.inliers.sum())
    assert max(counts) < 8


def test_least_squares_is_the_minimum():
    rng = np.random.default_rng(3)
    points0, points1 = planted(rng, 50, 0, 0.7, (1, 2), noise=0.5)
    yaw, shift = least_squares(points0, points1)

    def cost(a, s):
        return ((points0 @ turn(a).T + s - points1) ** 2).sum()

    for step in (1e-3, -1e-3):
        assert cost(yaw, shift) < cost(yaw + step, shift)
        assert cost(yaw, shift) < cost(yaw, shift + np.array([step, 0]))
        assert cost(yaw, shift) < cost(yaw, shift + np.array([0, step]))


@pytest.mark.parametrize("count", [0, 1])
def test_a_motion_needs_two_matches(count):
    points = np.zeros((count, 2))
    assert fit_rigid(points, points, tolerance=1, rng=np.random.default_rng(0)) is None


def test_matches_in_one_place_fix_no_turn():
    points = np.zeros((30, 2))
    assert fit_rigid(points, points, tolerance=1, rng=np.random.default_rng(0)) is None


def test_a_scaled_copy_is_no_rigid_motion():
    points = np.random.default_rng(4).uniform(-40, 40, (100, 2))
    found = fit_rigid(points, 1.5 * points, tolerance=0.5, rng=np.random.default_rng(0))
    assert found is None or found.inliers.sum() < 12
