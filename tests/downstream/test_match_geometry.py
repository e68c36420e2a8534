"""Distances to a model in pixels, homographies with a verdict, and pixels that survive a resize."""

import cv2
import numpy as np
import pytest
from planted_views import SIZE, TURN, matches_of, plane_and_depth, through, wall

from gim_data.errors import BadInput
from gim_data.labels.robust import Fit, fit_two_view
from gim_models.downstream.matching import check, full_pixels, match_reduced, require_matches, write_checked
from gim_models.downstream.planar import estimate_homography
from gim_models.downstream.residuals import epipolar_distance, residuals, transfer_distance, warp_points
from gim_models.resizing import rescale
from gim_models.teachers.rootsift import rootsift

SIDEWAYS = np.array([[0.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # F of a camera that moved along x: lines are rows


def test_epipolar_distance_of_a_sideways_step_is_the_vertical_one():
    points0 = np.array([[10.0, 20.0], [30.0, 40.0], [5.0, 6.0]])
    points1 = points0 + np.array([[50, 0], [-7, 2], [0, -3]])
    np.testing.assert_allclose(epipolar_distance(SIDEWAYS, points0, points1), [0, 2, 3], atol=1e-12)


def test_epipolar_distance_does_not_know_the_scale_of_f():
    points = np.random.default_rng(0).random((2, 20, 2)) * 100
    expected = epipolar_distance(SIDEWAYS, *points)
    np.testing.assert_allclose(epipolar_distance(-7e-5 * SIDEWAYS, *points), expected)


def test_transfer_distance_is_measured_in_image_1():
    double = np.diag([2.0, 2.0, 1.0])
    np.testing.assert_allclose(transfer_distance(double, np.array([[1.0, 1.0]]), np.array([[5.0, 6.0]])), [5.0])


def test_points_beyond_the_horizon_go_to_infinity():
    H = np.array([[1.0, 0, 0], [0, 1, 0], [-0.01, 0, 1]])  # the column x = 100 is the horizon
    mapped = warp_points(H, np.array([[0.0, 5], [50, 5], [150, 5]]))
    np.testing.assert_allclose(mapped[:2], [[0, 5], [100, 10]])
    assert np.isinf(mapped[2]).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_warping_does_not_depend_on_the_sign_of_h(sign):
    points = np.random.default_rng(1).random((30, 2)) * SIZE
    np.testing.assert_allclose(warp_points(sign * TURN, points), through(TURN, points))


def test_no_fit_has_no_distances():
    nothing = Fit(np.zeros(3, bool), "none", "too few")
    assert np.isnan(residuals(nothing, np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32))).all()


@pytest.mark.parametrize(("flat", "deep", "model"), [(20, 150, "fundamental"), (170, 0, "homography")])
def test_the_fit_carries_the_matrix_that_its_inliers_obey(flat, deep, model):
    matches = plane_and_depth(np.random.default_rng(2), flat, deep, wrong=40)
    fit = fit_two_view(matches.keypoints0, matches.keypoints1, threshold=0.5)
    assert fit.model == model
    errors = residuals(fit, matches.keypoints0, matches.keypoints1)
    assert np.median(errors[:170]) < 0.05
    assert errors[fit.inliers].max() < 1.5
    assert np.median(errors[170:]) > 5


def test_a_planted_homography_comes_back():
    rng = np.random.default_rng(3)
    points0 = rng.random((200, 2)) * SIZE
    points1 = through(TURN, points0) + rng.normal(0, 0.3, (200, 2))
    points1[120:] = rng.random((80, 2)) * SIZE
    planar = estimate_homography(matches_of(points0, points1), threshold=2)
    assert planar.verdict == "yes"
    assert planar.inliers[:120].mean() > 0.97
    assert planar.inliers[120:].mean() < 0.1
    corners = np.array([[0, 0], [319, 0], [319, 239], [0, 239.0]])
    np.testing.assert_allclose(through(planar.H_0to1, corners), through(TURN, corners), atol=0.6)


@pytest.mark.parametrize(("flat", "deep", "verdict"), [(200, 0, "yes"), (120, 80, "partly"), (0, 200, "no")])
def test_parallax_speaks_against_a_homography(flat, deep, verdict):
    planar = estimate_homography(plane_and_depth(np.random.default_rng(4), flat, deep, wrong=30), threshold=1.5)
    assert planar.verdict == verdict, planar.reason


def test_a_plane_among_other_things_is_counted():
    planar = estimate_homography(plane_and_depth(np.random.default_rng(5), 120, 80), threshold=1.5)
    assert planar.share == pytest.approx(0.6, abs=0.06)
    assert "parallax" in planar.reason


def test_random_matches_have_no_homography():
    rng = np.random.default_rng(6)
    points = [rng.random((150, 2)) * SIZE for _ in range(2)]
    assert estimate_homography(matches_of(*points), threshold=3).verdict == "no"


def test_a_mirrored_picture_is_no_view_of_the_same_plane():
    points0 = np.random.default_rng(7).random((100, 2)) * SIZE
    points1 = points0 * [-1, 1] + [SIZE[0], 0]
    assert estimate_homography(matches_of(points0, points1), threshold=2).verdict == "no"


def test_all_matches_in_one_point_are_no_homography():
    points = np.full((40, 2), 50.0)
    assert estimate_homography(matches_of(points, points), threshold=2).verdict == "no"


@pytest.mark.parametrize(
    ("right", "wrong", "believed"), [(8, 24, True), (9, 30, True), (5, 60, False), (5, 1000, False)]
)
@pytest.mark.parametrize("seed", range(3))
def test_a_few_matches_on_a_plane_are_believed_where_chance_gives_fewer(right, wrong, believed, seed):
    """In a picture of 1600 x 1200, eight of 32 that agree within two pixels are no accident, five are."""
    rng, size = np.random.default_rng(seed), (1600, 1200)
    points0, points1 = (rng.random((right + wrong, 2)) * size for _ in range(2))
    tilt = np.array([[0.9, -0.1, 120], [0.1, 0.95, 20], [2e-5, 1e-5, 1]])
    points1[:right] = through(tilt, points0[:right])
    planar = estimate_homography(matches_of(points0, points1, size), threshold=2)
    assert (planar.verdict != "no") == believed, planar.reason
    if believed:
        assert planar.inliers[:right].all()


@pytest.mark.parametrize("count", [40, 300, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_wrong_matches_have_no_homography_however_many_they_are(count, seed):
    rng, size = np.random.default_rng(seed), (640, 480)
    matches = matches_of(*(rng.random((count, 2)) * size for _ in range(2)), size)
    planar = estimate_homography(matches, threshold=6)
    assert planar.verdict == "no"
    assert "no overlap" in planar.reason


def test_matches_of_one_place_are_one_piece_of_evidence():
    """Four places that fit any homography, each matched ten times."""
    rng = np.random.default_rng(0)
    points0, points1 = (np.repeat(rng.random((4, 2)) * 300 + 10, 10, axis=0) for _ in range(2))
    noise = rng.normal(0, 0.1, (2, 40, 2))
    planar = estimate_homography(matches_of(points0 + noise[0], points1 + noise[1], (320, 320)), threshold=2)
    assert planar.verdict == "no"


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_too_few_matches_are_a_reason_not_an_exception(count):
    points = np.random.default_rng(8).random((count, 2)) * SIZE
    planar = estimate_homography(matches_of(points, points), threshold=2)
    assert planar.verdict == "no"
    assert f"only {count} matches" in planar.reason
    assert check(matches_of(points, points), threshold=1).fit.model == "none"


def test_no_match_is_an_error_with_a_remedy():
    with pytest.raises(BadInput, match="finds no match between a and b"):
        require_matches(matches_of(np.zeros((0, 2)), np.zeros((0, 2))), "rootsift", "a and b")


@pytest.mark.parametrize("count", [40, 300, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_wrong_matches_show_no_shared_view_however_many_they_are(count, seed):
    """The more wrong matches, the more of them agree on the best geometry: a fixed number of inliers is no proof."""
    rng, size = np.random.default_rng(seed), (1600, 1200)
    checked = check(matches_of(*(rng.random((count, 2)) * size for _ in range(2)), size), threshold=1.0)
    assert checked.fit.inliers.sum() >= 8
    assert not checked.shared_view
    assert "no shared view" in checked.sentence()
    assert checked.facts()["shared_view"] is False


@pytest.mark.parametrize(("flat", "deep", "wrong"), [(0, 30, 60), (40, 0, 60), (100, 100, 400)])
def test_a_third_of_right_matches_show_a_shared_view(flat, deep, wrong):
    checked = check(plane_and_depth(np.random.default_rng(0), flat, deep, wrong), threshold=1.0)
    assert checked.shared_view
    assert "px off" in checked.sentence()


def test_rescaling_keeps_the_outer_borders():
    corners = np.array([[-0.5, -0.5], [99.5, 49.5]], np.float32)
    np.testing.assert_allclose(rescale(corners, (100, 50), (400, 100)), [[-0.5, -0.5], [399.5, 99.5]])


def test_matching_reduced_images_gives_full_pixels():
    big = wall(seed=9, size=(900, 700))
    image0, image1 = big[:600, :800], np.ascontiguousarray(big[80:680, 60:860])
    found = match_reduced(rootsift("cpu"), image0, image1, max_side=400)
    assert len(found) > 30
    assert found.size0 == found.size1 == (800, 600)
    shift = np.median(found.keypoints0 - found.keypoints1, axis=0)
    np.testing.assert_allclose(shift, [60, 80], atol=0.2)


@pytest.mark.parametrize(("sizes", "expected"), [(((800, 600), (640, 480)), 1.5), (((4000, 3000), (640, 480)), 3.75)])
def test_a_threshold_grows_with_what_was_reduced(sizes, expected):
    assert full_pixels(1.5, sizes, 1600) == expected


def test_what_is_written_comes_back(tmp_path):
    checked = check(plane_and_depth(np.random.default_rng(10), 20, 80), threshold=1)
    write_checked(tmp_path, "pair", checked, {"matcher": "planted"})
    with np.load(tmp_path / "pair.npz") as arrays:
        np.testing.assert_array_equal(arrays["keypoints1"], checked.matches.keypoints1)
        np.testing.assert_array_equal(arrays["inliers"], checked.fit.inliers)
        np.testing.assert_allclose(arrays["error_px"], checked.errors, rtol=1e-6)
    first = (tmp_path / "pair.npz").read_bytes()
    write_checked(tmp_path, "pair", checked, {"matcher": "planted"})
    assert (tmp_path / "pair.npz").read_bytes() == first


def test_warp_images_agree_where_the_homography_is_right():
    from gim_models.downstream.pictures import warp_image

    image = cv2.GaussianBlur(wall(seed=11), (0, 0), 2)
    seen = cv2.warpPerspective(image, TURN, SIZE)
    difference = np.abs(warp_image(image, TURN, seen).astype(int) - seen)
    assert difference.max() == 0
