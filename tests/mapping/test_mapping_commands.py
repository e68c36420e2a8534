"""``gim reconstruct`` and ``gim localize`` from the command line: what they say about wrong words and input."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_scene import Scene

from gim_models import registry
from orchestration.cli import main

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "multiview" / "strecha_fountain-P11"


@pytest.fixture
def gim(capsys, monkeypatch):
    """Call the command, with a planted matcher of the name ``planted``; returns (exit code, output, errors)."""
    monkeypatch.setitem(registry.FACTORIES, "planted", "planted_scene:make_planted")

    def call(*words):
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        told = capsys.readouterr()
        return int(caught.value.code or 0), told.out, told.err

    return call


def test_from_images_to_a_map_to_poses(gim, tmp_path):
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    source = Scene().write(tmp_path / "in")
    code, out, _ = gim("reconstruct", source, "--matcher", "planted", "--out", tmp_path / "map", "--threads", 1)
    assert code == 0
    assert "planted: 7 of 7 images placed" in out
    assert "100 % within 1 %" in out
    assert (tmp_path / "map" / "scene.html").is_file()
    code, out, _ = gim("localize", "--map", source, "--matcher", "planted", "--out", tmp_path / "q", "--threads", 1)
    assert code == 0
    assert "planted: 2 of 2 queries localized" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--pairs", "some"), "neither a way to choose pairs nor a file"),
        (("--mapper", "magic"), "--mapper 'magic'"),
        (("--camera", "FISH"), "--camera 'FISH'"),
        (("--truth", "."), "no cameras.json"),
        (("--masks", "nowhere"), "'nowhere' does not exist"),
    ],
)
def test_wrong_words(gim, tmp_path, words, told):
    source = Scene().write(tmp_path / "in", rows=[0])
    code, _, err = gim("reconstruct", source, "--matcher", "planted", "--out", tmp_path / "map", *words)
    assert code != 0
    assert told in err


def test_one_image(gim, tmp_path):
    source = Scene().write(tmp_path / "in", rows=[0])
    code, _, err = gim("reconstruct", source, "--matcher", "planted", "--out", tmp_path / "map")
    assert code == 1
    assert "two or more readable images" in err


@pytest.mark.slow
def test_real_photographs_by_rootsift(gim, tmp_path):
    """Five photographs of a fountain, reduced: all placed, and the summary scores them."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    if not REAL.is_dir():
        pytest.skip(f"{REAL} is not there")
    folder = tmp_path / "five"
    (folder / "images").mkdir(parents=True)
    for row in range(3, 8):
        (folder / "images" / f"{row:04d}.jpg").symlink_to(REAL / "images" / f"{row:04d}.jpg")
    words = ("--truth", REAL, "--max-side", 480, "--threads", 1)
    code, out, _ = gim("reconstruct", folder, "--matcher", "rootsift", "--out", tmp_path / "map", *words)
    assert code == 0
    assert "5 of 5 images placed" in out
    assert "5 of 11 placed, median centre error" in out
