"""``gim propagate`` and ``gim labels`` as a user types them, on GIM folders planted from known tracks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from gim_folders import set_folder, write_set, write_video
from planted import SIZE, planted, sources

from gim_data.labels.store import LabelMeta, write_labels
from gim_data.ledger import Entry, Ledger
from gim_data.video.framestore import StoredFrame, write_frames
from gim_data.video.sources import video_keys
from orchestration.workspace import open_runner

PROJECT_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def zeromatch(tmp_path_factory):
    root = tmp_path_factory.mktemp("ZeroMatch")
    rng = np.random.default_rng(0)
    tracks, seen = planted(rng, frames=8, points=900)
    write_video(root, "-walk", rng, tracks, seen, methods=("SIFT",))
    return root


def test_gims_labels_are_propagated_and_handed_back(gim, zeromatch, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # outside of any workspace: the defaults count
    code, told, _ = gim("propagate", "--from-gim", zeromatch, "--out", tmp_path / "labels")
    assert code == 0
    assert "made    -walk:" in told
    code, told, _ = gim("labels", "export-gim", tmp_path / "labels", tmp_path / "back")
    assert code == 0
    pairs = sorted((tmp_path / "back" / "-walk").glob("*.npy"))
    assert f"-walk: {len(pairs)} pairs" in told
    for path in pairs:
        first, last = map(int, path.stem.split("_"))
        assert np.load(path, allow_pickle=False)[0].tolist() == [first, last, first, last]


def test_a_malformed_video_fails_the_command_and_not_the_others(gim, zeromatch, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    broken = set_folder(zeromatch, "broken", "SIFT", False, 10)
    write_set(broken, {(0, 10): np.ones((100, 4))})
    (broken / "nums.npy").unlink()
    code, told, errors = gim("propagate", "--from-gim", zeromatch, "--out", tmp_path / "labels")
    assert code == 1
    assert "made    -walk" in told
    assert "nums.npy" in errors
    assert "1 of 2 videos failed: broken" in errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--video", "other"), "no label set is about other"),
        (("--link", "glue"), "there is no link 'glue'"),
    ],
)
def test_wrong_words_name_the_right_ones(gim, zeromatch, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, _, errors = gim("propagate", "--from-gim", zeromatch, "--out", tmp_path / "labels", *words)
    assert code == 1
    assert message in errors


@pytest.fixture
def workspace(tmp_path):
    """Frames and direct labels of a listed video, and labels of one that is not listed any more."""
    text = "corpus: {videos: ['synthetic:street?seed=1&seconds=4']}\n"
    (tmp_path / "params.yaml").write_text(text)
    (video,) = video_keys(open_runner(tmp_path).params, tmp_path)
    frames = tmp_path / "data" / "frames" / video
    frames.mkdir(parents=True)
    image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    write_frames(frames, [StoredFrame(i / 3, 0, image) for i in range(4)], source_size=SIZE)
    rng = np.random.default_rng(0)
    made = sources(rng, *planted(rng, frames=4, points=60), skips=(1,))
    for name in (video, "gone-1"):
        ledger = Ledger(tmp_path)
        out, _ = ledger.begin("matches", name, "digest")
        write_labels(out / "a-s0.333-p1.parquet", made[0].labels, LabelMeta(SIZE, "a", 1 / 3))
        ledger.commit("matches", name, out, Entry("digest", "", {}))
    return tmp_path, video


def test_labels_are_listed_inspected_and_verified(gim, workspace):
    root, video = workspace
    code, told, _ = gim("--root", root, "labels", "list", "--json")
    assert code == 0
    rows = json.loads(told)
    assert {row["video"] for row in rows} == {video, "gone-1"}
    assert all(row["pairs"] == 3 and row["matches"] > 50 for row in rows)
    code, told, _ = gim("--root", root, "labels", "list")
    assert "a-s0.333-p1.parquet" in told
    code, told, _ = gim("--root", root, "labels", "inspect", video[:6])
    assert code == 0
    assert "matches a pair" in told
    assert gim("--root", root, "labels", "verify")[0] == 0


def test_damage_is_told_and_pruned(gim, workspace):
    root, video = workspace
    path = root / "data" / "matches" / video / "a-s0.333-p1.parquet"
    path.write_bytes(path.read_bytes()[:200])
    code, _, errors = gim("--root", root, "labels", "verify")
    assert code == 1
    assert f"matches/{video} holds other bytes" in errors
    code, told, _ = gim("--root", root, "labels", "prune")
    assert f"would drop matches {video}: damaged" in told
    assert "would drop matches gone-1: no longer listed" in told
    assert path.is_file()
    assert gim("--root", root, "labels", "prune", "--yes")[0] == 0
    assert not path.parent.exists()
    assert not (root / "data" / "matches" / "gone-1").exists()
    assert "nothing to drop" in gim("--root", root, "labels", "prune")[1]


def test_a_page_shows_the_pairs_of_least_evidence_first(gim, workspace):
    root, video = workspace
    code, told, _ = gim("--root", root, "labels", "view", video, "--pairs", "2")
    assert code == 0
    assert "2 pairs" in told
    page = (root / "report" / f"labels-{video}.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2
    counts = [int(part.split(" correspondences")[0].split()[-1]) for part in page.split("<figcaption>")[1:]]
    assert counts == sorted(counts)


def test_a_video_without_labels_is_named(gim, workspace):
    root, video = workspace
    code, _, errors = gim("--root", root, "labels", "view", "other")
    assert code == 1
    assert "no labels are of a video 'other'" in errors
    assert video in errors


@pytest.mark.slow
def test_the_audit_measures_a_teacher_on_a_world(gim, tmp_path):
    shutil.copy(PROJECT_ROOT / "params.yaml", tmp_path)
    world = "street?seed=1&width=256&height=192"
    words = ("labels", "audit", "--world", world, "--teacher", "rootsift", "--seconds", 4, "--json")
    code, told, _ = gim("--root", tmp_path, *words)
    assert code == 0
    rows = json.loads(told)
    direct = [row for row in rows if row["what"] == "direct"]
    assert {row["by"] for row in direct} == {"rootsift"}
    assert all(row["precision_3px"] > 0.9 and 0 < row["recall"] <= row["coverage"] <= 1 for row in direct)
    assert any(row["what"] == "propagated" for row in rows)


def test_teachers_are_listed_with_licence_and_weights(gim):
    code, told, _ = gim("teachers", "--json")
    assert code == 0
    rows = {row["name"]: row for row in json.loads(told)}
    assert {"rootsift", "xfeat+lighterglue", "aliked+lightglue", "disk+lightglue"} <= set(rows)
    assert rows["rootsift"]["licence"] == "none needed"
    for row in rows.values():
        assert row["licence"]
        assert (row["size"] > 0) == (row["licence"] != "none needed" and not row["missing"])


def test_a_teacher_is_timed_when_asked(gim):
    code, told, _ = gim("teachers", "rootsift", "--measure", "--json")
    assert code == 0
    (row,) = json.loads(told)
    assert row["speed"]["pairs"] > 0
    assert row["speed"]["keypoints"] > 100
    assert gim("teachers", "nobody")[0] == 1
