"""Posed folders: listed pairs, cameras, and every way they can be wrong."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gim_data.bench.checks import check_principal
from gim_data.bench.posed import find_posed, is_posed, make_pair, read_cameras, read_posed
from gim_data.errors import BadInput

Damage = Callable[[str, Any], Path]


def test_listed_pairs_agree_with_the_cameras(posed: Path):
    cameras = read_cameras(posed)
    assert [camera.image.name for camera in cameras] == ["0.png", "1.png", "2.png", "3.png"]
    listed = {pair.identifier: pair for pair in read_posed(posed)}
    made = make_pair("wall", cameras[0], cameras[2], 0.5)
    np.testing.assert_allclose(made.T_0to1, listed[made.identifier].T_0to1, atol=1e-12)


def test_an_overlap_that_nobody_measured_is_nan(damage: Damage):
    assert math.isnan(read_posed(damage("overlap", ...))[1].overlap)


def test_homographies_are_no_poses(tmp_path: Path, posed: Path):
    other = tmp_path / "planar"
    other.mkdir()
    (other / "pairs.json").write_text(json.dumps({"pairs": [{"image0": "a", "image1": "b", "H_0to1": []}]}))
    assert not is_posed(other)
    assert list(find_posed(tmp_path)) == [posed]


BAD_POSE = np.eye(4).tolist()
BAD_POSE[0][0] = float("nan")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("K0", ..., "K0: missing"),
        ("T_0to1", ..., "T_0to1: missing"),
        ("image1", ..., "image1: missing"),
        ("image0", "../outside.png", "image0: .*leaves the folder"),
        ("image0", "none.png", r"image0: image .*none\.png does not exist"),
        ("K1", [[0, 0, 1], [0, 5, 1], [0, 0, 1]], "K1: focal lengths 0 and 5"),
        ("K1", [[1, 2], [3, 4]], r"K1: shape \(2, 2\)"),
        ("K1", "wide", "K1: not a matrix"),
        ("T_0to1", BAD_POSE, "T_0to1: NaN"),
        ("T_0to1", (2 * np.eye(4)).tolist(), "T_0to1: the 3x3 part is not a rotation"),
        ("overlap", 3, "overlap: 3 is not in 0 to 1"),
        ("overlap", "much", "overlap: 'much'"),
    ],
)
def test_a_wrong_field_is_named_with_file_and_pair(damage: Damage, field: str, value: Any, message: str):
    with pytest.raises(BadInput, match=rf"pairs\.json, pair 1, {message}"):
        read_posed(damage(field, value))


def test_a_pair_listed_twice_is_named(damage: Damage):
    with pytest.raises(BadInput, match="wall#0#1 is listed twice"):
        read_posed(damage("image1", "1.png"))


@pytest.mark.parametrize("content", ["{", "[]", '{"pairs": []}'])
def test_a_file_that_lists_nothing(posed: Path, content: str):
    (posed / "pairs.json").write_text(content)
    with pytest.raises(BadInput, match=r"pairs\.json"):
        read_posed(posed)


def test_swapped_width_and_height_are_noticed():
    K = np.array([[600.0, 0, 610], [0, 600, 180], [0, 0, 1]])
    check_principal(K, (1226, 370), "a")
    with pytest.raises(BadInput, match="may be swapped"):
        check_principal(K, (370, 1226), "a")
