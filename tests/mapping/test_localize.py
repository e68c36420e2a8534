"""Planted queries are found where they are; what cannot be found is said; files come back as they were written."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ExifTags
from PIL import Image as Pillow
from planted_scene import SIZE, K, PlantedDense, PlantedSparse, Scene
from scipy.spatial.transform import Rotation

from gim_data.errors import BadInput
from gim_data.stage import Silent
from gim_models.downstream.mapping.absolute import (
    THRESHOLDS,
    QueryPose,
    estimate_pose,
    pose_errors,
    read_poses,
    recall,
    write_poses,
)
from gim_models.downstream.mapping.bench import localized_cell
from gim_models.downstream.mapping.localize import Localized, localize
from gim_models.downstream.mapping.model import MapCamera
from gim_models.downstream.mapping.reconstruct import MapOptions, reconstruct
from gim_models.downstream.mapping.reference import read_queries, read_reference, split
from gim_models.downstream.tasks import TASKS, rows_of


@pytest.fixture
def wide() -> Scene:
    return Scene(count=9)


@pytest.mark.parametrize("kind", [PlantedSparse, PlantedDense])
def test_planted_queries_are_found(wide, tmp_path, kind):
    """Exact keypoints: to a hundred-thousandth. Noise of 0.4 px in every match: to two thousandths of the distance."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    reference, queries = split(read_reference(wide.write(tmp_path / "in")), 4)
    assert [q.image.name for q in queries] == ["0001.png", "0005.png"]
    found = localize(reference, queries, tmp_path / "out", kind(wide), MapOptions("p", threads=1), Silent())
    far, turned = np.max(list(found.errors.values()), axis=0)
    assert far < (1e-4 if kind is PlantedSparse else 0.02)
    assert turned < (1e-3 if kind is PlantedSparse else 0.2)
    assert found.as_json()["recall"] == [1.0] * len(THRESHOLDS)
    written = read_poses(tmp_path / "out" / "poses.txt")
    assert sorted(written) == ["0001.png", "0005.png"]
    assert written["0005.png"] == pytest.approx(wide.T_w2c[5], abs=0.02)


def test_a_reconstruction_is_a_map_for_queries(wide, tmp_path):
    """What ``gim reconstruct`` writes is read again; queries without intrinsics take the map's camera of their size."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    rows = [row for row in range(wide.count) if row != 4]
    source, out = wide.write(tmp_path / "in", rows=rows), tmp_path / "map"
    made = reconstruct(source, out, PlantedSparse(wide), MapOptions("p", threads=1), Silent()).found
    asked = wide.write(tmp_path / "asked", rows=[4])
    (asked / "cameras.json").unlink()
    reference = read_reference(out)
    queries = read_queries(asked, reference, tmp_path / "upright")
    assert queries[0].camera == reference[0].camera
    found = localize(reference, queries, tmp_path / "found", PlantedSparse(wide), MapOptions("p", threads=1), Silent())
    between = [made.views[f"{row:04d}.png"].centre for row in (3, 5)]
    centre = -found.poses[0].T_w2c[:3, :3].T @ found.poses[0].T_w2c[:3, 3]
    assert np.linalg.norm(centre - np.mean(between, axis=0)) < 0.5 * np.linalg.norm(between[0] - between[1])
    assert (found.errors, found.as_json()["recall"]) == ({}, None)


def test_cameras_that_do_not_fit_make_no_map(wide, tmp_path):
    """Camera-to-world given for world-to-camera: matches contradict the poses, and the message says so."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    wide.write(tmp_path / "in")
    wide.T_w2c = [np.linalg.inv(T) for T in wide.T_w2c]
    true = Scene(count=9)
    wide.write(tmp_path / "in")
    reference, queries = split(read_reference(tmp_path / "in"), 4)
    with pytest.raises(BadInput, match="no points"):
        localize(reference, queries, tmp_path / "out", PlantedSparse(true), MapOptions("p", threads=1), Silent())


def test_reference_images_without_matches_make_no_map(wide, tmp_path):
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    reference, queries = split(read_reference(wide.write(tmp_path / "in", rows=range(4))), 4)
    blind = PlantedSparse(wide)
    honest = blind.match_features
    blind.match_features = lambda pairs: [matches.select(np.arange(0)) for matches in honest(pairs)]
    with pytest.raises(BadInput, match="no points"):
        localize(reference, queries, tmp_path / "out", blind, MapOptions("p", threads=1), Silent())


