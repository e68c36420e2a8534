"""Every world of the benchmark, and every path a world can have: something to see, a smooth flight, an exact truth."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gim_data.synthetic.benchmark import benchmark_worlds
from gim_data.synthetic.correspondence import project
from gim_data.synthetic.paths import position_of
from gim_data.synthetic.render import View, World, open_world
from gim_data.synthetic.spec import SyntheticSpec

WIDTH = 160
SPECS = {
    **benchmark_worlds(),
    "street-drone": SyntheticSpec.parse("street?seed=3&path=drone"),
    "street-drive": SyntheticSpec.parse("street?seed=3&path=drive"),
    "terrain-orbit": SyntheticSpec.parse("terrain?seed=3&path=orbit"),
}


@pytest.fixture(scope="module", params=SPECS)
def world(request: pytest.FixtureRequest) -> World:
    """The world, drawn small; its scene, path and look are those of the spec."""
    spec = SPECS[request.param]
    size = {"width": WIDTH, "height": round(WIDTH * spec.height / spec.width)}
    return open_world(spec.model_copy(update=size))


def test_most_of_the_picture_is_at_a_finite_distance(world: World) -> None:
    view = world.render(1.0)
    assert np.isfinite(view.depth).all()
    below = view.depth[view.depth.shape[0] // 2 :]  # the sky (depth 0) is above
    assert (below > 0).mean() > 0.9
    assert (view.depth > 0).mean() > 0.5
    assert view.depth[view.depth > 0].min() > 0.15
    assert view.image.std() > 5


def test_the_path_is_smooth_and_leads_somewhere(world: World) -> None:
    step = 0.05
    poses = [world.pose(t) for t in np.arange(0, min(world.duration, 6.0), step)]
    places = np.array([position_of(pose) for pose in poses])
    speeds = np.linalg.norm(np.diff(places, axis=0), axis=1) / step
    cosines = [(np.trace(a[:3, :3].T @ b[:3, :3]) - 1) / 2 for a, b in itertools.pairwise(poses)]
    assert speeds.max() < 12
    assert np.abs(np.diff(speeds)).max() < 1
    assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() < 3
    assert np.linalg.norm(places - places[0], axis=1).max() > 0.5


def test_there_and_back_is_where_it_began(world: World) -> None:
    view0, view1 = world.render(1.0), world.render(1.1)
    height, width = view0.depth.shape
    points = np.stack(np.meshgrid(np.arange(0, width, 4.0), np.arange(0, height, 4.0)), -1).reshape(-1, 2)
    there, visible = project(view0, view1, points)
    x, y = points.astype(int).T
    assert visible.sum() > 0.4 * (view0.depth[y, x] > 0).sum()
    points, there = points[visible], there[visible]
    back, again = project(view1, view0, there)
    whole = _on_one_surface(view0, points) & _on_one_surface(view1, there)
    assert whole.mean() > 0.2
    error = np.linalg.norm(back - points, axis=1)[whole]
    assert again[whole].mean() > 0.9
    assert np.median(error) < 0.01
    assert (error < 0.3).mean() > 0.95
    moved = np.linalg.norm(there - points, axis=1)[whole]
    assert np.median(moved) > 10 * np.median(error)


def _on_one_surface(view: View, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the pixels around hold one surface: depth varies little among them."""
    solid = np.where(view.depth > 0, view.depth, 1e6)
    ratio = cv2.dilate(solid, np.ones((3, 3))) / cv2.erode(solid, np.ones((3, 3)))
    x, y = np.rint(points).astype(int).T
    return np.asarray(ratio[y, x] < 1.08)
