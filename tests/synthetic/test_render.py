import itertools

import cv2
import numpy as np
import pytest

from gim_data.synthetic.looks import LOOKS
from gim_data.synthetic.paths import camera, look_at, position_of
from gim_data.synthetic.render import intrinsics, open_world

SCENES = ["street", "room", "terrain", "objects"]


def test_depth_of_a_plane_is_analytic(wall):
    view = wall.render(1.0)
    origin, rotation = position_of(view.T_w2c), view.T_w2c[:3, :3]
    y, x = np.mgrid[:120, :160]
    rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(view.K).T @ rotation
    with np.errstate(divide="ignore"):
        to_wall, to_floor = (10 - origin[0]) / rays[..., 0], -origin[2] / rays[..., 2]
    to_floor[to_floor < 0] = np.inf
    truth = np.minimum(to_wall, to_floor)
    inside = view.depth > 0
    assert inside.mean() > 0.9
    assert np.abs(view.depth[inside] / truth[inside] - 1).max() < 1e-6


def test_camera_conventions():
    pose = camera([1, 2, 3], yaw=0, pitch=0)  # looks along +x; right is -y, down is -z
    assert np.allclose(pose @ [11, 2, 3, 1], [0, 0, 10, 1])
    assert np.allclose(pose @ [11, 1, 3, 1], [1, 0, 10, 1])
    assert np.allclose(pose @ [11, 2, 2, 1], [0, 1, 10, 1])
    target = look_at([1, 2, 3], [-4, 7, 0], roll=0.4) @ [-4, 7, 0, 1]
    assert np.allclose(target[:2], 0)
    assert target[2] > 0


def test_intrinsics_put_the_field_of_view_at_the_outer_pixel_edges():
    K = intrinsics((640, 480), 90)
    assert np.isclose(np.linalg.inv(K)[0] @ [-0.5, 0, 1], -1)
    assert np.isclose(np.linalg.inv(K)[0] @ [639.5, 0, 1], 1)


@pytest.mark.parametrize("scene", SCENES)
def test_same_spec_same_pixels(small_worlds, scene):
    world = small_worlds[scene]
    first, again = world.render(2.5), open_world(str(world.spec)).render(2.5)
    assert (first.image == again.image).all()
    assert (first.depth == again.depth).all()
    assert (first.image != world.render(2.6).image).any()


@pytest.mark.parametrize("scene", SCENES)
def test_a_view_is_textured_and_close_to_things_but_not_inside_them(small_worlds, scene):
    for t in (0.0, 4.0, 9.0):
        view = small_worlds[scene].render(t)
        solid = view.depth[view.depth > 0]
        assert len(solid) > 0.6 * view.depth.size
        assert solid.min() > 0.15
        assert len(cv2.SIFT_create().detect(view.image, None)) > 100


@pytest.mark.parametrize("look", sorted(LOOKS))
def test_looks_change_the_image_and_not_the_geometry(small_worlds, look):
    world = small_worlds["street"]
    plain, seen = world.render(1.0, look=LOOKS["day"]), world.render(1.0, look=LOOKS[look])
    assert (plain.depth == seen.depth).all()
    assert look == "day" or np.abs(plain.image.astype(int) - seen.image).mean() > 3


def test_mixed_look_changes_from_instant_to_instant():
    world = open_world("objects?look=mixed&width=96&height=64")
    means = [world.render_pose(world.pose(0), instant=k).image.mean() for k in range(6)]
    assert np.ptp(means) > 5


def test_a_camera_that_sees_nothing_sees_sky(small_worlds):
    view = small_worlds["terrain"].render_pose(camera([0, 0, 100], yaw=0, pitch=1.2))
    assert (view.depth == 0).all()
    assert view.image.std() > 0


@pytest.mark.parametrize("scene", SCENES)
def test_paths_are_smooth(small_worlds, scene):
    world = small_worlds[scene]
    poses = [world.pose(t) for t in np.arange(0, 6, 0.05)]
    steps = np.linalg.norm(np.diff([position_of(p) for p in poses], axis=0), axis=1)
    turns = [
        np.arccos(np.clip((np.trace(a[:3, :3].T @ b[:3, :3]) - 1) / 2, -1, 1)) for a, b in itertools.pairwise(poses)
    ]
    assert steps.max() < 8 * 0.05
    assert np.degrees(max(turns)) < 3