def test_a_distorted_camera_is_undistorted(wide):
    """Points projected through radial distortion: the pose is exact only if the distortion is used."""
    camera = MapCamera("SIMPLE_RADIAL", (600.0, 320.0, 240.0, -0.1), SIZE)
    x = wide.X @ wide.T_w2c[0][:3, :3].T + wide.T_w2c[0][:3, 3]
    x = x[:, :2] / x[:, 2:]
    uv = x * (1 - 0.1 * (x**2).sum(1, keepdims=True)) * 600 + [319.5, 239.5]
    found = estimate_pose("q", uv.astype(np.float32), wide.X, camera, seed=0)
    assert max(pose_errors(found.T_w2c, wide.T_w2c[0])) < 1e-3


def test_noise_is_no_pose(wide):
    generator = np.random.default_rng(0)
    camera = MapCamera.from_intrinsics(K, SIZE)
    pixels = generator.uniform(0, 480, (60, 2)).astype(np.float32)
    assert "matches agree" in estimate_pose("q", pixels, wide.X[:60], camera, seed=0).reason
    assert "5 matches" in estimate_pose("q", pixels[:5], wide.X[:5], camera, seed=0).reason


def test_recall_counts_failures():
    errors = [(0.1, 1.0), (0.3, 1.0), (0.1, 6.0), (float("inf"), float("inf"))]
    assert recall(errors, [(0.25, 2), (0.5, 5), (1, 10)]) == [0.25, 0.5, 0.75]


def test_a_pose_four_metres_off_counts_at_five_only(tmp_path):
    """The benchmark's coarsest threshold, (5 m, 10 degrees), in the numbers, the text and the table's row."""
    lost = QueryPose("lost.png", None, 3, 0, "few")
    found = Localized("m", [lost], {"far.png": (4.0, 9.0), "lost.png": (np.inf, np.inf)}, 100.0, 10)
    assert found.as_json()["recall"] == [0, 0, 0, 0.5]
    assert "(1, 10 deg) 0.0 %, (5, 10 deg) 50.0 %" in found.as_text()
    cell = localized_cell(found)
    assert (cell["recall_1_10deg"], cell["recall_5_10deg"]) == (0, 50)
    row = rows_of(TASKS["relocalization"], {"m": {"set": cell}})[0]
    assert row[2:7] == ["0/1", "0", "0", "0", "50"]


def test_poses_come_back_as_written(tmp_path):
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.from_rotvec([0.3, -2, 1]).as_matrix(), [1.5, -2e-4, 1e5]
    write_poses(tmp_path / "poses.txt", [QueryPose("a/b.jpg", T, 50, 40), QueryPose("lost.jpg", None, 3, 0, "few")])
    found = read_poses(tmp_path / "poses.txt")
    assert list(found) == ["a/b.jpg"]
    assert found["a/b.jpg"] == pytest.approx(T)
    name, *numbers = (tmp_path / "poses.txt").read_text().split()
    assert (name, len(numbers)) == ("a/b.jpg", 7)
    assert np.linalg.norm([float(n) for n in numbers[:4]]) == pytest.approx(1)


def test_the_benchmarks_list_of_queries_is_read(wide, tmp_path):
    folder = wide.write(tmp_path / "q", rows=[0, 1])
    (folder / "cameras.json").unlink()
    listed = folder / "queries_with_intrinsics.txt"
    listed.write_text("0001.png SIMPLE_RADIAL 640 480 600 320 240 -0.05\n")
    (query,) = read_queries(folder, [], tmp_path / "upright")
    assert query.camera == MapCamera("SIMPLE_RADIAL", (600.0, 320.0, 240.0, -0.05), (640, 480), known_focal=True)
    for line, told in (
        ("0001.png PINHOLE 640 480 600", "PINHOLE"),
        ("../x.png PINHOLE 640 480 6 6 3 2", "leaves"),
        ("x", "read"),
    ):
        listed.write_text(line + "\n")
        with pytest.raises(BadInput, match=told):
            read_queries(folder, [], tmp_path / "upright")


def test_a_photo_alone_is_a_query_and_stands_upright(tmp_path):
    """Stored lying down, with an EXIF note that says so."""
    exif = Pillow.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Pillow.new("RGB", (90, 60), "red").save(tmp_path / "phone.jpg", exif=exif)
    (query,) = read_queries(tmp_path / "phone.jpg", [], tmp_path / "upright")
    assert query.image.size == query.camera.size == (60, 90)
    assert query.image.pixels().shape == (90, 60, 3)
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="no list of queries"):
        read_queries(tmp_path / "list.txt", [], tmp_path / "upright")


def test_folders_without_a_map_or_queries(tmp_path):
    with pytest.raises(BadInput, match="no map"):
        read_reference(tmp_path)
    with pytest.raises(BadInput, match="no image"):
        read_queries(tmp_path, [], tmp_path / "upright")
