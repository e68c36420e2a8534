"""``gim pairs`` from the command line: both ways, several sequences at once, and nothing overwritten."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gim_data.bench.posed import read_posed
from gim_data.bench.zeb import read_zeb
from orchestration.cli import main

Gim = Callable[..., tuple[int, str]]


@pytest.fixture
def gim(capsys: pytest.CaptureFixture[str]) -> Gim:
    def call(*words: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        told = capsys.readouterr()
        return int(caught.value.code or 0), told.out + told.err

    return call


def test_there_and_back(gim: Gim, posed: Path, tmp_path: Path):
    code, told = gim("pairs", "convert", posed, tmp_path / "zeb", "--separator", "_")
    assert code == 0
    assert "6 pairs, from posed" in told
    assert gim("pairs", "convert", tmp_path / "zeb", tmp_path / "back")[0] == 0
    pairs = {pair.identifier: pair for pair in read_zeb(tmp_path / "zeb")}
    back = {pair.identifier: pair for pair in read_posed(tmp_path / "back")}
    assert pairs.keys() == back.keys()
    assert all((pairs[i].T_0to1 == back[i].T_0to1).all() for i in pairs)


def test_a_tree_becomes_a_tree_and_what_is_there_stays(gim: Gim, posed: Path, tmp_path: Path):
    assert gim("pairs", "convert", posed.parent, tmp_path / "out")[0] == 0
    assert len(read_zeb(tmp_path / "out" / "wall")) == 6
    code, told = gim("pairs", "convert", posed, tmp_path / "out")
    assert code == 1
    assert "is not empty" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--separator", "/"), "--separator '/'"),
        (("--separator", "+"), "use one of - _"),
    ],
)
def test_a_separator_that_no_release_has_is_refused(
    gim: Gim, posed: Path, tmp_path: Path, words: tuple[str, str], message: str
):
    code, told = gim("pairs", "convert", posed, tmp_path / "out", *words)
    assert code == 1
    assert message in told


def test_listed_pairs_are_drawn_within_the_limits(gim: Gim, posed: Path, tmp_path: Path):
    code, told = gim("pairs", "sample", posed, tmp_path / "out", "--by", "listed", "--overlap", "0.4", "0.6")
    assert code == 0
    assert "2 pairs; by overlap (given): 0 0 0 0 0 2 0 0 0 0" in told
    assert {pair.overlap for pair in read_posed(tmp_path / "out")} == {0.5}


def test_without_depth_the_cameras_tell_or_the_remedy_is_named(gim: Gim, posed: Path, tmp_path: Path):
    code, told = gim("pairs", "sample", posed, tmp_path / "drawn")
    assert code == 0
    assert "pairs; by overlap (frusta): " in told
    assert read_posed(tmp_path / "drawn")
    code, told = gim("pairs", "sample", posed, tmp_path / "out", "--by", "depth")
    assert code == 1
    assert "depth_mm/" in told
    assert gim("pairs", "sample", posed, tmp_path / "out", "--overlap", "0.6", "0.2")[0] == 1
    assert not (tmp_path / "out").exists()


def test_a_set_is_filled_from_posed_images(gim: Gim, posed: Path, tmp_path: Path):
    mirror = tmp_path / "mirror"
    code, told = gim("zeb", "make", mirror, "--set", "kitti", "--posed", f"kitti={posed}", "--pairs", "3")
    assert code == 0
    assert len(read_zeb(mirror / "kitti")) == 3
    assert f"gim zeb check {mirror} --list" in told
    assert gim("zeb", "check", mirror, "--list", mirror / "pairs.parquet")[0] == 0
    for wrong in ("kitti", f"kitti={tmp_path}"):
        code, told = gim("zeb", "make", mirror, "--posed", wrong)
        assert code == 1
        assert "write SET=FOLDER" in told
    for rest, reason in (([f"kitti={posed}"], "kitti, which is not made"), ([f"gl3d={posed}"] * 2, "twice")):
        words = [word for text in rest for word in ("--posed", text)]
        code, told = gim("zeb", "make", tmp_path / "other", "--set", "gl3d", *words)
        assert code == 1
        assert reason in told
        assert not (tmp_path / "other").exists()
    code, told = gim("zeb", "check", mirror, "--list", mirror / "pairs.parquet", "--dumps", mirror)
    assert code == 1
    assert "two lists" in told
