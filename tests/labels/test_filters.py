"""What labels must pass: pairs by true time, the overlay rule, the epipolar fit."""

import numpy as np
import pytest

from gim_data.labels.config import OverlayConfig
from gim_data.labels.coverage import cell_of, grid_size, overlap_of
from gim_data.labels.overlay import is_static, on_overlay, overlay_mask
from gim_data.labels.pairs import skip_pairs
from gim_data.labels.robust import fit_sampled, fit_two_view, homography_px, sampson_px
from gim_data.types import Matches

SIZE = (640, 360)


def shots(*lengths):
    return np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)


def test_pairs_by_time_at_a_steady_rate():
    short, long = skip_pairs(np.arange(6) / 3, shots(6), (1 / 3, 2 / 3))
    assert short == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    assert long == [(0, 2), (1, 3), (2, 4), (3, 5)]


def test_pairs_never_cross_a_shot():
    for group in skip_pairs(np.arange(8) / 3, shots(3, 5), (1 / 3, 2 / 3, 4 / 3)):
        assert all((a < 3) == (b < 3) for a, b in group)


def test_pairs_of_a_variable_rate_follow_the_clock():
    times = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 1.4, 1.5])  # a second is missing after 0.4
    (pairs,) = skip_pairs(times, shots(7), (0.2,))
    assert pairs == [(0, 2), (1, 3), (2, 4)]


def test_coarse_sampling_asks_for_no_pair_twice():
    groups = skip_pairs(np.arange(6) * 0.5, shots(6), (1 / 3, 2 / 3, 4 / 3))
    pairs = [pair for group in groups for pair in group]
    assert len(pairs) == len(set(pairs))
    assert (0, 1) in groups[0]


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_frames_give_no_pair(count):
    assert skip_pairs(np.zeros(count), shots(count), (1 / 3,)) == [[]]


def moving(rng, shift, n=400, logo=30):
    """Matches of a picture that shifts, with a logo in its corner that does not."""
    points0 = (rng.random((n, 2)) * (500, 300) + (0, 40)).astype(np.float32)
    points1 = points0 + np.asarray(shift, np.float32)
    fixed = (rng.random((logo, 2)) * (60, 20) + (560, 5)).astype(np.float32)
    return Matches(
        np.concatenate([points0, fixed]),
        np.concatenate([points1, fixed + rng.normal(0, 0.1, fixed.shape).astype(np.float32)]),
        np.ones(n + logo, np.float32),
        SIZE,
        SIZE,
    )


def test_a_logo_is_found_and_nothing_else():
    rng, config = np.random.default_rng(0), OverlayConfig()
    pairs = [moving(rng, (8, 1)) for _ in range(12)]
    mask = overlay_mask(pairs, SIZE, config)
    hit = on_overlay(pairs[0], mask, config)
    assert hit[-30:].mean() > 0.6
    assert not hit[:-30].any()


def test_a_standing_camera_loses_nothing():
    rng, config = np.random.default_rng(0), OverlayConfig()
    pairs = [moving(rng, (0.1, 0.2)) for _ in range(12)]
    mask = overlay_mask(pairs, SIZE, config)
    assert not mask.any()
    assert is_static(pairs[0], config)
    assert not on_overlay(pairs[0], mask, config).any()


def test_far_background_that_moves_at_times_is_kept():
    config = OverlayConfig()
    pairs = [moving(np.random.default_rng(0), (8, 1)) for _ in range(12)]
    for pair in pairs[::3]:  # the camera turns: what stood still ahead moves too
        pair.keypoints1[-30:] += 5
    assert not overlay_mask(pairs, SIZE, config).any()


def two_views(rng, n, translation, noise=0.1):
    """Pixels of points 4 to 20 m away before and after a small motion."""
    world = np.stack([rng.uniform(-4, 4, n), rng.uniform(-2, 2, n), rng.uniform(4, 20, n)], axis=1)
    K = np.array([[500, 0, 320], [0, 500, 180], [0, 0, 1.0]])
    turn = np.array([[np.cos(0.05), 0, np.sin(0.05)], [0, 1, 0], [-np.sin(0.05), 0, np.cos(0.05)]])

    def pixels(points):
        seen = points @ K.T
        return (seen[:, :2] / seen[:, 2:] + rng.normal(0, noise, (n, 2))).astype(np.float32)

    return pixels(world), pixels(world @ turn.T + translation)


