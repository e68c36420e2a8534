"""``gim match`` and ``gim homography`` from the shell: what they write, and what they say when they cannot."""

import json

import cv2
import numpy as np
import pytest
from planted_views import SIZE, TURN, through, wall


@pytest.fixture
def views(tmp_path):
    """A wall from two places, a grey card and a torn file."""
    image = wall(seed=1)
    cv2.imwrite(str(tmp_path / "left.png"), image)
    cv2.imwrite(str(tmp_path / "right.png"), cv2.warpPerspective(image, TURN, SIZE))
    cv2.imwrite(str(tmp_path / "card.png"), np.full((240, 320, 3), 128, np.uint8))
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n")
    return tmp_path


def test_match_writes_picture_facts_and_arrays(gim, views):
    out = views / "out"
    code, told, _ = gim("match", views / "left.png", views / "right.png", "-m", "rootsift", "-o", out, "--warp")
    assert code == 0
    assert "left-right: " in told
    assert {p.name for p in out.iterdir()} == {f"left-right{e}" for e in (".jpg", ".json", ".npz", "-warp.jpg")}
    facts = json.loads((out / "left-right.json").read_text())
    assert facts["matcher"] == "rootsift"
    assert facts["model"] == "homography"
    with np.load(out / "left-right.npz") as arrays:
        assert len(arrays["keypoints0"]) == facts["matches"]
        right = through(TURN, arrays["keypoints0"]) - arrays["keypoints1"]
        assert np.median(np.linalg.norm(right, axis=1)[arrays["inliers"]]) < 0.5
    assert cv2.imread(str(out / "left-right.jpg")).shape == (240, 640, 3)


def test_a_bad_pair_does_not_stop_the_others(gim, views):
    for side, names in (("a", ("left", "torn")), ("b", ("right", "right"))):
        (views / side).mkdir()
        for i, name in enumerate(names):
            (views / side / f"{i}.png").write_bytes((views / f"{name}.png").read_bytes())
    code, told, problem = gim("match", views / "a", views / "b", "-m", "rootsift", "-o", views / "out")
    assert code == 0
    assert "1 of 2 pair(s)" in told
    assert "left out" in problem
    assert "1.png does not decode" in problem
    assert sorted(p.name for p in (views / "out").glob("*.json")) == ["0000-0-0.json"]


def test_no_shared_view_is_no_success(gim, views):
    """Two walls that have nothing in common: one pair is an error with a picture to look at, many are told apart."""
    for side, seeds in (("a", (1, 3)), ("b", (1, 7))):
        (views / side).mkdir()
        for i, seed in enumerate(seeds):
            cv2.imwrite(str(views / side / f"{i}.png"), wall(seed, (640, 480)))
    one = views / "a/1.png", views / "b/1.png"
    code, told, problem = gim("match", *one, "-m", "rootsift", "-o", views / "out", "--threshold", 2)
    assert code == 1
    assert "chance gives as many: no shared view" in told
    assert "share no view that rootsift can find" in problem
    assert "more overlap" in problem
    assert (views / "out/1-1.jpg").is_file()
    code, told, _ = gim("match", views / "a", views / "b", "-m", "rootsift", "-o", views / "out", "--threshold", 2)
    assert code == 0
    assert "2 of 2 pair(s)" in told
    assert "1 without a shared view" in told


def test_homography_writes_the_matrix(gim, views):
    out = views / "out"
    code, told, _ = gim("homography", views / "left.png", views / "right.png", "-m", "rootsift", "-o", out)
    assert code == 0
    assert "homography: yes" in told
    H = np.loadtxt(out / "H_0to1.txt")
    corners = np.array([[0, 0], [319, 0], [319, 239], [0, 239.0]])
    np.testing.assert_allclose(through(H, corners), through(TURN, corners), atol=1)
    assert {p.name for p in out.iterdir()} == {"homography.json", "H_0to1.txt", "inliers.jpg", "warp.jpg"}


def test_no_homography_ends_in_an_error_and_leaves_no_old_one(gim, views):
    out = views / "out"
    gim("homography", views / "left.png", views / "right.png", "-m", "rootsift", "-o", out)
    cv2.imwrite(str(views / "other.png"), wall(seed=99))
    code, _, problem = gim("homography", views / "left.png", views / "other.png", "-m", "rootsift", "-o", out)
    assert code == 1
    assert "no homography relates" in problem or "no match" in problem
    if "no homography" in problem:
        assert json.loads((out / "homography.json").read_text())["verdict"] == "no"


@pytest.mark.parametrize("command", ["match", "homography"])
def test_help_teaches(gim, command):
    code, told, _ = gim(command, "--help")
    assert code == 0
    assert "Examples:" in told
    assert f"gim {command} a.jpg b.jpg" in told


@pytest.mark.parametrize("command", ["match", "homography"])
@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        (["left.png"], "only one input", "name two"),
        (["left.png", "right.png", "card.png"], "3 inputs", "quotes"),
        (["left.png", "torn.png"], "torn.png does not decode", "replace it"),
        (["left.png", "nowhere.png"], "no image at", "glob"),
        (["left.png", "card.png"], "finds no match", "same place"),
        (["left.png", "right.png", "-m", "magic"], "no matcher 'magic'", "rootsift"),
    ],
)
def test_mistakes_get_a_remedy(gim, views, command, words, problem, remedy):
    at = [views / word if word.endswith(".png") else word for word in words]
    code, _, told = gim(command, *at, "-o", views / "out", *([] if "-m" in words else ["-m", "rootsift"]))
    assert code == 1
    assert problem in told
    assert remedy in told
