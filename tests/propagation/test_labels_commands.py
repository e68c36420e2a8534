"""``gim propagate`` and ``gim labels`` as a user types them, on GIM folders planted from known tracks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from orchestration.cli import main

sys.path.insert(0, str(Path(__file__).parents[1] / "propagation"))
from gim_folders import set_folder, write_set, write_video
from planted import planted


@pytest.fixture
def gim(capsys):
    """Call the command in this process: exit code, what it printed, and its errors."""

    def call(*words):
        with pytest.raises(SystemExit) as caught:
            main(list(map(str, words)))
        told = capsys.readouterr()
        return int(caught.value.code or 0), told.out, told.err

    return call


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
