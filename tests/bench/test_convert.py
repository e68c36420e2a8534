"""From one form into the other and back: nothing is lost; and pairs drawn by the overlap that depth gives."""

import json
import math
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gim_data.bench.checks import load_image
from gim_data.bench.convert import convert, write_posed
from gim_data.bench.depth import depth_view
from gim_data.bench.pairing import DEPTH, GIVEN, PairRules, draw_by, draw_measured
from gim_data.bench.posed import read_cameras, read_posed
from gim_data.bench.sources import PairSource, find_sources
from gim_data.bench.zeb import place, read_zeb, write_zeb
from gim_data.errors import BadInput, GimError
from gim_data.types import TwoViewPair

WIDTH, HEIGHT = 16, 12
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True).filter(lambda name: ".." not in name)


def camera_matrix(rng: np.random.Generator) -> np.ndarray:
    x, y = WIDTH / 2 + rng.uniform(-0.5, 0.5), HEIGHT / 2 + rng.uniform(-0.5, 0.5)
    return np.array([[rng.uniform(1, 99), 0, x], [0, rng.uniform(1, 99), y], [0, 0, 1]])


@st.composite
def posed_pairs(draw: st.DrawFn, folder: Path) -> list[TwoViewPair]:
    """Pairs of images of random names, with any cameras, motions and overlaps that are allowed."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scenes = draw(st.lists(NAMES, min_size=1, max_size=2, unique_by=str.casefold))
    names = draw(st.lists(NAMES, min_size=2, max_size=3, unique_by=str.casefold))
    overlaps = draw(st.lists(st.just(math.nan) | st.floats(0, 1), min_size=len(scenes), max_size=len(scenes)))
    pairs = []
    for scene, overlap in zip(scenes, overlaps, strict=True):
        files = [folder / scene / f"{i}.png" for i in range(len(names))]
        files[0].parent.mkdir(exist_ok=True)
        for path in files:
            cv2.imwrite(str(path), rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8))
        for i in range(1, len(names)):
            K0, K1 = (camera_matrix(rng) for _ in range(2))
            T = np.eye(4)
            T[:3, :3] = cv2.Rodrigues(rng.normal(size=3))[0]
            T[:3, 3] = rng.normal(size=3) * 10.0 ** rng.integers(-9, 9)
            pairs.append(TwoViewPair(f"{scene}#{names[0]}#{names[i]}", files[0], files[i], K0, K1, T, overlap))
    return pairs


def same(first: list[TwoViewPair], second: list[TwoViewPair]) -> None:
    """Equal to the last bit, images included."""
    rows = [sorted(pairs, key=lambda pair: pair.identifier) for pairs in (first, second)]
    assert [p.identifier for p in rows[0]] == [p.identifier for p in rows[1]]
    for a, b in zip(*rows, strict=True):
        for field in ("K0", "K1", "T_0to1"):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
        np.testing.assert_array_equal(a.overlap, b.overlap)
        for field in ("image0", "image1"):
            np.testing.assert_array_equal(load_image(getattr(a, field)), load_image(getattr(b, field)))


@settings(max_examples=25)
@given(data=st.data(), separator=st.sampled_from("-_"))
def test_there_and_back_loses_nothing(data: st.DataObject, separator: str):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "source").mkdir()
        pairs = data.draw(posed_pairs(root / "source"))
        write_zeb(root / "zeb", map(place, pairs), separator=separator)
        assert convert(PairSource("zeb", "zeb", str(root / "zeb")), root / "posed") == len(pairs)
        same(pairs, read_posed(root / "posed"))
        convert(PairSource("posed", "posed", str(root / "posed")), root / "again", separator=separator)
        same(pairs, read_zeb(root / "again"))
        before, after = ({p.name: p.read_bytes() for p in (root / f).glob("*.txt")} for f in ("zeb", "again"))
        assert before == after


def test_the_separator_is_that_of_the_data_set(posed: Path, tmp_path: Path):
    convert(PairSource("gl3d", "posed", str(posed)), tmp_path / "gl3d")
    convert(PairSource("mine", "posed", str(posed)), tmp_path / "mine")
    assert (tmp_path / "gl3d" / "wall_0_1.txt").is_file()
    assert (tmp_path / "mine" / "wall-0-1.txt").is_file()
    assert {(s.name, s.kind) for s in find_sources(tmp_path)} == {("wall", "posed"), ("gl3d", "zeb"), ("mine", "zeb")}


def test_each_pair_is_a_line_of_its_own_so_that_errors_name_it(posed: Path, tmp_path: Path):
    write_posed(tmp_path / "out", read_posed(posed))
    lines = (tmp_path / "out" / "pairs.json").read_text().splitlines()
    assert len(lines) == 8
    assert json.loads(lines[2].rstrip(","))["scene"] == "wall"


def test_a_scene_that_leaves_the_folder_is_refused(posed: Path):
    raw = json.loads((posed / "pairs.json").read_text())
    raw["pairs"][0]["scene"] = "../up"
    (posed / "pairs.json").write_text(json.dumps(raw))
    with pytest.raises(BadInput, match=r"pair 0, scene: '\.\./up' leaves the folder"):
        read_posed(posed)
    raw["pairs"][0]["scene"] = 7
    (posed / "pairs.json").write_text(json.dumps(raw))
    with pytest.raises(BadInput, match="pair 0, scene: 7 is not a text"):
        read_posed(posed)


def test_two_images_of_one_name_are_not_merged(posed: Path, tmp_path: Path):
    first, second = read_posed(posed)[:2]
    clash = TwoViewPair("wall#0#1", second.image0, second.image1, second.K0, second.K1, second.T_0to1, 0.5)
    with pytest.raises(BadInput, match="both become"):
        write_posed(tmp_path / "out", [first, clash])


def test_a_folder_without_pairs_is_named(tmp_path: Path):
    with pytest.raises(GimError, match="holds no posed pairs"):
        find_sources(tmp_path)


@pytest.fixture
def corridor(tmp_path: Path) -> Path:
    """Eleven cameras that look at a flat wall 4 m away and step sideways by a tenth of what they see."""
    folder = tmp_path / "corridor"
    for name in ("images", "depth_mm"):
        (folder / name).mkdir(parents=True)
    K = [[80.0, 0, 79.5], [0, 80.0, 59.5], [0, 0, 1]]
    frames = []
    for i in range(11):
        cv2.imwrite(str(folder / "images" / f"{i:02d}.jpg"), np.full((120, 160, 3), 20 * i, np.uint8))
        cv2.imwrite(str(folder / "depth_mm" / f"{i:02d}.png"), np.full((120, 160), 4000, np.uint16))
        T = np.eye(4)
        T[0, 3] = -0.1 * i * 8.0  # at 4 m, 160 pixels of focal length 80 are 8 m
        frames.append({"image": f"{i:02d}.jpg", "T_w2c": T.tolist()})
    (folder / "frames.json").write_text(json.dumps({"K": K, "frames": frames}))
    pair = {"image0": "00.jpg", "image1": "01.jpg", "K0": K, "K1": K, "T_0to1": frames[1]["T_w2c"]}
    (folder / "pairs.json").write_text(json.dumps({"pairs": [pair]}))
    return folder


RULES = PairRules(20, 50, overlap=(0.0, 1.0), rotation=180)


def test_depth_gives_the_true_overlap_and_bins_are_filled_evenly(corridor: Path):
    pairs = draw_measured(corridor, RULES, np.random.default_rng(0))
    everything = draw_measured(corridor, PairRules(60, 50, overlap=(0.0, 1.0)), np.random.default_rng(0))
    for pair in everything:
        steps = int(pair.image1.stem) - int(pair.image0.stem)
        assert pair.overlap == pytest.approx(1 - steps / 10, abs=0.03)
    have, got = (np.histogram([p.overlap for p in some], bins=10, range=(0, 1))[0] for some in (everything, pairs))
    assert (len(everything), len(pairs)) == (55, 20)
    assert np.ptp(got[have >= 3]) <= 1


def test_auto_is_depth_where_it_gives_pairs_and_what_there_is_elsewhere(corridor: Path):
    """Here without texture: no triangulated depth, so what is left without depth maps is the list."""
    drawn = draw_by("auto", corridor, RULES, np.random.default_rng(0))
    assert drawn.overlaps == DEPTH
    same(drawn.pairs, draw_measured(corridor, RULES, np.random.default_rng(0)))
    for i in range(1, 11):
        (corridor / "depth_mm" / f"{i:02d}.png").unlink()
    assert draw_by("depth", corridor, RULES, np.random.default_rng(0)).pairs == []  # one image makes no pair
    assert draw_by("auto", corridor, RULES, np.random.default_rng(0)).overlaps == GIVEN
    (corridor / "depth_mm" / "00.png").unlink()
    drawn = draw_by("auto", corridor, RULES, np.random.default_rng(0))
    assert (drawn.overlaps, [pair.identifier for pair in drawn.pairs]) == (GIVEN, ["corridor#00#01"])


def test_what_stands_in_the_way_is_not_overlap(corridor: Path):
    """A board before camera 1 hides the wall from it: frusta would not know."""
    cv2.imwrite(str(corridor / "depth_mm" / "01.png"), np.full((120, 160), 1000, np.uint16))
    pairs = draw_measured(corridor, PairRules(60, 50, overlap=(0.0, 1.0)), np.random.default_rng(0))
    hidden = [pair for pair in pairs if "01" in (pair.image0.stem, pair.image1.stem)]
    assert hidden
    assert max(pair.overlap for pair in hidden) < 0.01


def test_images_without_depth_are_left_out(corridor: Path):
    for i in range(2, 11):
        (corridor / "depth_mm" / f"{i:02d}.png").unlink()
    (pair,) = draw_measured(corridor, RULES, np.random.default_rng(0))
    assert pair.identifier == "corridor#00#01"
    for i in range(2):
        (corridor / "depth_mm" / f"{i:02d}.png").unlink()
    with pytest.raises(BadInput, match="no image has a camera and a depth map"):
        draw_measured(corridor, RULES, np.random.default_rng(0))


@pytest.mark.parametrize("wrong", [np.zeros((120, 160), np.uint8), np.zeros((60, 80), np.uint16), None])
def test_a_depth_map_that_is_none_is_named(corridor: Path, wrong: np.ndarray | None):
    path = corridor / "depth_mm" / "03.png"
    if wrong is None:
        path.write_bytes(b"no picture")
    else:
        cv2.imwrite(str(path), wrong)
    with pytest.raises(BadInput, match=r"depth map .*03\.png.* (not 16-bit grey|is 80x60, its image 160x120 pixels)"):
        depth_view(read_cameras(corridor)[3])
