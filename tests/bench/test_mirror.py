"""The small benchmark in ZEB's layout: what it holds, that it is sound, and that nobody can take it for ZEB."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gim_data.bench.frozen import bare_identifier, read_frozen
from gim_data.bench.mirror import LIST_FILE, MIRROR, MirrorRules, make_mirror, worlds
from gim_data.bench.names import BY_FOLDER, ZEB
from gim_data.bench.zeb_check import check_zeb
from gim_data.errors import BadInput, GimError
from gim_data.files import tree_digest
from gim_data.stage import Silent
from gim_data.synthetic.benchmark import benchmark_worlds

pytestmark = pytest.mark.slow
TINY = MirrorRules(pairs=3, views=5, long_side=96)


def test_every_set_of_zeb_has_a_world_of_its_own_that_nothing_is_trained_on():
    assert list(MIRROR) == [row.folder for row in ZEB]
    specs = [world for folder in MIRROR for world in worlds(folder, MirrorRules(scenes=3))]
    taken = {spec.seed for spec in benchmark_worlds().values()}
    assert {spec.pool for spec in specs} == {"eval"}
    assert len({(spec.scene, spec.seed) for spec in specs}) == len(specs)
    assert not taken & {spec.seed for spec in specs}


def test_a_small_side_keeps_the_shape_where_it_can():
    (wide,) = worlds("kitti", MirrorRules(long_side=320))
    assert wide.size == (320, 96)
    assert worlds("kitti", TINY)[0].size == (96, 64)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("mirror")
    make_mirror(out, ["scenenet", "gl3d"], {}, TINY, Silent())
    return out


def test_it_is_the_benchmark_of_its_list_and_not_the_released_one(mirror: Path):
    frozen = read_frozen(mirror / LIST_FILE)
    assert set(frozen) == {"scenenet", "gl3d"}
    assert all(found.sound for found in check_zeb(mirror, frozen, Silent()))
    assert not any(found.sound for found in check_zeb(mirror, read_frozen(), Silent()))
    released = read_frozen()
    assert not any(identifier in released[folder] for folder, pairs in frozen.items() for identifier in pairs)


def test_files_are_named_as_the_release_names_them(mirror: Path):
    for folder in ("scenenet", "gl3d"):
        separator = BY_FOLDER[folder].separator
        assert all(path.name.startswith(f"world000{separator}") for path in (mirror / folder).iterdir())
    assert {path.suffix for path in (mirror / "gl3d").iterdir()} == {".png", ".txt"}


def test_what_is_there_stays_and_other_rules_are_refused(mirror: Path):
    before = tree_digest(mirror)
    made = make_mirror(mirror, ["gl3d"], {}, TINY, Silent())
    assert set(made) == {"gl3d", "scenenet"}
    assert tree_digest(mirror) == before
    with pytest.raises(GimError, match="gl3d was not made by these rules"):
        make_mirror(mirror, ["gl3d"], {}, MirrorRules(pairs=4, views=5, long_side=96), Silent())
    with pytest.raises(GimError, match="no data set megadepth"):
        make_mirror(mirror, ["megadepth"], {}, TINY, Silent())


def test_an_unfinished_set_is_made_anew(mirror: Path, tmp_path: Path):
    """A kill leaves the record and no folder."""
    make_mirror(tmp_path, ["gl3d"], {}, TINY, Silent())
    (tmp_path / "gl3d").rename(tmp_path / "elsewhere")
    make_mirror(tmp_path, ["gl3d"], {}, TINY, Silent())
    assert tree_digest(tmp_path / "gl3d") == tree_digest(mirror / "gl3d") == tree_digest(tmp_path / "elsewhere")


def test_posed_images_take_the_place_of_a_world(posed: Path, tmp_path: Path):
    made = make_mirror(tmp_path / "out", ["kitti"], {"kitti": posed}, TINY, Silent())
    assert {pair.identifier.split("#")[0] for pair in made["kitti"]} == {"wall"}
    assert all(
        bare_identifier(p.identifier) in read_frozen(tmp_path / "out" / LIST_FILE)["kitti"] for p in made["kitti"]
    )
    assert not any(math.isnan(pair.overlap) for pair in made["kitti"])


def test_posed_images_whose_overlap_nobody_knows_are_refused(
    posed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (posed / "frames.json").unlink()
    text = (posed / "pairs.json").read_text()
    (posed / "pairs.json").write_text(text.replace('"overlap"', '"share"'))
    with pytest.raises(BadInput, match="no pairs of known overlap"):
        make_mirror(tmp_path / "out", ["kitti"], {"kitti": posed}, TINY, Silent())
    assert not (tmp_path / "out" / "kitti").exists()


def test_overlaps_are_spread(mirror: Path):
    overlaps = np.array(list(read_frozen(mirror / LIST_FILE)["scenenet"].values()))
    assert len(overlaps) == 3
    assert np.ptp(overlaps) > 0.1


def test_two_views_that_share_nothing_are_an_error_with_a_remedy(tmp_path: Path):
    """Two views of a drive of eight seconds; with more of them the same set is made at once."""
    rules = MirrorRules(pairs=2, views=2, long_side=100)
    with pytest.raises(GimError, match=r"kitti: no two of 2 views .*\n.*raise --views"):
        make_mirror(tmp_path, ["kitti"], {}, rules, Silent())
    assert not (tmp_path / "kitti").exists()
    assert make_mirror(tmp_path, ["kitti"], {}, replace(rules, views=8), Silent())["kitti"]
