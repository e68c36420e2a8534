"""Depth maps, scans and models of others as maps: planted points come out where they are, wrong files are named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from planted_scene import SIZE, STEP, K, PlantedSparse, Scene
from scipy.io import savemat
from scipy.spatial.transform import Rotation

from gim_data.errors import BadInput
from gim_data.stage import Silent
from gim_models.downstream.mapping.absolute import pose_errors, read_poses, submission_names
from gim_models.downstream.mapping.localize import localize
from gim_models.downstream.mapping.model import MapCamera
from gim_models.downstream.mapping.reconstruct import MapOptions
from gim_models.downstream.mapping.reference import read_queries, read_reference, split_off, with_depth
from gim_models.downstream.mapping.surfaces import DepthMap, sampled

OPTIONS = MapOptions("planted", threads=1)


@pytest.fixture
def scene() -> Scene:
    return Scene(count=5, points=150)


def patches(scene, camera, values, empty):
    """A grid of ``values`` (one row per point) around the projections of the points in a camera, else ``empty``."""
    uv, inside = scene.project(camera)
    grid = np.full((*SIZE[::-1], values.shape[1]), empty, np.float64)
    for (x, y), value in zip(np.round(uv[inside]).astype(int), values[inside], strict=True):
        grid[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = value
    return grid


def depths(scene, camera):
    T = scene.T_w2c[camera]
    return (scene.X @ T[:3, :3].T + T[:3, 3])[:, 2:]


def picture(path: Path, camera: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((SIZE[1], SIZE[0], 3), (camera + 1) * STEP, np.uint8))
    return path


def worst(found, truth):
    """Largest error of distance and degrees; truth by name."""
    assert all(pose.T_w2c is not None for pose in found.poses), [pose.reason for pose in found.poses]
    return np.max([pose_errors(pose.T_w2c, truth[pose.name]) for pose in found.poses], axis=0)


def test_depth_maps_stand_in_for_a_map(scene, tmp_path):
    """Two images with depth maps of millimetres locate the three others to a few of them; nothing is triangulated."""
    folder, depth = scene.write(tmp_path / "office"), tmp_path / "depth"
    depth.mkdir()
    for row in (0, 3):
        grid = patches(scene, row, depths(scene, row), 0)[..., 0]
        cv2.imwrite(str(depth / f"{row:04d}.png"), np.round(1000 * grid).astype(np.uint16))
    reference, queries = split_off(folder, with_depth(read_reference(folder), depth), 1)
    assert [posed.image.name for posed in reference] == ["0000.png", "0003.png"]
    assert len(queries) == 3
    found = localize(reference, queries, tmp_path / "out", PlantedSparse(scene), OPTIONS, Silent())
    far, turned = np.max(list(found.errors.values()), axis=0)
    assert far < 0.01
    assert turned < 0.1
    assert "measured points" in found.as_text()
    assert not (tmp_path / "out" / "work" / "map.db").exists()


def write_inloc(folder, scene, T_s2w):
    """Cutouts of cameras 0 and 4 by one scanner, photographs of the others."""
    in_scan = (scene.X - T_s2w[:3, 3]) @ T_s2w[:3, :3]
    for number, row in enumerate((0, 4)):
        cutout = picture(folder / "database/cutouts/DUC1/024" / f"DUC_cutout_024_{number}_0.jpg", row)
        savemat(f"{cutout}.mat", {"XYZcut": patches(scene, row, in_scan, np.nan)})
    pose = folder / "database/alignments/DUC1/transformations/DUC_trans_024.txt"
    pose.parent.mkdir(parents=True)
    rows = ["before", *("1 0 0 0", "0 1 0 0", "0 0 1 0", "0 0 0 1"), "after"]
    pose.write_text("\n".join([*rows, *(" ".join(f"{v:.9f}" for v in row) for row in T_s2w)]))
    for row in (1, 2, 3):
        picture(folder / "query/iphone7" / f"IMG_{row}.jpg", row)
    return folder


@pytest.fixture
def inloc(scene, tmp_path):
    T_s2w = np.eye(4)
    T_s2w[:3, :3], T_s2w[:3, 3] = Rotation.from_rotvec([0.2, -1, 2]).as_matrix(), [3, -1, 0.5]
    return write_inloc(tmp_path / "inloc", scene, T_s2w)


def test_inloc_scans_stand_in_for_a_map(scene, inloc, tmp_path):
    """Points of the scan, through the scanner's pose after alignment (the last matrix of its file)."""
    reference, queries = split_off(inloc, read_reference(inloc), 4)
    assert (len(reference), len(queries)) == (2, 3)
    assert queries[0].camera.params[0] == pytest.approx(28 / 36 * 640)
    own = [replace(query, camera=MapCamera.from_intrinsics(K, SIZE)) for query in queries]
    found = localize(reference, own, tmp_path / "out", PlantedSparse(scene), OPTIONS, Silent())
    assert max(worst(found, {f"query/iphone7/IMG_{row}.jpg": scene.T_w2c[row] for row in (1, 2, 3)})) < 0.01
    assert sorted(read_poses(tmp_path / "out" / "submission.txt")) == ["IMG_1.jpg", "IMG_2.jpg", "IMG_3.jpg"]
    assert json.loads((tmp_path / "out" / "localization.json").read_text())["recall"] is None


