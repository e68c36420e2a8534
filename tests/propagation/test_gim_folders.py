"""GIM's own label folders in, its own pair files out, on tracks whose every position is known."""

import cv2
import numpy as np
import pytest
from gim_folders import GAP, set_folder, write_set, write_video
from planted import SIZE, planted, truth_error

from gim_data.errors import GimError
from gim_data.labels.manifest import read_manifest
from gim_data.labels.store import LabelMeta, LabelStore, quantised, write_labels
from gim_data.propagation.config import PropagationConfig
from gim_data.propagation.from_gim import propagate_gim
from gim_data.propagation.gim_pairs import export_pairs, pair_folders
from gim_data.propagation.gim_sets import direct_label, find_sets, frame_ids, pair_file, read_source, video_size
from gim_data.stage import Silent

CONFIG = PropagationConfig.model_validate({"min_matches": 16})
VIDEO = "a walk WH 1"  # spaces and GIM's own words inside a name are allowed


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A planted video, and the folder that its propagated labels went to."""
    root = tmp_path_factory.mktemp("gim")
    rng = np.random.default_rng(0)
    tracks, seen = planted(rng, frames=12, points=400)
    first = write_video(root, VIDEO, rng, tracks, seen)
    out = root / "labels" / VIDEO
    summary = propagate_gim(root, find_sets(root)[VIDEO], out, CONFIG, Silent())
    return root, out, tracks, first, summary


def small_set(root, points=None, video="v", method="SIFT", skip=10):
    """One set with one pair."""
    points = np.arange(40.0).reshape(10, 4) if points is None else points
    folder = set_folder(root, video, method, False, skip)
    write_set(folder, {(990, 990 + skip): points})
    return folder


def read_small(root):
    (sets,) = find_sets(root).values()
    return read_source(sets[0], frame_ids(sets), SIZE)


def test_every_set_is_found_precise_methods_first(imported):
    root, *_ = imported
    sets = find_sets(root)[VIDEO]
    assert len(sets) == 12
    assert [each.method for each in sets] == ["SIFT"] * 6 + ["GIM_DKM"] * 6
    assert [(each.zoomed, each.skip) for each in sets[:6]] == [(z, s) for z in (False, True) for s in (10, 20, 40)]
    assert [each.sparse for each in sets] == [True] * 3 + [False] * 9
    assert find_sets(root / "pseudo") == {VIDEO: sets}  # the folder inside will do too


def test_tracks_come_back_and_reach_far(imported):
    _, out, tracks, first, summary = imported
    store, manifest = LabelStore.open(out / "pairs.parquet"), read_manifest(out)
    assert store.meta.size == SIZE == manifest.size
    assert list(manifest.frames) == [first + GAP * i for i in range(len(tracks))]
    assert summary["pairs"] == len(store.index) > len(tracks)
    assert (store.index["frame1"] - store.index["frame0"]).max() > 8
    off = np.concatenate([truth_error(tracks, label) for label in store.labels()])
    assert np.mean(off < 1) > 0.995


def test_export_is_gims_format_and_loses_nothing(imported, tmp_path):
    _, out, _, first, _ = imported
    done = export_pairs(out, tmp_path)
    labels = LabelStore.open(out / "pairs.parquet").labels()
    assert (done.video, done.pairs, done.matches) == (VIDEO, len(labels), sum(map(len, labels)))
    for label in labels:
        span = [first + GAP * frame for frame in (label.frame0, label.frame1)]
        array = np.load(tmp_path / VIDEO / f"{span[0]}_{span[1]}.npy", allow_pickle=False)
        assert array.dtype == np.float32
        assert array[0].tolist() == span * 2
        np.testing.assert_array_equal(array[1:], np.concatenate([label.points0, label.points1], axis=1))


def test_round_trip_of_one_set(tmp_path):
    rng = np.random.default_rng(1)
    points = (rng.random((50, 4)) * 300).astype(np.float32)
    small_set(tmp_path, points)
    source = read_small(tmp_path)
    write_labels(tmp_path / "v" / "pairs.parquet", source.labels, LabelMeta(SIZE, "propagated"))
    export_pairs(tmp_path / "v", tmp_path / "out")  # no manifest: rows of the frame store are the numbers
    array = np.load(tmp_path / "out" / "v" / "0_1.npy")
    np.testing.assert_array_equal(
        array[1:], np.hstack([quantised(points[:, :2], SIZE), quantised(points[:, 2:], SIZE)])
    )


def test_names_of_pairs_have_numpys_padding():
    assert pair_file(990, 1000) == "[ 990 1000].npy"
    for ends in ((10, 20), (0, 10), (99_990, 100_010)):
        assert pair_file(*ends) == f"{np.array(ends)}.npy"


def test_points_outside_the_frame_are_left_out(tmp_path):
    points = np.array([[5, 5, 6, 6], [SIZE[0], 5, 6, 6], [5, 5, 6, SIZE[1] + 3]], np.float32)
    small_set(tmp_path, points)
    assert len(read_small(tmp_path).labels[0]) == 1


def test_an_empty_set_says_nothing(tmp_path):
    folder = set_folder(tmp_path, "v", "SIFT", False, 10)
    write_set(folder, {})
    np.save(folder / "nums.npy", np.array([]))  # as GIM starts the file
    np.save(folder / "idxs.npy", np.array([]))
    assert read_small(tmp_path).labels == []


def test_size_is_the_videos_own_where_it_can_be_read(tmp_path):
    small_set(tmp_path)
    (sets,) = find_sets(tmp_path).values()
    assert video_size(tmp_path, sets) == SIZE
    clip = tmp_path / "video_1080p" / "v.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"")
    assert video_size(tmp_path, sets) == SIZE
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"mp4v"), 30, (320, 240))
    for _ in range(3):
        writer.write(np.zeros((240, 320, 3), np.uint8))
    writer.release()
    assert video_size(tmp_path, sets) == (320, 240)


def test_sets_that_disagree_on_the_size_need_the_video(tmp_path):
    small_set(tmp_path)
    write_set(set_folder(tmp_path, "v", "GIM_DKM", False, 10, size=(1280, 720)), {(0, 10): np.zeros((1, 4))})
    (sets,) = find_sets(tmp_path).values()
    with pytest.raises(GimError, match="1280"):
        video_size(tmp_path, sets)


class Evil:
    """Would run on unpickling."""

    def __reduce__(self):
        return (print, ("unpickled",))


BREAKS = {
    "no nums": (lambda f: (f / "nums.npy").unlink(), "nums.npy cannot be read"),
    "no idxs": (lambda f: (f / "idxs.npy").unlink(), "idxs.npy cannot be read"),
    "no pair": (lambda f: (f / "[ 990 1000].npy").unlink(), r"\[ 990 1000\].npy cannot be read"),
    "cut pair": (lambda f: (f / "[ 990 1000].npy").write_bytes(b"\x93NUMPY"), r"1000\].npy cannot be read"),
    "rows": (lambda f: np.save(f / "nums.npy", np.array([11])), r"shape \(10, 4\); nums.npy says \(11, 4\)"),
    "columns": (lambda f: np.save(f / "[ 990 1000].npy", np.zeros((10, 3))), r"shape \(10, 3\)"),
    "not finite": (lambda f: np.save(f / "[ 990 1000].npy", np.full((10, 4), np.nan)), "not finite"),
    "counts": (lambda f: np.save(f / "nums.npy", np.array([10, 10])), "counts 2 pairs, idxs.npy lists 1"),
    "backwards": (lambda f: np.save(f / "idxs.npy", np.array([[1000, 990]])), "does not go forward"),
    "twice": (
        lambda f: [np.save(f / "idxs.npy", np.array([[990, 1000]] * 2)), np.save(f / "nums.npy", np.array([10, 10]))],
        "a pair twice",
    ),
    "halves": (lambda f: np.save(f / "idxs.npy", np.array([[990.5, 1000]])), "not whole numbers"),
    "flat": (lambda f: np.save(f / "idxs.npy", np.array([990, 1000])), "not whole numbers"),
    "pickle": (lambda f: np.save(f / "nums.npy", np.array([Evil()]), allow_pickle=True), "nums.npy cannot be read"),
    "text": (lambda f: np.save(f / "nums.npy", np.array(["10"])), "not an array of numbers"),
}


@pytest.mark.parametrize("how", BREAKS)
def test_malformed_sets_name_the_file(tmp_path, how, capsys):
    breaks, message = BREAKS[how]
    breaks(small_set(tmp_path))
    with pytest.raises(GimError, match=message) as caught:
        read_small(tmp_path)
    assert str(tmp_path) in caught.value.problem
    assert "unpickled" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("set_name", "scene"),
    [
        ("WALK SIFT [S] 10", "v WH 640 360 RG 0 -1 SP 10 1"),
        ("WALK SIFT [R] F [S] 10", "v"),
        ("WALK SIFT [R] F [S] 10", "v WH 640 360 RG 0 -1 SP 10 2"),
        ("WALK SIFT [R] F [S] 10", "v WH 640 360 RG 0 -1 SP 20 1"),
        ("WALK SIFT [R] F [S] 10", "v WH 0 360 RG 0 -1 SP 10 1"),
        ("WALK SIFT [R] F [S] 10", ".. WH 640 360 RG 0 -1 SP 10 2"),
    ],
)
def test_names_that_are_not_gims_are_errors(tmp_path, set_name, scene):
    (tmp_path / set_name / scene).mkdir(parents=True)
    with pytest.raises(GimError, match="WALK SIFT"):
        find_sets(tmp_path)


def test_a_folder_without_sets_or_pairs_says_what_it_should_hold(tmp_path):
    with pytest.raises(GimError, match="holds no label set"):
        find_sets(tmp_path)
    with pytest.raises(GimError, match="holds no label file"):
        pair_folders(tmp_path)


def test_a_broken_video_leaves_no_manifest_behind(imported, tmp_path):
    root, out, *_ = imported
    assert pair_folders(out.parent) == [out]
    sets = find_sets(root)[VIDEO]
    made = tmp_path / "v"
    propagate_gim(root, sets, made, CONFIG, Silent())
    assert (made / "pairs.parquet").read_bytes() == (out / "pairs.parquet").read_bytes()  # equal bytes, twice
    small_set(tmp_path)
    (broken,) = find_sets(tmp_path).values()
    (broken[0].folder / "nums.npy").unlink()
    with pytest.raises(GimError, match=r"nums\.npy"):
        propagate_gim(tmp_path, broken, made, CONFIG, Silent())
    assert read_manifest(made) is None


def test_a_manifest_of_fewer_frames_is_refused(imported, tmp_path):
    _, out, *_ = imported
    for path in out.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path, manifest = tmp_path / "manifest.json", read_manifest(tmp_path)
    text = path.read_text()
    path.write_text(manifest.model_copy(update={"frames": manifest.frames[:3]}).model_dump_json())
    with pytest.raises(GimError, match="names frame"):
        export_pairs(tmp_path, tmp_path / "out")
    path.write_text(text.replace('"version": 1', '"version": 2'))
    with pytest.raises(GimError, match="is not a manifest"):
        export_pairs(tmp_path, tmp_path / "out")


def test_frame_numbers_beyond_float32_are_refused(tmp_path):
    label = direct_label(0, 1 << 24, np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32))
    write_labels(tmp_path / "pairs.parquet", [label], LabelMeta(SIZE, "propagated"))
    with pytest.raises(GimError, match="float32"):
        export_pairs(tmp_path, tmp_path / "out")
