"""Homographies and annotated points: planted geometry is recovered, errors are what geometry says they are."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from two_view import make_scene

from gim_data.bench.planar import PlanarPair, PointPair
from gim_data.stage import Silent
from gim_data.types import Image, Matches
from gim_models.evaluation.annotated import epipolar_pixels, estimate_fundamental
from gim_models.evaluation.flat_bench import run_planar, run_points, score_planar, score_points
from gim_models.evaluation.homography import (
    PROTOCOLS,
    apply,
    corners,
    estimate_homography,
    judges,
    resizing,
    transfer_error,
)
from gim_models.evaluation.prediction_store import Prediction

H = np.array([[0.9, 0.2, 20.0], [-0.1, 1.1, 5.0], [2e-4, 1e-4, 1.0]])
BEHIND = np.array([[1.0, 0, 0], [0, 1, 0], [-0.01, 0, 1]])  # sends x = 100 to infinity


def planted(count: int = 300, outliers: int = 0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    points0 = rng.uniform(0, [639, 479], (count, 2))
    points1 = apply(H, points0)
    points1[:outliers] = rng.uniform(0, [639, 479], (outliers, 2))
    return points0, points1


def test_a_map_and_its_inverse_cancel_and_the_horizon_is_infinite():
    points, _ = planted()
    np.testing.assert_allclose(apply(np.linalg.inv(H), apply(H, points)), points, atol=1e-9)
    np.testing.assert_allclose(apply(-3 * H, points), apply(H, points))  # the scale of H means nothing
    assert np.isfinite(apply(BEHIND, np.array([[99.0, 5], [100, 5], [150, 5]]))).all(axis=1).tolist() == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_planted_homography_is_found_among_outliers(name: str):
    points0, points1 = planted(300, outliers=120)
    fit = estimate_homography(points0, points1, np.ones(300, np.float32), PROTOCOLS[name], 7)
    assert transfer_error(fit.H, *judges(H, ((640, 480), (640, 480)))) < 0.01
    assert fit.inliers[120:].all()
    again = estimate_homography(points0, points1, np.ones(300, np.float32), PROTOCOLS[name], 7)
    np.testing.assert_array_equal(fit.H, again.H)


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("count", [0, 3])
def test_too_few_matches_are_a_reason(name: str, count: int):
    points0, points1 = planted(count)
    fit = estimate_homography(points0, points1, np.ones(count, np.float32), PROTOCOLS[name], 0)
    assert fit.reason == "fewer than 4 matches"
    assert transfer_error(fit.H, points0, points1) == np.inf


def test_only_the_most_confident_matches_are_used():
    points0, points1 = planted(3000)
    confidence = np.linspace(0, 1, 3000, dtype=np.float32)
    points1[:1976] += 50  # a second plane, all of it below the 1024 most confident
    fit = estimate_homography(points0, points1, confidence, PROTOCOLS["homography-ransac-v1"], 0)
    assert transfer_error(fit.H, *judges(H, ((640, 480), (640, 480)))) < 1e-3
    assert not fit.inliers[:1976].any()
    assert fit.inliers[1976:].all()


def test_the_error_of_a_shift_is_its_length():
    shift = np.array([[1.0, 0, 3], [0, 1, 4], [0, 0, 1]])
    assert transfer_error(shift @ H, *judges(H, ((640, 480), (640, 480)))) == pytest.approx(5)


def test_corners_judge_unless_they_lie_beyond_the_horizon():
    points, truth = judges(H, ((640, 480), (640, 480)))
    np.testing.assert_array_equal(points, corners((640, 480)))
    np.testing.assert_allclose(truth, apply(H, points))
    points, truth = judges(BEHIND, ((640, 480), (640, 480)))
    assert 0 < len(points) < 400
    assert ((truth >= 0) & (truth <= [639, 479])).all()


def test_a_resized_pixel_keeps_its_centre():
    """Half the size: the centre of four pixels (0.5, 0.5) becomes the centre of one, (0, 0)."""
    np.testing.assert_allclose(apply(resizing(0.5), np.array([[0.5, 0.5], [2.5, 4.5]])), [[0, 0], [1, 2]])


@pytest.fixture
def pair(tmp_path: Path) -> PlanarPair:
    for i in (0, 1):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.zeros((960, 1280, 3), np.uint8))
    S = resizing(0.5)
    return PlanarPair("plane#0#1", tmp_path / "0.png", tmp_path / "1.png", np.linalg.inv(S) @ H @ S)


def prediction(pair: PlanarPair, shift: float = 0.0) -> Prediction:
    points0 = np.random.default_rng(0).uniform(0, [1279, 959], (200, 2))
    points1 = apply(pair.H_0to1, points0) + np.array([shift, 0])
    return Prediction(pair.identifier, points0.astype(np.float32), points1.astype(np.float32), np.ones(200, np.float32))


@pytest.mark.parametrize(("short_side", "expected"), [(0, 4.0), (480, 2.0), (2000, 4.0)])
def test_errors_are_pixels_of_the_reduced_image(pair: PlanarPair, short_side: int, expected: float):
    score = score_planar(pair, prediction(pair, 4.0), PROTOCOLS["homography-ransac-v1"], short_side=short_side, seed=0)
    assert score.value == pytest.approx(expected, abs=0.01)


def test_an_estimate_with_a_corner_beyond_the_horizon_is_a_failure(pair: PlanarPair):
    """The matches lie on one plane, exactly; a corner of the image does not lie in front of it."""
    points0 = np.random.default_rng(0).uniform(0, [90, 959], (200, 2))
    points = [p.astype(np.float32) for p in (points0, apply(BEHIND, points0))]
    found = Prediction(pair.identifier, points[0], points[1], np.ones(200, np.float32))
    score = score_planar(pair, found, PROTOCOLS["homography-ransac-v1"], short_side=0, seed=0)
    assert (score.value, score.reason) == (np.inf, "a point is sent beyond the horizon")


def test_validation_points_judge_where_they_are_given(pair: PlanarPair):
    points0 = np.array([[100.0, 100.0], [200.0, 300.0]])
    judged = PlanarPair(*list(vars(pair).values())[:4], points0, apply(pair.H_0to1, points0) + np.array([0, 7]))
    score = score_planar(judged, prediction(pair), PROTOCOLS["homography-ransac-v1"], short_side=0, seed=0)
    assert score.value == pytest.approx(7, abs=0.01)


def test_a_planted_geometry_explains_the_clicked_points():
    scene = make_scene(count=300, outliers=90)
    fit = estimate_fundamental(scene.points0, scene.points1)
    clean = make_scene(seed=0, count=300)
    distances = epipolar_pixels(fit.H, clean.points0, clean.points1)
    assert np.median(distances) < 0.5
    assert estimate_fundamental(scene.points0[:7], scene.points1[:7]).reason == "fewer than 8 matches"


def test_distances_are_measured_in_both_images():
    """A pure sideways step: epipolar lines are rows, the distance is the difference in y."""
    F = np.array([[0.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    found = epipolar_pixels(F, np.array([[10.0, 20.0], [5, 5]]), np.array([[90.0, 23.0], [0, 5]]))
    np.testing.assert_allclose(found, [3, 0])
    assert np.isinf(epipolar_pixels(None, np.zeros((2, 2)), np.zeros((2, 2)))).all()


class Planted:
    """A matcher that knows the homography of the reduced images."""

    name = "planted"

    def match(self, image0: Image, image1: Image, mask0: None = None, mask1: None = None) -> Matches:
        assert image0.shape[:2] == (480, 640)
        points0, points1 = (p.astype(np.float32) for p in planted(100))
        return Matches(points0, points1, np.ones(100, np.float32), (640, 480), (640, 480))


def test_sets_are_summed_up_apart_and_together(pair: PlanarPair):
    wrong = PlanarPair("other#0#1", pair.image0, pair.image1, resizing(1.0))
    cells = run_planar(Planted(), {"a": [pair], "b": [wrong]}, PROTOCOLS["homography-ransac-v1"], Silent())
    assert cells["a"]["auc_3px"] > 99
    assert cells["b"]["auc_10px"] == 0
    assert cells["all pairs"]["auc_3px"] == pytest.approx(cells["a"]["auc_3px"] / 2, abs=0.5)
    assert cells["all pairs"]["pairs"] == 2
    assert cells["a"]["rows"][0]["identifier"] == "plane#0#1"


class Nothing:
    """A matcher that finds nothing."""

    name = "nothing"

    def match(self, image0: Image, image1: Image, mask0: None = None, mask1: None = None) -> Matches:
        none = np.zeros((0, 2), np.float32)
        return Matches(none, none, np.zeros(0, np.float32), (1280, 960), (1280, 960))


def test_failures_count_as_nothing_within(pair: PlanarPair):
    clicked = PointPair("clicked#0#1", pair.image0, pair.image1, np.ones((5, 2)), np.ones((5, 2)))
    cell = run_points(Nothing(), {"clicked": [clicked]}, Silent())["clicked"]
    assert (cell["within_10px"], cell["failures"]) == (0, 1)
    assert cell["reasons"] == {"fewer than 8 matches": 1}
    cell = run_planar(Nothing(), {"a": [pair]}, PROTOCOLS["homography-poselib-v1"], Silent())["a"]
    assert (cell["auc_10px"], cell["rows"][0]["value"]) == (0, None)


def test_shares_of_clicked_points(pair: PlanarPair):
    scene = make_scene(count=200)
    points1 = scene.points1.copy()
    points1[:50] = 1e4  # clicked somewhere else
    clicked = PointPair("clicked#0#1", pair.image0, pair.image1, scene.points0, points1)
    points = [p.astype(np.float32) for p in (scene.points0, scene.points1)]
    score = score_points(clicked, Prediction("clicked#0#1", points[0], points[1], np.ones(200, np.float32)))
    assert isinstance(score.value, tuple)
    assert score.value == pytest.approx((0.75,) * 3, abs=0.02)
