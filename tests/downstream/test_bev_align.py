"""Clouds from above: pixels are where they should be, and a planted motion comes back."""

import numpy as np
import pytest
from planted_clouds import motion, seen_from, town

from gim_models.downstream.bev.align import BevSettings, align, vertical_offset, yaw_of
from gim_models.downstream.bev.clouds import Cloud
from gim_models.downstream.bev.raster import Frame, frame_for, rasterize
from gim_models.teachers.rootsift import rootsift

FRAME = Frame(radius=20, cell=0.2)


def cloud(points):
    return Cloud(points, 0, "planted")


def pole(x, y, height=3.0):
    return np.column_stack([np.full(60, x), np.full(60, y), np.linspace(0, height, 60)]).astype(np.float32)


def floor(side=15.0, count=20_000):
    rng = np.random.default_rng(0)
    return np.column_stack([rng.uniform(-side, side, (count, 2)), rng.normal(0, 0.02, count)]).astype(np.float32)


def test_pixels_and_metres_are_inverse():
    metres = np.random.default_rng(0).uniform(-20, 20, (100, 2))
    np.testing.assert_allclose(FRAME.to_metres(FRAME.to_pixels(metres)), metres)


def test_forward_is_up_and_left_is_left():
    (ahead, left) = FRAME.to_pixels(np.array([[19.9, 0.1], [0.1, 19.9]]))
    np.testing.assert_allclose(ahead, [99, 0], atol=1e-9)
    np.testing.assert_allclose(left, [0, 99], atol=1e-9)


@pytest.mark.parametrize("kind", ["height", "density", "both"])
def test_a_pole_is_a_spot_where_it_stands_and_the_floor_is_black(kind):
    image = rasterize(np.concatenate([floor(), pole(5.1, -3.3)]), FRAME, kind)[..., 0]
    row, column = np.unravel_index(image.argmax(), image.shape)
    np.testing.assert_allclose(FRAME.to_metres(np.array([[column, row]])), [[5.1, -3.3]], atol=0.11)
    image[row - 8 : row + 9, column - 8 : column + 9] = 0
    assert image.max() == 0


def test_points_outside_are_not_drawn():
    assert rasterize(pole(25, 0), FRAME, "height").max() == 0


def test_a_frame_is_no_larger_than_the_clouds():
    assert frame_for([cloud(floor(side=5))], radius=50, cell=None).radius == pytest.approx(6.6, abs=0.3)
    assert frame_for([cloud(floor(side=90))], radius=50, cell=None) == Frame(50, 0.2)


@pytest.mark.parametrize(("yaw", "x", "y", "z"), [(0, 0, 0, 0), (20, 3, -2, 0.4), (-75, 6, 5, -1.2), (180, -4, 0, 0)])
def test_a_planted_motion_comes_back(yaw, x, y, z):
    """Another sample of the same town, turned and shifted: within a cell and a quarter, 0.3 degrees, 5 cm in height."""
    truth = motion(yaw, x, y, z)
    found = align(
        rootsift("cpu"), cloud(town(0)), cloud(seen_from(town(1), truth)), BevSettings(radius=40, cell=0.2, headings=1)
    )
    assert found.T_0to1 is not None, found.reason
    np.testing.assert_allclose(found.T_0to1[:2, 3], [x, y], atol=0.25)
    assert abs(found.T_0to1[2, 3] - z) < 0.05
    assert np.degrees(abs(np.angle(np.exp(1j * (yaw_of(found.T_0to1) - np.radians(yaw)))))) < 0.3


def test_headings_find_the_same_motion():
    truth = motion(120, 2, 1, 0.3)
    settings = BevSettings(radius=40, cell=0.2, headings=3)
    found = align(rootsift("cpu"), cloud(town(0)), cloud(seen_from(town(1), truth)), settings)
    np.testing.assert_allclose(found.T_0to1, truth, atol=0.25)
    facts = found.facts()
    assert facts["yaw_deg"] == pytest.approx(120, abs=0.3)
    assert facts["z_m"] == pytest.approx(0.3, abs=0.05)


def test_two_towns_have_no_motion_but_a_reason():
    found = align(rootsift("cpu"), cloud(town(seed=1)), cloud(town(seed=2)), BevSettings(radius=40, cell=0.2))
    assert found.T_0to1 is None
    assert "8 are needed" in found.reason
    assert found.facts()["T_0to1"] is None


def test_a_bare_floor_has_no_motion():
    found = align(rootsift("cpu"), cloud(floor()), cloud(floor()), BevSettings(cell=0.2))
    assert found.T_0to1 is None
    assert "0 of 0 matches" in found.reason


def test_height_comes_from_the_floors_whatever_stands_on_them():
    town0, town1 = town(0), seen_from(town(1), motion(0, 0, 0, 0.7))
    more = np.concatenate([town1, pole(1, 1, 9) + np.float32([0, 0, 0.7])])
    assert vertical_offset(town0, more) == pytest.approx(0.7, abs=0.02)


def test_clouds_apart_have_no_common_floor():
    assert vertical_offset(floor(5), floor(5) + np.float32([50, 0, 0])) is None
