"""The benchmark over posed scans: the truth of each trial, what counts, and the files."""

import json
from pathlib import Path

import numpy as np
import pytest
from planted_clouds import motion, seen_from, sweep, town

from gim_data.errors import BadInput
from gim_models.downstream.bev.align import BevSettings, yaw_of
from gim_models.downstream.bev.bench import (
    BenchSettings,
    Trial,
    TrialScore,
    read_trials,
    run_trials,
    score,
    summarize,
    trials_of,
)
from gim_models.downstream.bev.scans import read_scans
from gim_models.teachers.rootsift import rootsift

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "lidar" / "kitti_raw_drive154"
PLACES = {"a.bin": motion(0, 0, 0), "b.bin": motion(10, 4, 1, 0.2), "c.bin": motion(-30, 9, -3, -0.1)}


@pytest.fixture
def scans(tmp_path):
    """Three scans of one town from known places, in rows of three numbers."""
    folder = tmp_path / "drive"
    folder.mkdir()
    for i, (name, T_s2w) in enumerate(PLACES.items()):
        (folder / name).write_bytes(seen_from(town(i), np.linalg.inv(T_s2w)).tobytes())
    (folder / "poses.json").write_text(json.dumps({"T_s2w": {name: T.tolist() for name, T in PLACES.items()}}))
    return folder


def test_the_truth_of_a_trial_maps_sensor_0_to_sensor_1(scans):
    trial = trials_of(read_scans(scans), BenchSettings())[0]
    assert trial.name == "a-b"
    spot = np.array([2.0, 3, 1, 1])  # in the world, which is sensor a
    np.testing.assert_allclose(trial.T_0to1 @ spot, np.linalg.inv(PLACES["b.bin"]) @ spot)
    assert trial.distance == pytest.approx(np.hypot(4, 1))
    assert trial.yaw_deg == pytest.approx(10)


def test_random_yaw_turns_the_truth_and_the_cloud_alike(scans):
    (trial,) = trials_of(read_scans(scans), BenchSettings(farthest=5, turned=180, seed=3))
    assert trial.turn != 0
    expected = yaw_of(np.linalg.inv(PLACES["b.bin"])) + trial.turn
    assert np.angle(np.exp(1j * (yaw_of(trial.T_0to1) - expected))) == pytest.approx(0, abs=1e-9)
    clouds = read_trials(read_scans(scans), [trial], columns=3).clouds
    ((one, _),) = run_trials(rootsift("cpu"), clouds, [trial], BevSettings(radius=40, cell=0.2))
    assert one.within(0.5, 1.0), one


def test_draws_differ_and_a_seed_repeats_them(scans):
    many = BenchSettings(turned=90, draws=3, seed=1)
    first, again = (trials_of(read_scans(scans), many) for _ in range(2))
    assert [t.turn for t in first] == [t.turn for t in again]
    assert len({t.turn for t in first}) == len(first) == 9
    assert max(abs(np.degrees(t.turn)) for t in first) <= 90


def test_pairs_too_far_apart_are_left_out(scans):
    assert [t.name for t in trials_of(read_scans(scans), BenchSettings(farthest=7))] == ["a-b", "b-c"]


def test_errors_are_metres_in_the_plane_metres_up_and_degrees():
    class Found:
        T_0to1 = motion(-178, 3, 4, 0.5)
        matches, inliers, reason = [], np.zeros(0, bool), ""

    trial = Trial("t", 0, 1, 0.0, motion(179, 0, 0, 0.2))
    one = score(trial, Found())
    assert (one.plane_m, one.vertical_m) == (pytest.approx(5), pytest.approx(0.3))
    assert one.turn_deg == pytest.approx(3)  # across +-180
    assert not one.within(4.9, 5)
    assert one.within(5.1, 3.1)


def test_no_motion_counts_as_a_miss():
    def one(distance, plane):
        return TrialScore("t", distance, 10.0, plane, 0.1, 0.5, 10, 8, "")

    summary = summarize([one(1, 0.1), one(2, 0.8), one(3, np.inf), one(40, 1.5)])
    assert summary["without_motion"] == 1
    assert summary["recall"] == {"0.5 m, 1 deg": 0.25, "1 m, 2 deg": 0.5, "2 m, 5 deg": 0.75}
    near, far = summary["over_distance"]
    assert (near["from"], near["trials"], near["recall"]["2 m, 5 deg"]) == (0, 3, pytest.approx(2 / 3))
    assert (far["from"], far["to"], far["trials"]) == (30, None, 1)
    assert summary["median"]["plane_m"] == pytest.approx(0.8)


def test_opposite_headings_fall_into_the_last_bin():
    summary = summarize([TrialScore("t", 1.0, 180.0, 0.1, 0.1, 0.1, 9, 9, "")])
    assert [(b["from"], b["to"]) for b in summary["over_yaw"]] == [(120, 180)]


def test_the_benchmark_from_the_shell(gim, scans, tmp_path):
    out = tmp_path / "out"
    options = ("-m", "rootsift", "-o", out, "--columns", "3", "--radius", "40", "--turned", "40")
    code, told, problem = gim("bench", "bev", scans, *options)
    assert code == 0, problem
    scores = json.loads((out / "scores.json").read_text())
    summary = scores["summaries"]["rootsift"]
    assert summary["trials"] == len(scores["trials"]["rootsift"]) == 3
    assert summary["recall"]["0.5 m, 1 deg"] == 1
    assert "rootsift" in told
    assert "100 %" in told
    assert (out / "recall.png").stat().st_size > 1000
    assert len(list((out / "examples").glob("rootsift-*.jpg"))) == 3


