"""The frozen list and the check against it: the list is the dumps', and every kind of damage is a finding."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from gim_data.bench.frozen import bare_identifier, frozen_from_dumps, is_released, read_frozen, write_frozen
from gim_data.bench.names import BY_FOLDER, ZEB
from gim_data.bench.posed import read_posed
from gim_data.bench.zeb import Placed, write_zeb
from gim_data.bench.zeb_check import SetFindings, check_zeb, unusual_sizes
from gim_data.errors import GimError
from gim_data.stage import Silent

DUMPS = Path(__file__).resolve().parents[3] / "shared" / "reference" / "zeb_dumps"


@pytest.mark.parametrize(
    ("printed", "bare"),
    [
        ("urban#img/img0001_0.png#img/img0022_0.png", "urban#img0001_0#img0022_0"),
        ("courtyard#DSC_0286.JPG#DSC_0287.JPG", "courtyard#DSC_0286#DSC_0287"),
        ("0000#00000006#00000008", "0000#00000006#00000008"),
        ("v1.5#a.b#c.jpeg", "v1.5#a.b#c"),
    ],
)
def test_names_are_reduced_to_those_of_the_archives(printed: str, bare: str):
    assert bare_identifier(printed) == bare
    assert bare_identifier(bare) == bare


def test_the_list_has_the_released_counts():
    frozen = read_frozen()
    assert {folder: len(pairs) for folder, pairs in frozen.items()} == {row.folder: row.pairs for row in ZEB}
    for folder, pairs in frozen.items():
        assert len({identifier.split("#")[0] for identifier in pairs}) == BY_FOLDER[folder].scenes
        assert all(0 <= overlap <= 1 for overlap in pairs.values())


@pytest.mark.skipif(not DUMPS.is_dir(), reason=f"no published dumps in {DUMPS}")
def test_the_list_is_the_published_one():
    published, ours = frozen_from_dumps(DUMPS), read_frozen()
    assert {folder: set(pairs) for folder, pairs in published.items()} == {f: set(p) for f, p in ours.items()}
    worst = max(abs(ours[f][i] - overlap) for f, pairs in published.items() for i, overlap in pairs.items())
    assert worst < 1e-5


def test_the_compact_form_keeps_names_and_rounds_overlaps(tmp_path: Path):
    frozen = {"gl3d": {"b#1#2": 0.25, "a#0#1": 1 / 3}, "kitti": {"x_y-z#000001#000002": 0.0}}
    write_frozen(tmp_path / "pairs.parquet", frozen)
    found = read_frozen(tmp_path / "pairs.parquet")
    assert {f: set(p) for f, p in found.items()} == {f: set(p) for f, p in frozen.items()}
    assert found["gl3d"]["a#0#1"] == pytest.approx(1 / 3, abs=1e-5)


def test_dumps_of_another_benchmark_are_refused(tmp_path: Path):
    columns = "identifiers covisible0 covisible1 R_errs t_errs t_errs2 Bef.Prec Bef.Num Aft.Prec Aft.Num"
    (tmp_path / "[T] sift         Megadepth 1.txt").write_text(f"{columns}\na#0#1 1 1 0 0 0 1 5 1 5\n")
    with pytest.raises(GimError, match="ZEB has no data set Megadepth"):
        frozen_from_dumps(tmp_path)


@pytest.fixture
def unpacked(posed: Path, tmp_path: Path) -> Path:
    """A benchmark of one data set, the wall under the name of ``gl3d``."""
    pairs = [Placed("wall", *pair.identifier.split("#")[1:], pair) for pair in read_posed(posed)]
    write_zeb(tmp_path / "zeb" / "gl3d", pairs, separator="_")
    return tmp_path / "zeb"


@pytest.fixture
def frozen(posed: Path) -> Mapping[str, Mapping[str, float]]:
    return {"gl3d": {pair.identifier: pair.overlap for pair in read_posed(posed)}}


def look(root: Path, frozen: Mapping[str, Mapping[str, float]]) -> SetFindings:
    (found,) = check_zeb(root, frozen, Silent())
    return found


def test_a_whole_benchmark_is_sound(unpacked: Path, frozen: Mapping[str, Mapping[str, float]]):
    found = look(unpacked, frozen)
    assert found.sound
    assert (found.pairs, found.expected, found.images) == (6, 6, 4)


def test_a_missing_data_set_misses_every_pair(tmp_path: Path, frozen: Mapping[str, Mapping[str, float]]):
    found = look(tmp_path / "nowhere", frozen)
    assert not found.sound
    assert set(found.missing) == set(frozen["gl3d"])


def test_each_damage_is_a_finding_and_the_rest_is_still_checked(
    unpacked: Path, frozen: Mapping[str, Mapping[str, float]]
):
    folder = unpacked / "gl3d"
    (folder / "wall_0_1.txt").unlink()
    shutil.copy(folder / "wall_0_2.txt", folder / "wall_0_9.txt")
    other = {**frozen["gl3d"], "wall#0#3": 0.9}
    del other["wall#2#3"]
    found = look(unpacked, {"gl3d": other})
    assert found.missing == ("wall#0#1",)
    assert found.extra == ("wall#2#3",)
    assert found.overlaps == ("wall#0#3",)
    assert len(found.problems) == 1
    assert "wall_0_9.txt, line 1, name0" in found.problems[0]


def test_a_flipped_byte_in_an_image_is_found(unpacked: Path, frozen: Mapping[str, Mapping[str, float]]):
    path = unpacked / "gl3d" / "wall_2.png"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    found = look(unpacked, frozen)
    assert len(found.problems) == 1
    assert "wall_0_2.txt, line 1, name1: image" in found.problems[0]
    assert "wall_2.png does not decode" in found.problems[0]


def test_a_truncated_image_is_found(unpacked: Path, frozen: Mapping[str, Mapping[str, float]]):
    path = unpacked / "gl3d" / "wall_0.png"
    path.write_bytes(path.read_bytes()[:-100])
    assert any("wall_0.png does not decode" in problem for problem in look(unpacked, frozen).problems)


def test_swapped_sizes_are_found(unpacked: Path, frozen: Mapping[str, Mapping[str, float]]):
    cv2.imwrite(str(unpacked / "gl3d" / "wall_3.png"), np.zeros((160, 70, 3), np.uint8))
    found = look(unpacked, frozen)
    assert len(found.missing) == 3
    assert all("principal point (80, 60) is outside the 70x160 image" in problem for problem in found.problems)


def test_swapped_principal_points_are_found(unpacked: Path, frozen: Mapping[str, Mapping[str, float]]):
    path = unpacked / "gl3d" / "wall_0_1.txt"
    fields = path.read_text().split()
    fields[4 + 2], fields[4 + 5] = fields[4 + 5], fields[4 + 2]
    path.write_text(" ".join(fields))
    found = look(unpacked, frozen)
    assert found.missing == ("wall#0#1",)
    assert "wall_0_1.txt, line 1, K0: principal point (60, 80) is the centre of a 120x160 image" in found.problems[0]


def test_unusual_sizes_are_told_and_are_no_fault(unpacked: Path, frozen: Mapping[str, Mapping[str, float]]):
    found = look(unpacked, frozen)
    assert found.sound
    assert found.sizes == "4 of 4 images are not about 1000x1000: wall_0.png is 160x120"
    row = replace(BY_FOLDER["gl3d"], size=(150, 125))
    assert unusual_sizes(unpacked.glob("gl3d/*.png"), row) == ""


def test_a_part_of_the_list_is_released_and_other_pairs_are_not():
    frozen = read_frozen()
    names = list(frozen["eth3di"])[:5]
    assert is_released(frozen, "eth3di", [f"{name}.JPG" for name in names])
    assert not is_released(frozen, "eth3do", names)
    assert not is_released(frozen, "eth3di", [*names, "world000#0000#0001"])
    assert not is_released(frozen, "courtyard", names)