@pytest.mark.parametrize("n", [600, 3000])  # of many points a few decide whether a homography is worth a try
def test_wrong_matches_go_and_right_ones_stay(n):
    rng, wrong = np.random.default_rng(0), n // 4
    points0, points1 = two_views(rng, n, (0.3, 0, 0.5))
    points1[:wrong] = rng.random((wrong, 2)) * SIZE
    fit = fit_two_view(points0, points1, threshold=0.5)
    assert fit.model == "fundamental"
    assert fit.inliers[wrong:].mean() > 0.95
    assert fit.inliers[:wrong].mean() < 0.08


@pytest.mark.parametrize("n", [600, 3000])
def test_a_turning_camera_is_a_homography_so_that_epipolar_luck_does_not_pass(n):
    rng, wrong = np.random.default_rng(0), n // 3
    points0, points1 = two_views(rng, n, (0, 0, 0))
    points1[:wrong] += rng.normal(0, 6, (wrong, 2)).astype(np.float32)
    fit = fit_two_view(points0, points1, threshold=0.5)
    assert fit.model == "homography"
    assert fit.inliers[wrong:].mean() > 0.95
    assert fit.inliers[:wrong].mean() < 0.05


@pytest.mark.parametrize("n", [0, 1, 7])
def test_too_few_points_are_a_reason_not_an_exception(n):
    points = np.random.default_rng(0).random((n, 2)).astype(np.float32)
    fit = fit_two_view(points, points, threshold=0.5)
    assert fit.model == "none"
    assert str(n) in fit.reason


@pytest.mark.parametrize("travel", [(0.3, 0, 0.5), (0, 0, 0)])
def test_a_sample_decides_as_all_do(travel):
    rng, wrong = np.random.default_rng(0), 700
    points0, points1 = two_views(rng, 3000, travel, noise=0.1)
    points1[:wrong] += rng.normal(0, 20, (wrong, 2)).astype(np.float32)
    whole = fit_two_view(points0, points1, threshold=0.5)
    part = fit_sampled(points0, points1, sample=500, threshold=0.5, iterations=10_000)
    assert part.model == whole.model
    assert np.mean(part.inliers == whole.inliers) > 0.95
    assert part.inliers[:wrong].mean() < 0.1


def test_distances_from_a_model_are_pixels():
    line = np.array([[0, 0, 0], [0, 0, -1], [0, 1, 0]], np.float64)  # pure sideways motion: rows keep their y
    here = np.array([[10, 20], [300, 40]], np.float32)
    np.testing.assert_allclose(sampson_px(line, here, here + np.array([50, 3])), 3 / np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(homography_px(np.eye(3), here, here + np.array([3, 4])), 5, rtol=1e-6)
    horizon = np.array([[1, 0, 0], [0, 1, 0], [1, 0, -10]], np.float64)
    assert homography_px(horizon, here, here)[0] == np.inf


def test_identical_points_do_not_crash():
    points = np.zeros((20, 2), np.float32)
    assert len(fit_two_view(points, points, threshold=0.5).inliers) == 20


def test_the_same_points_fit_the_same():
    points0, points1 = two_views(np.random.default_rng(0), 300, (0.3, 0, 0.5), noise=0.4)
    first, second = (fit_two_view(points0, points1, threshold=0.5) for _ in range(2))
    np.testing.assert_array_equal(first.inliers, second.inliers)


def test_overlap_counts_cells():
    left = np.array([[20, 20], [30, 25]], np.float32)  # one cell of 40 px
    both = np.concatenate([left, np.array([[300, 200]], np.float32)])
    assert overlap_of(left, both, SIZE) == 0.5
    assert overlap_of(both, both, SIZE) == 1
    assert overlap_of(both[:0], both[:0], SIZE) == 0
    corners = np.array([[-0.5, -0.5], [639.5, 359.5]], np.float32)
    assert cell_of(corners, SIZE).tolist() == [0, grid_size(SIZE) - 1]
