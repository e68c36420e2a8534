"""Which pairs are drawn: evenly over overlaps, reproducibly, with a baseline worth scoring."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gim_data.bench.overlap import _depths, frustum_overlap, rotation_degrees
from gim_data.bench.pairing import FRUSTA, GIVEN, PairRules, draw_by, draw_evenly, draw_pairs
from gim_data.errors import BadInput

K = np.array([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]])
SIZES = ((101, 101), (101, 101))


def shifted(x: float) -> np.ndarray:
    T = np.eye(4)
    T[0, 3] = x
    return T


def test_a_camera_overlaps_itself_fully():
    assert frustum_overlap(K, K, SIZES, np.eye(4), [1.0, 5.0]) == 1


@pytest.mark.parametrize(("shift", "expected"), [(0.5, 0.5), (1.0, 0.0), (-0.25, 0.75)])
def test_a_sideways_step_loses_its_share_of_the_view(shift: float, expected: float):
    """At depth 1 the view is 1 wide: a step of 0.5 leaves half of it, in both directions."""
    assert frustum_overlap(K, K, SIZES, shifted(shift), [1.0]) == pytest.approx(expected, abs=0.07)


def test_behind_the_camera_nothing_overlaps():
    assert frustum_overlap(K, K, SIZES, np.diag([-1.0, 1, -1, 1]), [1.0, 2.0]) == 0


def test_triangulated_depth_is_the_true_depth():
    rng = np.random.default_rng(0)
    points = rng.uniform([-2, -2, 4], [2, 2, 9], (50, 3))
    R, t = np.eye(3), np.array([1.0, 0.2, 0.1])
    moved = points @ R.T + t
    depths = _depths(points / points[:, 2:], moved / moved[:, 2:], R, t)
    np.testing.assert_allclose(depths, points[:, 2], rtol=1e-9)


def test_rotation_is_measured_in_degrees():
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    T = np.array([[c, -s, 0, 4], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    assert rotation_degrees(T) == pytest.approx(30)


@given(
    values=arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1)),
    count=st.integers(1, 40),
    seed=st.integers(0, 9),
)
def test_bins_are_filled_as_equally_as_they_allow(values: np.ndarray, count: int, seed: int):
    drawn = draw_evenly(values, count, 10, np.random.default_rng(seed))
    assert len(drawn) == min(count, len(values)) == len(set(drawn.tolist()))
    bins = np.minimum((values * 10).astype(int), 9)
    have, got = np.bincount(bins, minlength=10), np.bincount(bins[drawn], minlength=10)
    unfilled = got < have
    assert got.max() - got[unfilled].min(initial=got.max()) <= 1


def test_unknown_overlaps_are_drawn_too():
    assert len(draw_evenly(np.full(5, np.nan), 3, 10, np.random.default_rng(0))) == 3


def test_pairs_are_the_same_for_the_same_seed_and_keep_the_rules(posed: Path):
    rules = PairRules(4, 4)
    first, second = (draw_pairs(posed, rules, np.random.default_rng(1)) for _ in range(2))
    assert [p.identifier for p in first] == [p.identifier for p in second]
    assert 1 <= len(first) <= 4
    assert all(0.1 <= pair.overlap <= 1 for pair in first)


def test_where_overlaps_come_from_is_told(posed: Path):
    """Cameras and texture give frusta; without either there is only what the list says."""
    rules = PairRules(4, 4)
    kinds = [draw_by(by, posed, rules, np.random.default_rng(0)).overlaps for by in ("bins", "auto", "listed")]
    assert kinds == [FRUSTA, FRUSTA, GIVEN]
    for path in (posed / "images").iterdir():
        cv2.imwrite(str(path), np.full((120, 160, 3), 90, np.uint8))
    drawn = draw_by("bins", posed, PairRules(40, 4), np.random.default_rng(0))
    assert drawn.overlaps == GIVEN
    assert {pair.overlap for pair in drawn.pairs} == {0.25, 0.5, 0.75}


def test_a_broken_image_that_only_the_cameras_name_is_named_before_it_is_drawn(posed: Path):
    raw = json.loads((posed / "pairs.json").read_text())
    raw["pairs"] = [pair for pair in raw["pairs"] if "3.png" not in (pair["image0"], pair["image1"])]
    (posed / "pairs.json").write_text(json.dumps(raw))
    path = posed / "images" / "3.png"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadInput, match=r"wall, camera of 3\.png: image .* does not decode"):
        draw_pairs(posed, PairRules(4, 4), np.random.default_rng(0))
