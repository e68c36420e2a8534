"""Planted scenes through the whole pipeline: COLMAP finds the planted cameras, whoever matched."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from planted_scene import SIZE, STEP, K, PlantedDense, PlantedSparse, Scene

from gim_data.errors import BadInput
from gim_data.stage import Silent
from gim_models.downstream.mapping.export import write_outputs
from gim_models.downstream.mapping.images import gather
from gim_models.downstream.mapping.pairing import exhaustive
from gim_models.downstream.mapping.quantize import Quantizer
from gim_models.downstream.mapping.reconstruct import MapOptions, choose_pairs, open_engine, reconstruct
from gim_models.downstream.mapping.scores import score_map

pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
OPTIONS = MapOptions("planted", threads=1)


@pytest.mark.parametrize(("mapper", "max_side"), [("incremental", 640), ("incremental", 320), ("global", 640)])
def test_perfect_matches_give_the_planted_cameras(scene, tmp_path, mapper, max_side):
    """To a ten-thousandth of the scene, and keypoints come back where the points project, at any resolution."""
    source = scene.write(tmp_path / "in")
    options = MapOptions("planted", mapper=mapper, max_side=max_side, threads=1)
    result = reconstruct(source, tmp_path / "out", PlantedSparse(scene), options, Silent())
    assert result.found is not None
    score = score_map(result.found, scene.cameras())
    assert (score.registered, score.within_1_percent) == (scene.count, 1.0)
    assert score.relative_error < 1e-4
    assert score.rotation_deg < 0.01
    assert score.reprojection_px < 0.01
    view = result.found.views["0003.png"]
    uv, inside = scene.project(3)
    assert np.abs(view.keypoints - uv[inside]).max() < 2e-3
    assert np.abs(view.camera.K - K).max() < 0.5


def test_tracks_of_a_dense_matcher_survive_across_pairs(scene, tmp_path):
    """Noise that differs from pair to pair: with the quantizer points are seen by many images, without by two."""
    source = scene.write(tmp_path / "in")
    dense = PlantedDense(scene)
    joined = reconstruct(source, tmp_path / "a", dense, MapOptions("d", threads=1), Silent())
    score = score_map(joined.found, scene.cameras())
    assert score.registered == scene.count
    assert score.track_length > 5
    assert score.relative_error < 0.005
    alone = MapOptions("d", threads=1, quantizer=Quantizer(0.01))
    apart = reconstruct(source, tmp_path / "a", dense, alone, Silent())
    assert apart.found is None or apart.found.track_length < 2.5


def test_a_killed_run_goes_on_where_it_was(scene, tmp_path):
    source = scene.write(tmp_path / "in")
    killed = PlantedSparse(scene, fail_after=16)
    with pytest.raises(KeyboardInterrupt):
        reconstruct(source, tmp_path / "out", killed, OPTIONS, Silent())
    again = PlantedSparse(scene)
    result = reconstruct(source, tmp_path / "out", again, OPTIONS, Silent())
    pairs = scene.count * (scene.count - 1) // 2
    assert (killed.calls, again.calls) == (16, pairs - 16)
    assert again.extracted == 0
    whole = reconstruct(source, tmp_path / "whole", PlantedSparse(scene), OPTIONS, Silent())
    assert result.inliers == whole.inliers


def test_a_changed_image_is_matched_again(scene, tmp_path):
    source = scene.write(tmp_path / "in")
    reconstruct(source, tmp_path / "out", PlantedSparse(scene), OPTIONS, Silent())
    path = source / "images" / "0002.png"
    picture = cv2.imread(str(path))
    picture[0, 0] += 1
    cv2.imwrite(str(path), picture)
    again = PlantedSparse(scene)
    reconstruct(source, tmp_path / "out", again, OPTIONS, Silent())
    assert (again.extracted, again.calls) == (1, scene.count - 1)


def test_a_mask_keeps_what_is_white(scene, tmp_path):
    """Black is left out (GIM.md 5.3 names the code that had it the wrong way round)."""
    source = scene.write(tmp_path / "in")
    masks = tmp_path / "masks"
    masks.mkdir()
    for row in range(scene.count):
        mask = np.full(SIZE[::-1], 255, np.uint8)
        mask[:, :250] = 0
        cv2.imwrite(str(masks / f"{row:04d}.png"), mask)
    for name, matcher in (("sparse", PlantedSparse(scene)), ("dense", PlantedDense(scene))):
        options = MapOptions(name, masks=masks, threads=1)
        found = reconstruct(source, tmp_path / name, matcher, options, Silent()).found
        assert found is not None
        assert min(view.keypoints[:, 0].min() for view in found.views.values()) > 248
        assert max(view.keypoints[:, 0].max() for view in found.views.values()) > 400


def test_images_of_two_sizes_get_two_cameras_and_a_corrupt_one_is_left_out(scene, tmp_path):
    source = scene.write(tmp_path / "in")
    half = np.full((SIZE[1] // 2, SIZE[0] // 2, 3), 3 * STEP, np.uint8)
    cv2.imwrite(str(source / "images" / "0002.png"), half)
    (source / "images" / "0005.png").write_bytes(b"not a picture")
    result = reconstruct(source, tmp_path / "out", PlantedSparse(scene), OPTIONS, Silent())
    assert result.found is not None
    assert len(result.found.views) == scene.count - 1
    focal = {name: view.camera.K[0, 0] for name, view in result.found.views.items()}
    assert focal["0002.png"] == pytest.approx(300, rel=0.01)
    assert focal["0001.png"] == pytest.approx(600, rel=0.01)
    assert len(result.notes) == 1
    assert "0005.png" in result.notes[0]


def test_look_alikes_come_from_own_features_or_from_rootsift(tmp_path):
    """A matcher with features is asked for them once per image; one without needs none of its own."""
    scene = Scene(count=4, points=60)
    images = gather(scene.write(tmp_path / "in"), tmp_path / "images", masks=None, frames=9).images
    for way in ("retrieval", "sequential"):
        options = MapOptions(way, pairs=way)
        sparse = PlantedSparse(scene)
        for matcher in (sparse, PlantedDense(scene)):
            engine = open_engine(matcher, images, tmp_path / "work", options)
            assert choose_pairs(engine, options, Silent()) == exhaustive(4)
        assert sparse.extracted == 4


@pytest.mark.parametrize("count", [0, 1, 2])
def test_two_images_are_no_map(scene, tmp_path, count):
    """Two that match perfectly, too: COLMAP makes a model of three or more."""
    source = scene.write(tmp_path / "in", rows=range(count))
    with pytest.raises(BadInput, match="three or more"):
        reconstruct(source, tmp_path / "out", PlantedSparse(scene), OPTIONS, Silent())


@pytest.mark.parametrize("mapper", ["incremental", "global"])
def test_three_images_are_a_map(scene, tmp_path, mapper):
    source = scene.write(tmp_path / "in", rows=range(3))
    options = replace(OPTIONS, mapper=mapper)
    found = reconstruct(source, tmp_path / "out", PlantedSparse(scene), options, Silent()).found
    assert found is not None
    assert len(found.views) == 3


@pytest.mark.parametrize("kind", ["nothing", "wrong"])
def test_no_overlap_is_said_with_what_was_tried(tmp_path, kind):
    """No match at all, or matches that are all wrong: no map, and a summary that says so."""
    scene = Scene(count=3, points=100)
    stray = PlantedSparse(scene)
    honest, change = stray.match_features, {"nothing": lambda m: m.select(np.arange(0)), "wrong": _shuffle}[kind]
    stray.match_features = lambda pairs: [change(matches) for matches in honest(pairs)]
    result = reconstruct(scene.write(tmp_path / "in"), tmp_path / "out", stray, OPTIONS, Silent())
    assert result.found is None
    text = write_outputs(tmp_path / "out", [result], scene.cameras(), "stray")
    assert "0 of 3 images placed" in text
    assert "add images with more overlap" in text
    assert json.loads((tmp_path / "out" / "summary.json").read_text())[0]["registered"] == 0


def test_what_could_not_be_mapped_leaves_no_older_map_behind(scene, tmp_path):
    out = tmp_path / "out"
    result = reconstruct(scene.write(tmp_path / "in"), out, PlantedSparse(scene), OPTIONS, Silent())
    write_outputs(out, [result], scene.cameras(), "good")
    assert (out / "sparse" / "0").is_dir()
    assert (out / "scene.html").is_file()
    stray = PlantedSparse(scene)
    honest = stray.match_features
    stray.match_features = lambda pairs: [matches.select(np.arange(0)) for matches in honest(pairs)]
    options = replace(OPTIONS, matcher="stray")
    assert reconstruct(tmp_path / "in", out, stray, options, Silent()).found is None
    left = {path.relative_to(out).as_posix() for path in out.glob("*/0")} | {path.name for path in out.iterdir()}
    assert left == {"images", "sparse", "work"}


def test_a_map_of_someone_else_is_not_replaced(scene, tmp_path):
    theirs = tmp_path / "out" / "sparse" / "0"
    theirs.mkdir(parents=True)
    (theirs / "cameras.txt").write_text("theirs")
    with pytest.raises(BadInput, match="not made here"):
        reconstruct(scene.write(tmp_path / "in"), tmp_path / "out", PlantedSparse(scene), OPTIONS, Silent())
    assert (theirs / "cameras.txt").read_text() == "theirs"


def test_photos_of_another_set_are_not_replaced(scene, tmp_path):
    """They have the same names as those that are mapped."""
    other = scene.write(tmp_path / "other", size=(64, 48))
    before = {path.name: path.read_bytes() for path in (other / "images").iterdir()}
    with pytest.raises(BadInput, match="not made here"):
        reconstruct(scene.write(tmp_path / "in"), other, PlantedSparse(scene), OPTIONS, Silent())
    assert {path.name: path.read_bytes() for path in (other / "images").iterdir()} == before


def _shuffle(matches):
    order = np.random.default_rng(0).permutation(len(matches))
    other = matches.select(order)
    return type(matches)(
        matches.keypoints0,
        other.keypoints1,
        matches.confidence,
        matches.size0,
        matches.size1,
        matches.index0,
        other.index1,
    )


def test_other_programs_get_the_same_map(scene, tmp_path):
    """transforms.json holds OpenGL camera-to-world matrices, COLMAP's model and the PLY file lie where they look."""
    source, out = scene.write(tmp_path / "in"), tmp_path / "out"
    result = reconstruct(source, out, PlantedSparse(scene), OPTIONS, Silent())
    write_outputs(out, [result], scene.cameras(), "planted </script>")
    frames = json.loads((out / "transforms.json").read_text())["frames"]
    assert len(frames) == scene.count
    for frame in frames:
        name = frame["file_path"].removeprefix("images/")
        assert (out / frame["file_path"]).is_file()
        view = result.found.views[name]
        c2w = np.array(frame["transform_matrix"])
        assert c2w[:3, 3] == pytest.approx(view.centre)
        ahead = view.T_w2c[2, :3]
        assert -c2w[:3, 2] == pytest.approx(ahead)
        assert frame["cx"] == pytest.approx(320, abs=0.01)
    assert (out / "sparse/0/points3D.bin").is_file()
    assert (out / "points.ply").read_bytes().startswith(b"ply")
    page = (out / "scene.html").read_text()
    assert page.count("</script>") == 2
    assert "http" not in page
