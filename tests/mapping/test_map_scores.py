"""Alignment and scores against known answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gim_models.downstream.mapping.model import MapCamera, MapView, SparseMap
from gim_models.downstream.mapping.scores import align, extent_of, rotation_angle, score_map


def moved(scene, *, scale, R, t, rows=None):
    """The planted cameras in another world: X' = scale R X + t."""
    camera = MapCamera.guess((640, 480), None)
    views = {}
    for row in range(scene.count) if rows is None else rows:
        T = scene.T_w2c[row]
        pose = np.eye(4)
        pose[:3, :3] = T[:3, :3] @ R.T
        pose[:3, 3] = scale * T[:3, 3] - pose[:3, :3] @ t
        views[f"{row:04d}.png"] = MapView(camera, pose, np.zeros((0, 2), np.float32), np.zeros(0, np.int64))
    return SparseMap(views, np.zeros((0, 3)), np.zeros((0, 3), np.uint8), np.zeros(0), np.zeros(0, np.int64))


@pytest.mark.parametrize("seed", range(5))
def test_alignment_undoes_a_similarity(seed):
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(8, 3))
    R, scale, t = Rotation.random(rng=generator).as_matrix(), generator.uniform(0.1, 10), generator.normal(size=3)
    found = align(points, scale * points @ R.T + t)
    assert found.scale == pytest.approx(scale)
    assert np.abs(found.R - R).max() < 1e-9
    assert found.t == pytest.approx(t)


def test_alignment_never_mirrors():
    points = np.random.default_rng(0).normal(size=(8, 3))
    assert np.linalg.det(align(points, points * [1, 1, -1]).R) == pytest.approx(1)


def test_a_moved_map_scores_perfectly_and_missing_images_count(scene):
    R = Rotation.from_euler("xyz", [20, -50, 130], degrees=True).as_matrix()
    found = moved(scene, scale=3.0, R=R, t=np.array([4.0, -2, 1]), rows=range(5))
    score = score_map(found, scene.cameras())
    assert (score.images, score.registered) == (7, 5)
    assert score.centre_error == pytest.approx(0, abs=1e-9)
    assert score.rotation_deg == pytest.approx(0, abs=1e-6)
    assert score.within_1_percent == pytest.approx(5 / 7)
    centres = np.array([-T[:3, :3].T @ T[:3, 3] for T in scene.T_w2c])
    assert score.extent == pytest.approx(np.linalg.norm(centres[0] - centres[-1]))


def test_no_map_scores_nothing(scene):
    score = score_map(None, scene.cameras())
    assert (score.registered, score.centre_error, score.within_1_percent) == (0, None, 0.0)


@pytest.mark.parametrize("degrees", [0, 1e-5, 1, 90, 179.999])
def test_rotation_angle(degrees):
    R = Rotation.from_rotvec([0, np.radians(degrees), 0]).as_matrix()
    assert rotation_angle(R) == pytest.approx(degrees, abs=1e-7)


def test_extent_of_a_line_is_its_length():
    assert extent_of(np.array([[0, 0, 0], [1, 0, 0], [0, 0, 5.0]])) == pytest.approx(np.sqrt(26))


def test_known_intrinsics_come_back():
    K = np.array([[500.0, 0, 310], [0, 505, 250], [0, 0, 1]])
    assert np.abs(MapCamera.from_intrinsics(K, (640, 480)).K - K).max() < 1e-9
