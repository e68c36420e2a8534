"""A spinning lidar in a synthetic world: points lie where the world is, and scans agree in the common frame."""

import json

import numpy as np
import pytest
import trimesh

from gim_data.synthetic.lidar import Lidar, scan, write_scans
from gim_data.synthetic.raytrace import Tracer
from gim_data.synthetic.spec import SyntheticSpec

STILL = Lidar(beams=8, low=-40, high=40, steps=60, noise=0.0)


class Box:
    """A room of 8 x 6 x 4 metres around the origin, as far as a tracer asks."""

    def __init__(self):
        mesh = trimesh.creation.box((8, 6, 4))
        self.corners, self.normals = np.array(mesh.triangles), np.array(mesh.face_normals)


def at(yaw, x, y, z):
    T = np.eye(4)
    T[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    T[:3, 3] = x, y, z
    return T


@pytest.mark.parametrize("T_s2w", [at(0, 0, 0, 0), at(2.0, 1, -1.5, 0.5)])
def test_every_point_lies_on_a_wall(T_s2w):
    points = scan(Tracer(Box()), T_s2w, STILL, np.random.default_rng(0))
    world = points @ T_s2w[:3, :3].T + T_s2w[:3, 3]
    assert len(points) == STILL.beams * STILL.steps
    assert np.abs(np.abs(world) / [4, 3, 2] - 1).min(axis=1).max() < 1e-5
    assert (np.abs(world) <= np.array([4, 3, 2]) + 1e-4).all()


def test_noise_is_along_the_ray():
    quiet = scan(Tracer(Box()), np.eye(4), STILL, np.random.default_rng(0))
    noisy = scan(Tracer(Box()), np.eye(4), Lidar(8, -40, 40, 60, noise=0.05), np.random.default_rng(0))
    assert np.abs(np.cross(quiet, noisy)).max() < 1e-4
    off = np.linalg.norm(noisy, axis=1) - np.linalg.norm(quiet, axis=1)
    assert off.std() == pytest.approx(0.05, rel=0.15)


def test_what_is_too_far_is_not_seen():
    points = scan(Tracer(Box()), np.eye(4), Lidar(8, -40, 40, 60, reach=3.5, noise=0.0), np.random.default_rng(0))
    assert 0 < len(points) < STILL.beams * STILL.steps
    assert np.linalg.norm(points, axis=1).max() < 3.5


def test_scans_of_a_world_come_with_level_poses(tmp_path):
    spec = SyntheticSpec.parse("synthetic:room?seed=1&seconds=4")
    write_scans(tmp_path, spec, np.array([0.0, 2.0]), Lidar(beams=8, steps=90))
    poses = json.loads((tmp_path / "poses.json").read_text())["T_s2w"]
    assert sorted(poses) == ["000000.bin", "000001.bin"]
    for name, rows in poses.items():
        T = np.array(rows)
        np.testing.assert_allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(T[2, :3], [0, 0, 1])
        assert len(np.fromfile(tmp_path / name, "<f4")) % 3 == 0
