import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gim_data.synthetic.correspondence import inverse_depth, overlap, project

SCENES = ["street", "room", "terrain", "objects"]


def grid(view, step=4):
    height, width = view.depth.shape
    y, x = np.mgrid[0:height:step, 0:width:step]
    return np.stack([x.ravel(), y.ravel()], 1).astype(float)


def test_a_wall_moves_by_its_homography_even_between_pixels(wall):
    view0, view1 = wall.render(0.0), wall.render(1.5)
    T = view1.T_w2c @ np.linalg.inv(view0.T_w2c)
    normal, offset = np.array([0, 0, 1.0]), 10.0  # of the wall, seen from camera 0
    H = view1.K @ (T[:3, :3] + np.outer(T[:3, 3], normal) / offset) @ np.linalg.inv(view0.K)
    points = np.random.default_rng(0).uniform([0, 0], [159, 60], (500, 2))
    truth = np.column_stack([points, np.ones(500)]) @ H.T
    moved, visible = project(view0, view1, points)
    assert visible.mean() > 0.6
    assert np.abs(moved - truth[:, :2] / truth[:, 2:])[visible].max() < 1e-3


def inner(view, points):
    """Whether points lie on one surface: depth varies little among the pixels around."""
    solid = np.where(view.depth > 0, view.depth, 1e6)
    ratio = cv2.dilate(solid, np.ones((5, 5))) / cv2.erode(solid, np.ones((5, 5)))
    x, y = np.rint(points).astype(int).T
    return ratio[y, x] < 1.08


@pytest.mark.parametrize("scene", SCENES)
def test_there_and_back_again(small_worlds, scene):
    view0, view1 = small_worlds[scene].render(1.0), small_worlds[scene].render(1.6)
    points = grid(view0)
    there, visible = project(view0, view1, points)
    assert visible.mean() > 0.3
    points, there = points[visible], there[visible]
    back, again = project(view1, view0, there)
    error = np.linalg.norm(back - points, axis=1)
    on_one_surface = inner(view0, points) & inner(view1, there)  # elsewhere a pixel holds two surfaces
    assert on_one_surface.mean() > 0.25
    assert again[on_one_surface].mean() > 0.97
    assert np.median(error[on_one_surface]) < 0.001
    assert (error[on_one_surface] < 0.01).mean() > 0.85  # the rest lies on creases: kerbs, mouldings, furrows
    assert (error[on_one_surface] < 0.3).mean() > 0.97


@pytest.mark.parametrize("scene", SCENES)
def test_visible_points_look_the_same(small_worlds, scene):
    view0, view1 = small_worlds[scene].render(1.0), small_worlds[scene].render(1.3)
    points = grid(view0, 1)
    moved, visible = project(view0, view1, points)
    x, y = np.nan_to_num(moved).astype(np.float32).T.reshape(2, *view0.depth.shape)
    smooth = [cv2.GaussianBlur(view.image, (0, 0), 1.5).astype(float) for view in (view0, view1)]
    warped = cv2.remap(smooth[1], x, y, cv2.INTER_LINEAR)
    shown = visible.reshape(view0.depth.shape)
    difference = np.abs(warped - smooth[0]).mean(-1)[shown]
    unmoved = np.abs(smooth[1] - smooth[0]).mean(-1)[shown]
    assert np.median(difference) < 4
    assert np.median(difference) < 0.5 * np.median(unmoved)


def test_a_planted_occluder_hides_what_is_behind_it(wall, board):
    free0, free1 = wall.render(0.0), wall.render(1.5)
    hidden0, hidden1 = board.render(0.0), board.render(1.5)
    points = grid(free0, 1)
    moved, visible = project(free0, free1, points)
    across, seen = project(free0, hidden1, points)
    assert np.allclose(moved, across, equal_nan=True)
    x, y = np.rint(moved[visible]).astype(int).T
    behind = hidden1.depth[y, x] < free1.depth[y, x] * 0.9
    middle = cv2.erode((hidden1.depth < free1.depth * 0.9).astype(np.uint8), np.ones((3, 3)))[y, x] > 0
    assert middle.sum() > 50
    assert not seen[visible][middle].any()
    assert seen[visible][~behind].mean() > 0.97
    assert overlap(free0, hidden1) < overlap(free0, free1)
    assert overlap(hidden0, hidden0) == 1


def test_what_is_behind_the_camera_or_in_the_sky_has_no_correspondence(small_worlds):
    world = small_worlds["street"]
    view = world.render(1.0)
    turned = np.diag([-1.0, 1, -1, 1]) @ view.T_w2c
    moved, visible = project(view, world.render_pose(turned), grid(view))
    assert not visible.any()
    assert np.isnan(moved).all()
    sky = np.argwhere(view.depth == 0)[:, ::-1]
    assert len(sky)
    assert not project(view, view, sky)[1].any()


@settings(max_examples=50, deadline=None)
@given(st.floats(-3, 163), st.floats(-3, 123))
def test_points_outside_have_no_depth(wall, x, y):
    view = wall.render(0.0)
    near, known = inverse_depth(view.depth, np.array([[x, y]]))
    assert known[0] == ((-0.01 <= x <= 159.01) and (-0.01 <= y <= 119.01) and near[0] > 0)
    _, visible = project(view, view, np.array([[x, y]]))
    assert visible[0] == known[0]


def test_overlap_is_symmetric_and_falls_with_distance(small_worlds):
    views = [small_worlds["room"].render(t) for t in (0.0, 0.5, 2.0, 6.0)]
    shares = [overlap(views[0], view) for view in views]
    assert shares[0] > 0.99
    assert all(a > b for a, b in itertools.pairwise(shares))
    assert overlap(views[2], views[0]) == shares[2]