def test_one_empty_scan_does_not_stop_the_others(gim, scans, tmp_path):
    """Of three pairs the one without it is scored; who is left out, and why, stands in the file and on the screen."""
    (scans / "c.bin").write_bytes(b"")
    words = ("bench", "bev", scans, "-m", "rootsift", "-o", tmp_path / "out", "--columns", "3", "--radius", "40")
    code, _, problem = gim(*words)
    assert code == 0, problem
    assert "left out c.bin" in problem
    scores = json.loads((tmp_path / "out/scores.json").read_text())
    assert [trial["name"] for trial in scores["trials"]["rootsift"]] == ["a-b"]
    assert list(scores["left_out"]) == ["c.bin"]
    assert "is empty" in scores["left_out"]["c.bin"]
    (scans / "b.bin").write_bytes(b"")
    code, _, problem = gim(*words)
    assert code == 1
    assert "no pair of scans is left" in problem
    assert "b.bin is empty" in problem


def test_one_pair_from_the_shell(gim, scans, tmp_path):
    out = tmp_path / "out"
    words = ("bev", scans / "a.bin", scans / "b.bin", "-m", "rootsift", "--columns", "3", "--radius", "40", "-o", out)
    code, told, problem = gim(*words)
    assert code == 0, problem
    assert "A to B" in told
    np.testing.assert_allclose(np.loadtxt(out / "T_0to1.txt"), np.linalg.inv(PLACES["b.bin"]), atol=0.3)
    assert json.loads((out / "bev.json").read_text())["cloud0"]["points"] == len(town(0))
    assert (out / "bev.jpg").is_file()


@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        (["a.bin"], "only one input", "name two"),
        (["a.bin", "empty.bin"], "empty.bin is empty", "record it again"),
        (["a.bin", "one.bin"], "one.bin holds 1 point(s)", "whole scan"),
        (["a.bin", "nan.bin"], "points are NaN", "--columns"),
        (["a.bin", "elsewhere.bin"], "could not be aligned", "--headings"),
        (["a.bin", "nowhere.bin"], "does not exist", "check the path"),
    ],
)
def test_bad_clouds_get_a_remedy(gim, scans, tmp_path, words, problem, remedy):
    rows = {"empty": np.zeros((0, 3)), "one": np.ones((1, 3)), "nan": np.full((300, 3), np.nan), "elsewhere": sweep(3)}
    for name, values in rows.items():
        (scans / f"{name}.bin").write_bytes(values.astype(np.float32).tobytes())
    out = tmp_path / "out"
    code, _, told = gim("bev", *(scans / word for word in words), "-m", "rootsift", "-o", out, "--columns", "3")
    assert code == 1
    assert problem in told
    assert remedy in told


@pytest.mark.parametrize(
    ("poses", "problem"),
    [
        ("{", "cannot be read"),
        ('{"poses": 1}', "cannot be read"),
        ('{"T_s2w": {"a.bin": [[1]]}}', "not (4, 4)"),
        ('{"T_s2w": {}}', "lists 0 scan(s)"),
        (json.dumps({"T_s2w": {"../a.bin": np.eye(4).tolist()}}), "leaves the folder"),
        (json.dumps({"T_s2w": {"gone.bin": np.eye(4).tolist()}}), "does not exist"),
        (json.dumps({"T_s2w": {"a.bin": (2 * np.eye(4)).tolist()}}), "not a rotation"),
    ],
)
def test_poses_that_are_none(scans, poses, problem):
    (scans / "poses.json").write_text(poses)
    with pytest.raises(BadInput) as caught:
        read_scans(scans)
    assert problem in caught.value.problem
    assert "poses.json" in caught.value.problem


def test_scans_too_far_apart_are_an_error(gim, scans, tmp_path):
    code, _, told = gim("bench", "bev", scans, "-m", "rootsift", "-o", tmp_path / "out", "--farthest", "1")
    assert code == 1
    assert "no two scans are within 1 m" in told


def test_no_folder_is_an_error(gim, tmp_path):
    code, _, told = gim("bench", "bev", tmp_path / "nowhere", "-m", "rootsift", "-o", tmp_path / "out")
    assert code == 1
    assert "there is no folder" in told
    assert "poses.json" in told


@pytest.mark.parametrize("command", [("bev",), ("bench", "bev")])
def test_help_teaches(gim, command):
    code, told, _ = gim(*command, "--help")
    assert code == 0
    assert "Examples:" in told
    assert "--headings 8" in told


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no lidar scans at {REAL}")
def test_neighbouring_real_scans_are_aligned():
    scans = [scan for scan in read_scans(REAL) if scan.path.stem in ("000000", "000009")]
    read = read_trials(scans, trials_of(scans, BenchSettings()))
    ((one, _),) = run_trials(rootsift("cpu"), read.clouds, read.trials, BevSettings())
    assert one.within(0.5, 1.0), one
    assert one.vertical_m < 0.3
