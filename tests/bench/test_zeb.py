"""The released layout: what is written is read back, and what is wrong is named."""

import math
from pathlib import Path

import numpy as np
import pytest

from gim_data.bench.posed import read_posed
from gim_data.bench.zeb import FIELDS, Placed, is_zeb, read_pair, read_zeb, write_zeb
from gim_data.errors import BadInput
from gim_data.types import TwoViewPair


def place(pair: TwoViewPair) -> Placed:
    scene, name0, name1 = pair.identifier.split("#")
    return Placed(scene, name0, name1, pair)


@pytest.fixture
def folder(posed: Path, tmp_path: Path) -> Path:
    target = tmp_path / "zeb"
    write_zeb(target, [place(pair) for pair in read_posed(posed)])
    return target


@pytest.fixture
def pair_file(folder: Path) -> Path:
    return folder / "wall-0-1.txt"


@pytest.mark.parametrize("separator", ["-", "_"])
def test_what_is_written_is_read_back(posed: Path, tmp_path: Path, separator: str):
    pairs = read_posed(posed)
    target = tmp_path / "out"
    assert write_zeb(target, [place(pair) for pair in pairs], separator=separator) == 6
    assert is_zeb(target)
    for before, after in zip(sorted(pairs, key=lambda p: p.identifier), read_zeb(target), strict=True):
        assert before.identifier == after.identifier
        assert before.overlap == after.overlap
        np.testing.assert_array_equal(before.T_0to1, after.T_0to1)
        np.testing.assert_array_equal(before.K0, after.K0)
    assert sorted(p.name for p in target.glob("*.png")) == [f"wall{separator}{i}.png" for i in range(4)]


def test_a_pair_is_one_line_of_38_fields(pair_file: Path):
    fields = pair_file.read_text().split()
    assert len(fields) == FIELDS
    assert fields[:4] == ["0", "1", "0.75", "0.75"]


def test_unknown_overlap_survives_as_nan(posed: Path, tmp_path: Path):
    pair = read_posed(posed)[0]
    unknown = TwoViewPair(pair.identifier, pair.image0, pair.image1, pair.K0, pair.K1, pair.T_0to1, math.nan)
    write_zeb(tmp_path / "out", [place(unknown)])
    assert math.isnan(read_zeb(tmp_path / "out")[0].overlap)


def test_names_with_a_suffix_in_the_text_are_found(pair_file: Path):
    fields = pair_file.read_text().split()
    pair_file.write_text(" ".join(["0.jpg", "1.jpg", *fields[2:]]))
    pair = read_pair(pair_file)
    assert pair.identifier == "wall#0.jpg#1.jpg"
    assert pair.image1.name == "wall-1.png"


def test_a_scene_name_may_hold_the_separator(posed: Path, tmp_path: Path):
    pair = read_posed(posed)[0]
    write_zeb(tmp_path / "out", [Placed("old_town-2", "0", "1", pair)])
    assert read_zeb(tmp_path / "out")[0].identifier == "old_town-2#0#1"


K_AT, T_AT = 4, 22


@pytest.mark.parametrize(
    ("index", "value", "field"),
    [
        (2, "1.5", "overlap0"),
        (3, "nan", "overlap1"),
        (K_AT, "0", "K0"),
        (K_AT + 9, "-3", "K1"),
        (K_AT + 1, "inf", "K0"),
        (K_AT + 8, "2", "K0"),
        (K_AT + 2, "161", "K0: principal point"),
        (K_AT + 14, "140", "K1: principal point"),
        (T_AT, "nan", "T_0to1"),
        (T_AT, "7", "T_0to1"),
        (T_AT + 15, "0", "T_0to1"),
        (T_AT + 5, "x", r"T_0to1\[1,1\]"),
        (0, "../../etc/passwd", "name0"),
        (1, "/etc/passwd", "name1"),
    ],
)
def test_a_wrong_field_is_named_with_file_and_line(pair_file: Path, index: int, value: str, field: str):
    fields = pair_file.read_text().split()
    fields[index] = value
    pair_file.write_text(" ".join(fields))
    with pytest.raises(BadInput, match=rf"wall-0-1\.txt, line 1, {field}"):
        read_pair(pair_file)


def test_a_reflection_is_no_rotation(pair_file: Path):
    fields = pair_file.read_text().split()
    fields[T_AT : T_AT + 16] = [str(v) for v in np.diag([1, 1, -1, 1]).ravel()]
    pair_file.write_text(" ".join(fields))
    with pytest.raises(BadInput, match="not a rotation"):
        read_pair(pair_file)


@pytest.mark.parametrize(("count", "field"), [(37, r"T_0to1\[3,3\]"), (39, "field 39"), (3, "overlap1")])
def test_a_missing_or_extra_field_is_named(pair_file: Path, count: int, field: str):
    fields = [*pair_file.read_text().split(), "0"]
    pair_file.write_text(" ".join(fields[:count]))
    with pytest.raises(BadInput, match=rf"line 1, {field}: {count} fields instead of 38"):
        read_pair(pair_file)


@pytest.mark.parametrize("content", ["", "a\nb\n", "\x00\xff"])
def test_a_file_that_is_no_pair(pair_file: Path, content: str):
    pair_file.write_bytes(content.encode("latin-1"))
    with pytest.raises(BadInput, match=r"wall-0-1\.txt"):
        read_pair(pair_file)


def test_a_missing_image_is_named(folder: Path):
    (folder / "wall-1.png").unlink()
    with pytest.raises(BadInput, match=r"name1: image wall-1\.png is missing"):
        read_zeb(folder)


def test_an_image_that_is_none_is_named_with_its_pair(folder: Path):
    (folder / "wall-1.png").write_bytes(b"no image")
    with pytest.raises(BadInput, match=r"wall-0-1\.txt, line 1, name1: image .*wall-1\.png does not decode"):
        read_zeb(folder)


def test_half_an_image_is_named_with_its_pair(folder: Path):
    path = folder / "wall-1.png"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadInput, match=r"wall-0-1\.txt, line 1, name1: image .*wall-1\.png does not decode"):
        read_zeb(folder)


def test_an_image_that_does_not_decode_is_named(posed: Path, tmp_path: Path):
    (posed / "images" / "1.png").write_bytes(b"no image")
    with pytest.raises(BadInput, match=r"1\.png does not decode"):
        write_zeb(tmp_path / "out", [place(pair) for pair in read_posed(posed)])


def test_a_pair_written_twice_is_refused(posed: Path, tmp_path: Path):
    pair = place(read_posed(posed)[0])
    with pytest.raises(BadInput, match="appears twice"):
        write_zeb(tmp_path / "out", [pair, pair])


def test_two_images_of_one_name_are_refused(posed: Path, tmp_path: Path):
    first, second = read_posed(posed)[:2]
    with pytest.raises(BadInput, match="both become"):
        write_zeb(
            tmp_path / "out",
            [Placed("wall", "0", "1", first), Placed("wall", "0", "1x", second), Placed("wall", "0", "1", second)],
        )


def test_an_identifier_that_appears_twice_is_named(folder: Path):
    (folder / "wall-0_0-1.txt").write_text((folder / "wall-0-1.txt").read_text())
    (folder / "wall-0_0-1.txt").rename(folder / "wall_0_1.txt")
    for i in (0, 1):
        (folder / f"wall_{i}.png").write_bytes((folder / f"wall-{i}.png").read_bytes())
    with pytest.raises(BadInput, match=r"wall#0#1 is already in wall-0-1\.txt"):
        read_zeb(folder)


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="no pair file"):
        read_zeb(tmp_path)
