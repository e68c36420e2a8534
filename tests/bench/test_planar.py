"""Readers of planar and annotated pairs: every layout gives what was written, every damage names its place."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from gim_data.bench.planar import read_planar, read_points
from gim_data.errors import BadInput

H = [[1.5, 0.25, -4.0], [0.125, 1.25, 3.0], [0.0005, 0.001, 1.0]]
POINTS = [[1.0, 2.0], [3.5, 4.0]]


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((30, 40, 3), np.uint8))


def write_list(folder: Path, **fields: Any) -> Path:
    for name in "ab":
        save(folder / "images" / f"{name}.png")
    entry = {"image0": "a.png", "image1": "b.png", **fields}
    (folder / "pairs.json").write_text(
        '{"pairs": [\n' + json.dumps({k: v for k, v in entry.items() if v != ...}) + "\n]}"
    )
    return folder


def write_truth(path: Path, matrix: Any = H) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(" ".join(map(str, row)) for row in matrix) + "\n")


@pytest.mark.parametrize(("image", "truth"), [("{}.ppm", "H_1_{}"), ("img{}.png", "H1to{}p"), ("img{}.ppm", "H1to{}")])
def test_text_layouts_are_one_set(tmp_path: Path, image: str, truth: str):
    root = tmp_path / "planes"
    for sequence in ("v_one", "i_two"):
        for i in range(1, 4):
            save(root / sequence / image.format(i))
        for i in (2, 3):
            write_truth(root / sequence / truth.format(i))
    sets = read_planar(root)
    assert list(sets) == ["planes"]
    assert [p.identifier for p in sets["planes"]] == ["i_two#1#2", "i_two#1#3", "v_one#1#2", "v_one#1#3"]
    pair = sets["planes"][3]
    np.testing.assert_array_equal(pair.H_0to1, H)
    assert (pair.image0.name, pair.image1.name) == (image.format(1), image.format(3))
    assert pair.points0 is None


def test_every_list_is_a_set_of_its_own(tmp_path: Path):
    write_list(tmp_path / "plain", H_0to1=H)
    write_list(tmp_path / "judged", H_0to1=H, val_pts0=POINTS, val_pts1=POINTS[::-1])
    write_list(tmp_path / "clicked", pts0=POINTS, pts1=POINTS)
    sets = read_planar(tmp_path)
    assert {name: len(pairs) for name, pairs in sets.items()} == {"plain": 1, "judged": 1}
    np.testing.assert_array_equal(sets["judged"][0].points1, POINTS[::-1])
    assert list(read_points(tmp_path)) == ["clicked"]


def test_clicked_points_in_text(tmp_path: Path):
    folder = tmp_path / "wxbs" / "WGBS" / "church"
    for stem in ("01", "02"):
        save(folder / f"{stem}.png")
    (folder / "corrs.txt").write_text("1 2 30 4\n5.5, 6, 7, 8\n\n")
    (pair,) = read_points(tmp_path / "wxbs")["wxbs"]
    assert pair.identifier == "WGBS-church#01#02"
    np.testing.assert_array_equal(pair.points0, [[1, 2], [5.5, 6]])
    np.testing.assert_array_equal(pair.points1, [[30, 4], [7, 8]])


NAN = [[float("nan"), 0, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"H_0to1": NAN}, "H_0to1: NaN"),
        ({"H_0to1": [[1, 0, 0], [2, 0, 0], [0, 0, 1]]}, "H_0to1: the matrix cannot be inverted"),
        ({"H_0to1": [[1, 0], [0, 1]]}, r"H_0to1: shape \(2, 2\)"),
        ({"H_0to1": H, "image0": "../a.png"}, "image0: .*leaves the folder"),
        ({"H_0to1": H, "image1": ...}, "image1: missing"),
        ({"H_0to1": H, "val_pts0": POINTS}, "val_pts1: missing"),
        ({"H_0to1": H, "val_pts0": POINTS, "val_pts1": POINTS[:1]}, "val_pts1: 1 points for 2"),
    ],
)
def test_a_wrong_planar_pair_is_named_with_file_and_line(tmp_path: Path, fields: dict[str, Any], message: str):
    write_list(tmp_path / "plain", **fields)
    with pytest.raises(BadInput, match=rf"pairs\.json, line 2, pair 0, {message}"):
        read_planar(tmp_path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pts0": POINTS}, "pts1: missing"),
        ({"pts0": [[1, 2, 3]], "pts1": POINTS}, r"pts0: shape \(1, 3\)"),
        ({"pts0": [[1, float("nan")]], "pts1": [[1, 2]]}, "pts1: NaN"),
    ],
)
def test_wrong_points_are_named_with_file_and_line(tmp_path: Path, fields: dict[str, Any], message: str):
    write_list(tmp_path / "clicked", **fields)
    with pytest.raises(BadInput, match=rf"pairs\.json, line 2, pair 0, {message}"):
        read_points(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 0\n0 1 0\n", r"H_1_2: 2 lines of numbers instead of 3"),
        ("1 0 0\n0 one 0\n0 0 1\n", r"H_1_2, line 2: '0 one 0' are not numbers"),
        ("1 0 0\n0 1\n0 0 1\n", r"H_1_2, line 2: 2 fields instead of 3"),
        ("1 0 0\n0 1 0\n0 0 inf\n", r"H_1_2, H: NaN or infinity"),
    ],
)
def test_a_wrong_truth_file_is_named(tmp_path: Path, text: str, message: str):
    for i in (1, 2):
        save(tmp_path / "v_one" / f"{i}.ppm")
    (tmp_path / "v_one" / "H_1_2").write_text(text)
    with pytest.raises(BadInput, match=message):
        read_planar(tmp_path)


def test_a_missing_image_and_an_empty_folder_are_named(tmp_path: Path):
    with pytest.raises(BadInput, match="holds no such pair"):
        read_planar(tmp_path)
    save(tmp_path / "v_one" / "1.ppm")
    write_truth(tmp_path / "v_one" / "H_1_2")
    with pytest.raises(BadInput, match=r"H_1_2: image .*v_one/2 .* is missing"):
        read_planar(tmp_path)
