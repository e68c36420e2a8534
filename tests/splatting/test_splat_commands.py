"""``gim splat`` and ``gim bench splat`` from the shell: what they write, and what they say about wrong input."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from mapping.planted_scene import STEP, PlantedSparse, Scene
from planted_gaussians import blobs, photographs, ring, write_model

from gim_models import registry
from gim_models.downstream.splatting import sources
from gim_models.downstream.splatting.ply import read_ply

sys.path.insert(0, str(Path(__file__).parents[1] / "video"))
import clips

QUICK = ("--side", 40, "--steps", 12, "--count", 30, "--orbit", 3, "--device", "cpu", "--threads", 1)


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    """A matcher of this name knows the planted scene."""
    monkeypatch.setitem(registry.FACTORIES, "planted", "mapping.planted_scene:make_planted")


@pytest.fixture
def model(tmp_path):
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    rng = np.random.default_rng(0)
    points, colours = rng.uniform(-1, 1, (60, 3)), rng.integers(0, 256, (60, 3))
    return write_model(tmp_path / "map", photographs(blobs(), ring(9)), points, colours)


@pytest.mark.parametrize("init", ["model", "random"])
def test_a_model_becomes_splats(gim, model, tmp_path, init):
    out = tmp_path / "scene"
    code, told, problem = gim("splat", model, "--out", out, "--init", init, *QUICK)
    assert code == 0, problem
    numbers = json.loads((out / "metrics.json").read_text())
    assert [view["name"] for view in numbers["views"]] == ["00.png", "08.png"]
    assert f"held-out PSNR {numbers['psnr']:.2f} dB" in told
    assert len(read_ply(out / "splats.ply")) == numbers["gaussians"] == 30
    assert len(list((out / "views").glob("*.jpg"))) == 2
    assert (out / "orbit.mp4").stat().st_size > 500
    code, _, _ = gim("splat", model, "--out", tmp_path / "more", "--init", out / "splats.ply", *QUICK)
    assert code == 0
    assert json.loads((tmp_path / "more/metrics.json").read_text())["history"][-1]["psnr"] > numbers["psnr"]


def test_a_contest_in_which_sift_fails(gim, tmp_path):
    """The pictures are flat: SIFT finds nothing, the planted matcher everything, and nobody dies of it."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    source, out = Scene().write(tmp_path / "in"), tmp_path / "out"
    words = ("bench", "splat", source, "-m", "planted", "--out", out, *QUICK)
    code, told, problem = gim(*words)
    assert code == 0, problem
    sift, planted, random = json.loads((out / "compare.json").read_text())["entries"]
    assert (sift["label"], planted["label"], random["label"]) == ("colmap-sift", "planted", "random")
    assert "no 3 images" in sift["problem"]
    assert sift["psnr"] is None
    assert planted["judged"] == random["judged"] == 1
    assert planted["points"] > 100
    assert planted["psnr"] != random["psnr"]
    assert "planted" in told
    assert "data:image" in (out / "index.html").read_text()
    assert (out / "curves.png").stat().st_size > 1000
    before = {path: path.stat().st_mtime_ns for path in (out / "maps").rglob("points3D.bin")}
    assert gim(*words)[0] == 0  # again: nothing is mapped anew
    assert before == {path: path.stat().st_mtime_ns for path in (out / "maps").rglob("points3D.bin")}


def make_filmed(device):
    """A factory as the registry has them: knows a scene of sixteen cameras."""
    return PlantedSparse(Scene(count=16, points=100))


def test_neighbouring_frames_of_a_video_are_matched_not_all_with_all(gim, tmp_path, monkeypatch):
    """As 'gim reconstruct' does: sixteen photographs are 120 pairs, sixteen frames of a film fewer."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    monkeypatch.setitem(registry.FACTORIES, "filmed", "test_splat_commands:make_filmed")
    frames = [np.full((480, 640, 3), (row + 1) * STEP, np.uint8) for row in range(16)]
    photos = Scene(count=16, points=100).write(tmp_path / "photos")
    pairs = {}
    for source in (photos, clips.write(tmp_path / "film.mp4", frames)):
        out = tmp_path / "of" / source.stem
        code, _, problem = gim("bench", "splat", source, "-m", "filmed", "--out", out, *QUICK)
        assert code == 0, problem
        pairs[source.stem] = json.loads((out / "maps/planted/made.json").read_text())["pairs"]
    assert len(pairs["photos"]) == 120
    assert [0, 1] in pairs["film"]
    assert len(pairs["film"]) < 100
    code, _, problem = gim("splat", photos, "--pairs", "magic", "--out", tmp_path / "out", *QUICK)
    assert code == 1
    assert "--pairs 'magic' is neither" in problem


def test_a_lens_that_is_not_known_is_named_and_the_remedy_helps(gim, model, tmp_path):
    """COLMAP's own undistortion, here through pycolmap, gives a model that can be learned from."""
    import pycolmap

    cameras = model / "sparse/0/cameras.txt"
    lines = [f"{line} -0.05 0.01 0 0 0 0 0 0" for line in cameras.read_text().split("\n") if line]
    cameras.write_text("\n".join(lines).replace("PINHOLE", "FULL_OPENCV") + "\n")
    code, _, problem = gim("splat", model, "--out", tmp_path / "scene", *QUICK)
    assert code == 1
    assert "has cameras FULL_OPENCV" in problem
    assert "colmap image_undistorter" in problem
    pycolmap.undistort_images(tmp_path / "flat", model / "sparse/0", model / "images")
    code, told, problem = gim("splat", tmp_path / "flat", "--out", tmp_path / "scene", *QUICK)
    assert code == 0, problem
    assert "held-out PSNR" in told


@pytest.mark.parametrize(
    ("words", "told", "remedy"),
    [
        (("--renderer", "gsplat"), "gsplat cannot run: it needs CUDA", "--renderer torch"),
        (("--init", "magic"), "--init 'magic' is no way to start", "model, random"),
        (("--init", "nowhere.ply"), "nowhere.ply cannot be read", "check the path"),
    ],
)
def test_wrong_words(gim, model, tmp_path, words, told, remedy):
    code, _, problem = gim("splat", model, "--out", tmp_path / "scene", *QUICK, *words)
    assert code == 1
    assert told in problem
    assert remedy in problem


def test_wrong_sources(gim, tmp_path):
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    out = ("--out", tmp_path / "scene", "-m", "planted", *QUICK)
    one = Scene().write(tmp_path / "one", rows=[0])
    for source, told in (
        (tmp_path / "nowhere", "does not exist"),
        (one, "three or more readable images"),
        ("synthetic:moon", "moon"),
        (one / "images" / "0000.png", "is one photo"),
        (Scene().write(tmp_path / "two", rows=[0, 1]), "three or more readable images"),
    ):
        code, _, problem = gim("splat", source, *out)
        assert code == 1, source
        assert told in problem.replace("\n", " "), source


def test_a_matcher_given_twice(gim, tmp_path):
    words = ("-m", "planted", "-m", "planted", "--out", tmp_path / "out", *QUICK)
    code, _, problem = gim("bench", "splat", Scene().write(tmp_path / "in"), *words)
    assert code == 1
    assert "two matchers have one name: planted, planted" in problem


def test_a_built_in_world(gim, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "WORLD_VIEWS", 9)
    code, told, problem = gim("splat", "synthetic:objects?width=80&height=64", "--out", tmp_path, *QUICK)
    assert code == 0, problem
    assert "(2 images; learned from" in told
