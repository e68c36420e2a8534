"""Protocols: exact scenes give exact poses, failures keep their reasons, and company changes nothing."""

import cv2
import numpy as np
import pytest
from two_view import Scene, make_scene

from gim_data.types import TwoViewPair
from gim_models.evaluation.pose_stage import Task, pair_up, score_tasks
from gim_models.evaluation.prediction_store import Prediction
from gim_models.evaluation.protocol import FAILED, PROTOCOLS, epipolar_distance2, normalise, pose_error, score_pair

NAMES = sorted(PROTOCOLS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(4))
def test_an_exact_scene_has_no_error(name: str, seed: int):
    scene = make_scene(seed)
    score = score_pair(PROTOCOLS[name], scene.pair, (scene.points0, scene.points1), 0)
    assert score.error < 0.01
    assert score.reason == ""
    assert (score.matches, score.inliers, score.precision_before, score.precision_after) == (200, 200, 1, 1)


@pytest.mark.parametrize("name", NAMES)
def test_outliers_are_left_out(name: str):
    scene = make_scene(1, outliers=80)
    score = score_pair(PROTOCOLS[name], scene.pair, (scene.points0, scene.points1), 0)
    assert score.error < 0.2
    assert score.precision_before == pytest.approx(0.6, abs=0.03)
    assert score.precision_after > 0.97


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_matches_fail_with_a_reason_and_count_as_180(name: str, count: int):
    scene = make_scene()
    score = score_pair(PROTOCOLS[name], scene.pair, (scene.points0[:count], scene.points1[:count]), 0)
    assert score.reason == "fewer than 5 matches"
    assert score.rotation_deg == np.inf
    assert score.error == FAILED


@pytest.mark.parametrize("name", NAMES)
def test_matches_without_geometry_never_raise(name: str):
    scene = make_scene()
    same = np.full((12, 2), 100.0)
    line = np.column_stack([np.arange(12.0), np.arange(12.0)])
    for points in ((same, same), (line, line), (same, line)):
        score = score_pair(PROTOCOLS[name], scene.pair, points, 0)
        assert 0 <= score.error <= FAILED


def test_the_translation_may_point_backwards(scene: Scene):
    T = scene.pair.T_0to1
    assert pose_error(T[:3, :3], -3 * T[:3, 3], T) == pytest.approx((0, 0), abs=1e-5)


def test_pose_errors_by_hand():
    T = np.eye(4)
    T[:3, 3] = [1, 0, 0]
    R = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert pose_error(R, np.array([0.0, 1, 0]), T) == pytest.approx((90, 90))
    assert pose_error(np.eye(3), np.array([-1.0, 1, 0]), T) == pytest.approx((0, 45))
    T[:3, 3] = 0
    assert pose_error(R, np.array([0.0, 1, 0]), T) == pytest.approx((90, 0))


def test_the_epipolar_distance_is_zero_on_the_truth_and_grows_off_it(scene: Scene):
    assert epipolar_distance2(scene.points0, scene.points1, scene.pair).max() < 1e-20
    assert np.median(epipolar_distance2(scene.points0, scene.points1 + 30, scene.pair)) > 5e-4


def test_the_threshold_mixes_x_of_one_camera_and_y_of_the_other(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    seen = {}

    def spy(*args: object, **kwargs: float) -> tuple[None, None]:
        seen.update(kwargs)
        return None, None

    monkeypatch.setattr(cv2, "findEssentialMat", spy)
    score = score_pair(PROTOCOLS["zeb-paper-v1"], scene.pair, (scene.points0, scene.points1), 0)
    assert score.reason == "no essential matrix"
    assert seen["threshold"] == pytest.approx(0.5 / ((600 + 505) / 2))
    assert (seen["prob"], seen["method"]) == (0.99999, cv2.RANSAC)
    assert "maxIters" not in seen


def test_what_the_released_code_does_fails_where_parallax_is_small():
    scene = make_scene(0, scale=30)  # 120 to 270 baselines away
    said, done = (
        score_pair(PROTOCOLS[name], scene.pair, (scene.points0, scene.points1), 0)
        for name in ("zeb-paper-v1", "zeb-released-v1")
    )
    assert said.error < 0.1
    assert (done.error, done.reason) == (FAILED, "no point in front of both cameras")
    assert done.precision_before == 1


def test_the_released_call_of_opencv_has_a_limit_of_50_whatever_it_names():
    """The fifth positional argument is an output of the overload that OpenCV takes."""
    for scale in (1, 6, 30):
        scene = make_scene(2, scale=scale)
        x0, x1 = normalise(scene.points0, scene.pair.K0), normalise(scene.points1, scene.pair.K1)
        E, mask = cv2.findEssentialMat(x0, x1, np.eye(3), method=cv2.RANSAC, prob=0.99999, threshold=1e-3)
        counts = [
            cv2.recoverPose(E, x0, x1, np.eye(3), 1e9, mask=mask.copy())[0],
            cv2.recoverPose(E, x0, x1, np.eye(3), distanceThresh=50.0, mask=mask.copy())[0],
        ]
        assert counts[0] == counts[1]
        assert (counts[0] == 0) == (scale == 30)


def tasks_of(count: int) -> list[Task]:
    tasks = []
    for seed in range(count):
        scene = make_scene(seed, 60, noise=0.5, outliers=20)
        points = (scene.points0.astype(np.float32), scene.points1.astype(np.float32))
        prediction = Prediction(scene.pair.identifier, *points, np.ones(60, np.float32))
        tasks.append(Task(NAMES[seed % 2], scene.pair, prediction, 0))
    return tasks


def test_a_pair_is_scored_alike_alone_and_in_company():
    tasks = tasks_of(6)
    assert list(score_tasks(tasks, workers=1)) == list(score_tasks(tasks[::-1], workers=1))[::-1]


@pytest.mark.slow
def test_two_workers_give_the_same_bits_as_one():
    tasks = tasks_of(66)
    alone = list(score_tasks(tasks, workers=1))
    assert list(score_tasks(tasks, workers=2)) == alone


def test_predictions_of_other_pairs_are_refused(scene: Scene):
    other = Prediction("box#8#9", *(np.zeros((0, 2), np.float32),) * 2, np.zeros(0, np.float32))
    with pytest.raises(ValueError, match="box#8#9 where box#0#1"):
        pair_up("poselib-v1", [scene.pair], [other], 0)


def test_a_pure_rotation_has_a_defined_rotation_error(scene: Scene):
    pair = scene.pair
    turned = TwoViewPair(pair.identifier, pair.image0, pair.image1, pair.K0, pair.K1, np.eye(4), 1.0)
    score = score_pair(PROTOCOLS["poselib-v1"], turned, (scene.points0, scene.points1), 0)
    assert score.translation_deg in (0.0, np.inf)
