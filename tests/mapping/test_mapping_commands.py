"""``gim reconstruct`` and ``gim localize`` from the command line: what they say about wrong words and input."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from planted_scene import Scene

from gim_models import registry

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "multiview" / "strecha_fountain-P11"


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    """A matcher of this name knows the planted scene."""
    monkeypatch.setitem(registry.FACTORIES, "planted", "planted_scene:make_planted")


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


def test_a_single_photo_is_no_source(gim, tmp_path):
    photo = Scene().write(tmp_path / "in", rows=[0]) / "images" / "0000.png"
    code, _, err = gim("reconstruct", photo, "--matcher", "planted", "--out", tmp_path / "map")
    assert code == 1
    assert "0000.png is one photo; a map needs three or more" in err
    assert "name the folder that holds it and others, or a video" in err


def test_one_image(gim, tmp_path):
    source = Scene().write(tmp_path / "in", rows=[0])
    code, _, err = gim("reconstruct", source, "--matcher", "planted", "--out", tmp_path / "map")
    assert code == 1
    assert "three or more readable images" in err


def test_a_map_that_cannot_be_made_says_so_and_fails(gim, tmp_path):
    """Pictures of different sizes without texture: nothing matches; the summary is there and the code is 1."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    folder = tmp_path / "in"
    folder.mkdir()
    for name, size in (("a.png", (64, 80)), ("b.png", (90, 120)), ("d.png", (64, 80))):
        cv2.imwrite(str(folder / name), np.full((*size, 3), 90, np.uint8))
    (folder / "c.jpg").write_bytes(b"not a picture")
    words = ("--matcher", "rootsift", "--out", tmp_path / "map", "--threads", 1, "--device", "cpu")
    code, out, err = gim("reconstruct", folder, *words)
    assert code == 1
    assert "0 of 3 images placed" in out
    assert "add images with more overlap" in out
    assert "left out: " in out
    assert "c.jpg" in out
    assert "no map was made" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--map", "one"), "1 of 1 images of the map can be read, 3 or more are needed"),
        (("--map", "in"), "2 of 2 images of the map can be read, 3 or more are needed"),
        (("--map", "empty"), "empty holds no map"),
        (("--map", "in", "--queries", "empty"), "holds no image"),
        (("--map", "in", "--queries", "broken"), "q.png is no readable image"),
        (("--map", "in", "--queries", "nowhere"), "'nowhere' does not exist"),
        (("--map", "in", "--depth", "empty"), "holds no depth map"),
        (("--map", "bad"), "cameras.json"),
    ],
)
def test_wrong_words_of_localize(gim, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    Scene(count=3, points=60).write(Path("in"))
    Scene(count=3, points=60).write(Path("one"), rows=[0])
    Path("empty").mkdir()
    Path("broken").mkdir()
    Path("broken/q.png").write_bytes(b"not a picture")
    Path("bad").mkdir()
    Path("bad/cameras.json").write_text("{")
    code, _, err = gim("localize", *words, "--matcher", "planted", "--out", "out", "--device", "cpu")
    assert code != 0
    assert told in err.replace("\n", " ")


def test_a_single_photo_is_a_query(gim, tmp_path):
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    source = Scene().write(tmp_path / "in", rows=[0, 1, 2, 4, 5, 6])
    photo = sorted((Scene().write(tmp_path / "q") / "images").iterdir())[3]
    words = ("--matcher", "planted", "--out", tmp_path / "out", "--threads", 1, "--device", "cpu")
    code, out, err = gim("localize", "--map", source, "--queries", photo, *words)
    assert code == 0, err
    assert "planted: 1 of 1 queries localized" in out


def test_a_file_that_is_no_list_of_queries(gim, tmp_path):
    source = Scene().write(tmp_path / "in")
    (tmp_path / "list.bin").write_bytes(b"\xff\xfe\x80")
    words = ("--matcher", "planted", "--out", tmp_path / "out", "--device", "cpu")
    code, _, err = gim("localize", "--map", source, "--queries", tmp_path / "list.bin", *words)
    assert code == 1
    assert "is no list of queries" in err


@pytest.mark.parametrize(
    "words",
    [
        ("reconstruct", "in", "--matcher", "planted"),
        ("localize", "--map", "in", "--matcher", "planted"),
        ("splat", "in"),
        ("bench", "maps", "in", "-m", "planted"),
    ],
)
def test_a_result_folder_that_is_a_file(gim, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    Scene(count=3, points=60).write(Path("in"))
    Path("taken").write_text("mine")
    code, _, err = gim(*words, "--out", "taken")
    assert code == 2
    assert "'taken' is a file" in err
    assert Path("taken").read_text() == "mine"


def test_a_table_of_maps_and_of_queries(gim, tmp_path, monkeypatch):
    """Whole and thinned, by two matchers: a row each, and the numbers beside them; progress stays out of the JSON."""
    monkeypatch.setattr("orchestration.progress.SECONDS_BETWEEN_LINES", 0)
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    source = Scene(count=7).write(tmp_path / "arc")
    words = ("--threads", 1, "--device", "cpu", "--out", tmp_path / "out")
    code, out, _ = gim(
        "bench", "maps", source, "-m", "planted", "-m", "colmap-sift", "--every", 1, "--every", 3, *words
    )
    assert code == 0
    rows = [line.split() for line in out.splitlines() if line.startswith("arc")]
    assert [row[:3] for row in rows[:4]] == [
        ["arc", "planted", "7/7"],
        ["arc", "colmap-sift", "0/7"],
        ["arc-every-3", "planted", "3/3"],
        ["arc-every-3", "colmap-sift", "0/3"],
    ]
    assert json.loads((tmp_path / "out" / "maps.json").read_text())["planted"]["arc"]["within_1_percent"] == 1
    code, out, _ = gim("bench", "localization", source, "-m", "planted", *words)
    assert code == 0
    assert "2/2" in out
    code, out, err = gim("bench", "localization", source, "-m", "planted", "--json", *words, "--seed", 1)
    assert json.loads(out)["planted"]["arc"]["localized"] == 2
    assert "matching by planted" in err


@pytest.mark.parametrize(("bench", "task"), [("maps", "maps"), ("localization", "relocalization")])
def test_a_set_that_cannot_be_read_is_a_row_with_its_problem_and_the_next_goes_on(gim, tmp_path, bench, task):
    """One without cameras, one whose cameras are no JSON: the good set after them has its numbers, the code is 1."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    bare, torn = Scene().write(tmp_path / "bare"), Scene().write(tmp_path / "torn")
    (bare / "cameras.json").unlink()
    (torn / "cameras.json").write_text("{")
    words = ("-m", "planted", "--threads", 1, "--device", "cpu", "--out", tmp_path / "out")
    code, out, err = gim("bench", bench, bare, torn, Scene().write(tmp_path / "arc"), *words)
    assert code == 1
    assert "no number for bare, torn: " in err
    assert "; then give the same command again" in err
    rows = [line.split()[:3] for line in out.splitlines() if " planted " in line]
    whole = {"maps": "7/7", "localization": "2/2"}[bench]
    assert rows == [["bare", "planted", "0/0"], ["torn", "planted", "0/0"], ["arc", "planted", whole]]
    written = json.loads((tmp_path / "out" / f"{task}.json").read_text())["planted"]
    assert "torn" in written["torn"]["problem"]
    assert written["arc"]["problem"] == ""


@pytest.mark.parametrize("place", ["in", "in/images"])
def test_a_result_among_the_photos(gim, tmp_path, place):
    source = Scene(count=3, points=60).write(tmp_path / "in")
    before = {path.name: path.read_bytes() for path in (source / "images").iterdir()}
    code, _, err = gim("reconstruct", source, "--matcher", "planted", "--out", tmp_path / place)
    assert code == 1
    assert "name another folder with --out" in err
    assert {path.name: path.read_bytes() for path in (source / "images").iterdir()} == before


def test_queries_are_not_laid_out_over_themselves(gim, tmp_path):
    """The result folder's ``queries`` are the photos."""
    source = Scene(count=3, points=60).write(tmp_path / "in")
    (tmp_path / "out" / "queries").mkdir(parents=True)
    photo = tmp_path / "out" / "queries" / "q.png"
    photo.write_bytes((source / "images" / "0001.png").read_bytes())
    words = ("--map", source, "--queries", photo, "--matcher", "planted", "--out", tmp_path / "out")
    code, _, err = gim("localize", *words)
    assert code == 1
    assert "name another folder with --out" in err
    assert not photo.is_symlink()


def test_a_set_of_two_images_is_a_row_beside_others(gim, tmp_path):
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    few, arc = Scene().write(tmp_path / "few", rows=[0, 1]), Scene().write(tmp_path / "arc")
    words = ("-m", "colmap-sift", "--threads", 1, "--device", "cpu", "--out", tmp_path / "out")
    _, out, _ = gim("bench", "maps", few, arc, *words)
    assert [line.split()[0] for line in out.splitlines() if " colmap-sift " in line] == ["few", "arc"]


@pytest.mark.parametrize("damage", ["header", "end"])
def test_images_that_cannot_be_read_are_left_out_and_counted(gim, tmp_path, damage):
    """No image at all, or one cut short: six of seven are mapped; one of two queries has failed, with its reason."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    source = Scene().write(tmp_path / "arc")
    spoil(source / "images" / "0003.png", damage)
    words = ("--threads", 1, "--device", "cpu")
    code, out, _ = gim("bench", "maps", source, "-m", "planted", "--out", tmp_path / "maps", *words)
    assert code == 0
    assert "6/6" in out
    assert "arc, planted: left out: " in out
    cell = json.loads((tmp_path / "maps" / "maps.json").read_text())["planted"]["arc"]
    assert (cell["left_out"], cell["within_1_percent"]) == (1, 1)
    code, out, _ = gim("bench", "localization", source, "-m", "planted", "--out", tmp_path / "found", *words)
    assert code == 0
    assert "2/2" in out
    assert "0003.png" in out
    spoil(source / "images" / "0005.png", damage)
    code, out, err = gim("localize", "--map", source, "--matcher", "planted", "--out", tmp_path / "one", *words)
    assert code == 0, err
    assert "1 of 2 queries localized" in out
    assert "(0.25, 2 deg) 50.0 %" in out
    told = json.loads((tmp_path / "one" / "localization.json").read_text())
    assert list(told["left_out"]) == ["0003.png"]
    assert "0005.png" in told["failed"]["0005.png"]
    assert told["errors"]["0005.png"] is None


def test_one_of_the_query_photos_cannot_be_read(gim, tmp_path):
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    source, asked = Scene().write(tmp_path / "in", rows=[0, 1, 2, 4, 5, 6]), Scene().write(tmp_path / "q", rows=[2, 3])
    (asked / "cameras.json").unlink()
    spoil(asked / "images" / "0002.png", "header")
    words = ("--matcher", "planted", "--out", tmp_path / "out", "--threads", 1, "--device", "cpu")
    code, out, err = gim("localize", "--map", source, "--queries", asked, *words)
    assert code == 0, err
    assert "planted: 1 of 2 queries localized" in out
    assert "0002.png is no readable image" in out


def spoil(path: Path, damage: str) -> None:
    """No header, or a header and nothing behind half of the pixels."""
    path.write_bytes({"header": b"not a picture", "end": path.read_bytes()[:-200]}[damage])


def test_every_third_image(gim, tmp_path):
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    source = Scene(count=7).write(tmp_path / "in")
    words = ("--every", 3, "--threads", 1, "--device", "cpu")
    code, out, _ = gim("reconstruct", source, "--matcher", "planted", "--out", tmp_path / "map", *words)
    assert code == 0
    assert "3 of 3 images placed" in out
    assert "3 of 3 placed, median centre error" in out


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
