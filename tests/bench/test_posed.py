"""Posed folders: listed pairs, cameras, and every way they can be wrong."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gim_data.bench.checks import check_principal, image_damage, load_image, save_image
from gim_data.bench.listing import entry_lines
from gim_data.bench.pairing import PairRules, draw_pairs
from gim_data.bench.posed import find_posed, image_names, is_posed, make_pair, read_cameras, read_posed
from gim_data.bench.zeb import place, read_zeb, write_zeb
from gim_data.errors import BadInput

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
Damage = Callable[[str, Any], Path]


def test_listed_pairs_agree_with_the_cameras(posed: Path):
    cameras = read_cameras(posed)
    assert [camera.image.name for camera in cameras] == ["0.png", "1.png", "2.png", "3.png"]
    listed = {pair.identifier: pair for pair in read_posed(posed)}
    made = make_pair("wall", cameras[0], cameras[2], 0.5, image_names(posed, [camera.image for camera in cameras]))
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
        ("image0", "/etc/hostname", "image0: .*leaves the folder"),
        ("image0", "a#b.png", "image0: .*holds '#'"),
        ("image0", "none.png", r"image0: image .*none\.png does not exist"),
        ("image1", "notes.txt", r"image1: image .*notes\.txt does not decode"),
        ("K1", [[0, 0, 1], [0, 5, 1], [0, 0, 1]], "K1: focal lengths 0 and 5"),
        ("K1", [[1, 2], [3, 4]], r"K1: shape \(2, 2\)"),
        ("K1", "wide", "K1: not a matrix"),
        ("K1", [[120, 0, 60], [0, 120, 150], [0, 0, 1]], "K1: principal point .* is outside the 160x120 image"),
        ("K0", [[120, 0, 60], [0, 120, 80], [0, 0, 1]], r"K0: principal point \(60, 80\) is the centre of a 120x160"),
        ("K1", [[120, 40, 80], [0, 120, 60], [0, 0, 1]], "K1: the skew 40 would be ignored"),
        ("T_0to1", BAD_POSE, "T_0to1: NaN"),
        ("T_0to1", (2 * np.eye(4)).tolist(), "T_0to1: the 3x3 part is not a rotation"),
        ("overlap", 3, "overlap: 3 is not in 0 to 1"),
        ("overlap", "much", "overlap: 'much'"),
        ("scene", "a/b", "scene: 'a/b' holds a slash"),
        ("scene", "a\\b", "scene: .* holds a slash"),
    ],
)
def test_a_wrong_field_is_named_with_file_line_and_pair(damage: Damage, field: str, value: Any, message: str):
    (damage("overlap", 0.5) / "images" / "notes.txt").write_text("no image")
    with pytest.raises(BadInput, match=rf"pairs\.json, line 3, pair 1, {message}"):
        read_posed(damage(field, value))


def test_a_pair_listed_twice_is_named(damage: Damage):
    with pytest.raises(BadInput, match="wall#0#1 is listed twice"):
        read_posed(damage("image1", "1.png"))


@pytest.fixture
def streets(posed: Path) -> Path:
    """Two folders of images with the same names, one pair of each."""
    for street in ("s1", "s2"):
        shutil.copytree(posed / "images", posed / "images" / street)
    raw = json.loads((posed / "pairs.json").read_text())["pairs"][0]
    rows = [{**raw, "image0": f"{street}/0.png", "image1": f"{street}/1.png"} for street in ("s1", "s2")]
    (posed / "pairs.json").write_text(json.dumps({"pairs": rows}))
    return posed


def test_images_of_one_name_in_two_folders_are_two(streets: Path, tmp_path: Path):
    pairs = read_posed(streets)
    assert [pair.identifier for pair in pairs] == ["wall#s1_0#s1_1", "wall#s2_0#s2_1"]
    write_zeb(tmp_path / "zeb", map(place, pairs))
    assert [pair.identifier for pair in read_zeb(tmp_path / "zeb")] == ["wall#s1_0#s1_1", "wall#s2_0#s2_1"]


def test_a_name_that_is_one_of_a_kind_stays_without_its_folder(streets: Path):
    """Identifiers seed the robust estimation and name predictions: those of data that was fine may not change."""
    raw = json.loads((streets / "pairs.json").read_text())["pairs"]
    (streets / "pairs.json").write_text(json.dumps({"pairs": [raw[0], {**raw[1], "scene": "other"}]}))
    assert [pair.identifier for pair in read_posed(streets)] == ["wall#0#1", "other#0#1"]


def test_images_that_only_their_suffix_tells_apart_are_refused(streets: Path):
    shutil.copy(streets / "images" / "s1" / "0.png", streets / "images" / "s1" / "0.jpg")
    with pytest.raises(BadInput, match="both called s1_0"):
        image_names(streets, (streets / "images" / "s1").iterdir())


def test_cameras_of_two_folders_are_drawn_apart(streets: Path):
    T = [np.array(json.loads((streets / "frames.json").read_text())["frames"][i]["T_w2c"]) for i in range(4)]
    rows = [{"image": f"{s}/{i}.png", "T_w2c": T[i].tolist()} for s in ("s1", "s2") for i in range(4)]
    raw = json.loads((streets / "frames.json").read_text())
    (streets / "frames.json").write_text(json.dumps({**raw, "frames": rows}))
    drawn = draw_pairs(streets, PairRules(100, 100), np.random.default_rng(0))
    assert len({pair.identifier for pair in drawn}) == len(drawn)


@pytest.mark.parametrize("content", ["{", "[]", '{"pairs": []}', '{"pairs": {"0": {}}}', '{"pairs": [7]}', "\x00"])
def test_a_file_that_lists_nothing(posed: Path, content: str):
    (posed / "pairs.json").write_text(content)
    with pytest.raises(BadInput, match=r"pairs\.json"):
        read_posed(posed)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"pairs": []}', []),
        ('{"pairs": [{"a": 1}, {"b": 2}]}', [1, 1]),
        ('{\n "pairs":\n[\n\n {"a": [1,\n 2]} ,\n {"b": "]\\n\\""}\n],\n "x": {}}', [5, 7]),
        ('{"note": "pairs: [",\n"x": {"pairs": [1]},\n"pairs": [\n1,\n2]}', [4, 5]),
        ('{"x": 1}', []),
    ],
)
def test_entries_are_found_on_their_lines(text: str, lines: list[int]):
    assert entry_lines(text, "pairs") == lines


@given(
    st.lists(st.dictionaries(st.text(), st.floats(allow_nan=False) | st.text() | st.lists(st.integers()))),
    st.text(),
    st.none() | st.integers(0, 3),
)
def test_every_entry_has_one_line(entries: list[Any], note: str, indent: int | None):
    text = json.dumps({"note": note, "pairs": entries}, indent=indent, ensure_ascii=False)
    lines = entry_lines(text, "pairs")
    assert len(lines) == len(entries)
    assert lines == sorted(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


@pytest.mark.parametrize(
    ("name", "content"), [("frames.json", '{"frames": [4]}'), ("cameras.json", '{"cameras": {"0.png": 1}}')]
)
def test_a_file_without_cameras_is_named(posed: Path, name: str, content: str):
    (posed / "frames.json").unlink()
    (posed / name).write_text(content)
    with pytest.raises(BadInput, match=name):
        read_cameras(posed)


def test_a_list_that_cannot_be_read_is_not_passed_by(posed: Path):
    (posed / "pairs.json").write_text('{"pairs": [')
    assert is_posed(posed)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_half_an_image_is_no_image(tmp_path: Path, suffix: str):
    """OpenCV reads the first half of a JPEG and invents the second."""
    path = tmp_path / f"a{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    save_image(path, cv2.GaussianBlur(noise, (0, 0), 2))
    assert load_image(path).shape == (90, 120, 3)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadInput, match=rf"a\{suffix} does not decode"):
        load_image(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_an_image_that_is_cut_short_is_named_with_the_first_pair_that_has_it(posed: Path, suffix: str):
    """Its header is whole, so that only reading all of it tells."""
    for path in (posed / "images").glob("*.png"):
        save_image(path.with_suffix(suffix), load_image(path))
    listing = (posed / "pairs.json").read_text().replace(".png", suffix).replace("}, {", "},\n{")
    (posed / "pairs.json").write_text(listing)
    assert len(read_posed(posed)) == 6
    broken = posed / "images" / f"2{suffix}"
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    with pytest.raises(BadInput, match=rf"pairs\.json, line 2, pair 1, image1: image .*2\{suffix} does not decode"):
        read_posed(posed)


@pytest.mark.parametrize("suffix", [".bmp", ".tiff", ".webp", ".ppm"])
def test_other_formats_are_read_to_their_end(tmp_path: Path, suffix: str):
    path = tmp_path / f"a{suffix}"
    save_image(path, np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8))
    assert image_damage(path) == ""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert image_damage(path)


SIDES = st.integers(200, 2000)
SHARES = st.floats(-0.04, 0.04)


@given(SIDES, SIDES, SHARES, SHARES)
def test_a_principal_point_near_the_centre_passes_and_a_swapped_one_is_told(w: int, h: int, x: float, y: float):
    """Within 4 % of the long side real ones pass at any aspect; swapped ones are told where sides differ by a third."""
    long, K = max(w, h), np.eye(3)
    K[:2, 2] = w / 2 + x * long / 2**0.5, h / 2 + y * long / 2**0.5
    check_principal(K, (w, h), "a")
    if long * 3 >= min(w, h) * 4:
        K[:2, 2] = h / 2 + x * long / 2, w / 2 + y * long / 2
        with pytest.raises(BadInput, match=r"is the centre of|is outside"):
            check_principal(K, (w, h), "a")


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no posed data in {DATA}")
def test_the_cameras_of_real_data_sets_pass():
    folders = list(find_posed(DATA))
    assert folders
    assert all(read_posed(folder) for folder in folders)


def test_swapped_width_and_height_are_noticed():
    K = np.array([[600.0, 0, 610], [0, 600, 180], [0, 0, 1]])
    check_principal(K, (1226, 370), "a")
    with pytest.raises(BadInput, match="may be swapped"):
        check_principal(K, (370, 1226), "a")