def test_damaged_inloc_files_are_named(scene, inloc, tmp_path):
    pose = inloc / "database/alignments/DUC1/transformations/DUC_trans_024.txt"
    whole = pose.read_text()
    for text, told in ((whole[:20], "no matrix of four rows"), (whole[:-9] + "7.0", "DUC_trans_024")):
        pose.write_text(text)
        with pytest.raises(BadInput, match=told):
            read_reference(inloc)
    pose.write_text(whole)
    (inloc / "database/cutouts/DUC1/024/DUC_cutout_024_0_0.jpg.mat").write_bytes(b"nothing")
    reference, _ = split_off(inloc, read_reference(inloc), 4)
    with pytest.raises(BadInput, match=r"DUC_cutout_024_0_0.jpg.mat cannot be read"):
        reference[0].surface.points(np.zeros((1, 2), np.float32))


def test_aachen_style_models_and_lists_are_read(scene, tmp_path):
    """A COLMAP model below ``3D-models``, upright images in sub-folders, intrinsics of the queries in lists."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    root = tmp_path / "aachen"
    images = root / "images" / "images_upright"
    model = root / "3D-models" / "aachen_v_1_1"
    model.mkdir(parents=True)
    (root / "queries").mkdir()
    lines = []
    for row in (0, 1, 3, 4):
        picture(images / "db" / f"{row}.png", row)
        quaternion = Rotation.from_matrix(scene.T_w2c[row][:3, :3]).as_quat(scalar_first=True)
        lines.append(" ".join(map(str, [row + 1, *quaternion, *scene.T_w2c[row][:3, 3], 1, f"db/{row}.png"])) + "\n\n")
    (model / "images.txt").write_text("".join(lines))
    (model / "cameras.txt").write_text("1 PINHOLE 640 480 600 600 320 240\n")
    (model / "points3D.txt").write_text("")
    picture(images / "query" / "night" / "2.png", 2)
    (root / "queries" / "night_time_queries_with_intrinsics.txt").write_text(
        "query/night/2.png PINHOLE 640 480 600 600 320 240\n"
    )
    reference = read_reference(root)
    assert [posed.image.name for posed in reference] == ["db/0.png", "db/1.png", "db/3.png", "db/4.png"]
    for given in (root, root / "queries", root / "queries" / "night_time_queries_with_intrinsics.txt"):
        queries = read_queries(given, reference, tmp_path / "upright")
        assert [query.image.name for query in queries] == ["query/night/2.png"]
    found = localize(reference, queries, tmp_path / "out", PlantedSparse(scene), OPTIONS, Silent())
    assert max(worst(found, {"query/night/2.png": scene.T_w2c[2]})) < 1e-3
    assert list(read_poses(tmp_path / "out" / "submission.txt")) == ["2.png"]
    (images / "query" / "night" / "2.png").unlink()
    with pytest.raises(BadInput, match=r"line 1: image query/night/2.png is in none"):
        read_queries(root, reference, tmp_path / "upright")


def test_names_of_a_submission_are_as_short_as_they_can_be():
    assert submission_names(["query/day/1.jpg", "query/night/2.jpg"]) == ["1.jpg", "2.jpg"]
    assert submission_names(["dusk/rear/1.jpg", "dusk/left/1.jpg"]) == ["rear/1.jpg", "left/1.jpg"]
    assert submission_names([]) == []


def test_a_grid_is_sampled_on_its_surfaces_only():
    """Linear on a slope; the nearest side of a step and beside a hole; nothing outside or in the hole."""
    y, x = np.mgrid[0:20, 0:30].astype(float)
    slope = (5 + 0.01 * x + 0.02 * y)[..., None]
    pixels = np.random.default_rng(0).uniform(0, 19, (50, 2)).astype(np.float32)
    assert sampled(slope, pixels)[:, 0] == pytest.approx(5 + 0.01 * pixels[:, 0] + 0.02 * pixels[:, 1], abs=1e-5)
    step = np.where(x < 10, 2.0, 9.0)[..., None]
    step[15, 5] = np.nan
    at = np.array([[9.4, 3], [9.6, 3], [5.6, 15], [5.1, 15], [-1, 3], [3, 19.6]], np.float32)
    assert sampled(step, at)[:, 0] == pytest.approx([2, 9, 2, np.nan, np.nan, np.nan], nan_ok=True)


def test_a_depth_map_of_another_size_shows_the_same(tmp_path):
    """Half the resolution: a point of a wall five metres ahead is where it was."""
    T = np.eye(4)
    T[:3, 3] = [0.5, 0, 1]
    for size in (SIZE, (320, 240)):
        path = tmp_path / f"{size[0]}.png"
        cv2.imwrite(str(path), np.full(size[::-1], 5000, np.uint16))
        (point,) = DepthMap(path, K, T, SIZE).points(np.array([[319.5, 239.5]], np.float32))
        assert point == pytest.approx([-0.5, 0, 4])


def test_depth_maps_that_are_none(scene, tmp_path):
    reference = read_reference(scene.write(tmp_path / "in"))
    (tmp_path / "depth").mkdir()
    with pytest.raises(BadInput, match="holds no depth map"):
        with_depth(reference, tmp_path / "depth")
    cv2.imwrite(str(tmp_path / "depth" / "0001.png"), np.zeros((4, 4, 3), np.uint8))
    (surface,) = [posed.surface for posed in with_depth(reference, tmp_path / "depth") if posed.surface]
    with pytest.raises(BadInput, match=r"0001.png: uint8 with 3 dimensions"):
        surface.points(np.zeros((1, 2), np.float32))
