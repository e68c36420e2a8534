"""The tracks and dataset stages on a small workspace made by hand, and what they do with bad input."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from planted import SIZE, label, planted, sources

from gim_data.dataset import (
    DatasetConfig,
    TrainingIndex,
    balanced_weights,
    kept_time,
    make_dataset,
    split_videos,
)
from gim_data.errors import BadInput, GimError
from gim_data.labels.store import LabelMeta, LabelStore, write_labels
from gim_data.propagation.config import PropagationConfig
from gim_data.propagation.stage import make_tracks
from gim_data.stage import Job
from gim_data.video.framestore import StoredFrame, write_frames

PARAMS = {"propagation": PropagationConfig.model_validate({"min_matches": 16}), "dataset": DatasetConfig()}


def job(stage, unit, out, inputs, **params):
    out.mkdir(parents=True, exist_ok=True)
    return Job(stage, unit, out, out, inputs, {**PARAMS, **params}, out.parent, 0, "digest")


def make_video(root, name, seed, frames=10):
    """Frames and matches of one video, as the stages before would leave them."""
    folders = {stage: root / stage / name for stage in ("frames", "matches")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 255, (frames, SIZE[1] // 8, SIZE[0] // 8, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    stored = [StoredFrame(5 + i / 3, 0, image) for i, image in enumerate(images)]
    write_frames(folders["frames"], stored, source_size=SIZE)
    tracks, seen = planted(rng, frames=frames)
    for source, skip in zip(sources(rng, tracks, seen), (1, 2, 4), strict=True):
        meta = LabelMeta(SIZE, "a", skip / 3)
        write_labels(folders["matches"] / f"a-s{skip / 3:.3f}-p1.parquet", source.labels, meta)
    return folders


def run_tracks(root, name, folders, out="tracks"):
    inputs = {stage: {name: folder} for stage, folder in folders.items()}
    made = root / out / name
    return made, make_tracks(job("tracks", name, made, inputs))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    videos = [f"v{i}" for i in range(4)]
    folders = {name: make_video(root, name, seed) for seed, name in enumerate(videos)}
    tracks = {name: run_tracks(root, name, folders[name])[0] for name in videos}
    return root, {name: folder["frames"] for name, folder in folders.items()}, tracks


def open_dataset(corpus, tmp_path, **options):
    _, frames, tracks = corpus
    config = DatasetConfig.model_validate(options)
    summary = make_dataset(job("dataset", "all", tmp_path, {"frames": frames, "tracks": tracks}, dataset=config))
    return TrainingIndex.open(tmp_path, frames, tracks), summary


def test_tracks_are_written_with_a_figure_and_equal_bytes(tmp_path):
    folders = make_video(tmp_path, "v", 0)
    first, summary = run_tracks(tmp_path, "v", folders)
    second, _ = run_tracks(tmp_path, "v", folders, out="again")
    store = LabelStore.open(first / "pairs.parquet")
    assert summary["pairs"] == len(store.index)
    assert summary["correspondences"] == store.index["n"].sum()
    assert (first / "pairs.parquet").read_bytes() == (second / "pairs.parquet").read_bytes()
    assert (first / "tracks.jpg").read_bytes() == (second / "tracks.jpg").read_bytes()
    assert summary["figures"] == ["tracks.jpg"]


def test_a_video_without_labels_is_a_recorded_skip(tmp_path):
    folders = make_video(tmp_path, "v", 0)
    nothing = [label(np.zeros((1, 2)), np.zeros((1, 2)), np.zeros(1, bool), i, i + 1) for i in range(9)]
    for path in folders["matches"].glob("*.parquet"):
        write_labels(path, nothing, LabelMeta(SIZE, "a"))
    with pytest.raises(BadInput, match="video v: no pair"):
        run_tracks(tmp_path, "v", folders)


def test_labels_of_other_frames_and_broken_files_are_errors(tmp_path):
    folders = make_video(tmp_path, "v", 0)
    path = sorted(folders["matches"].glob("*.parquet"))[0]
    labels = LabelStore.open(path).labels()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(GimError, match=path.name):
        run_tracks(tmp_path, "v", folders)
    write_labels(path, labels, LabelMeta((1280, 720), "a"))
    with pytest.raises(GimError, match="1280"):
        run_tracks(tmp_path, "v", folders)
    for path in folders["matches"].glob("*.parquet"):
        path.unlink()
    with pytest.raises(GimError, match="no label file"):
        run_tracks(tmp_path, "v", folders)


def test_budgets_are_nested_and_take_their_share_of_the_time(corpus, tmp_path):
    index, summary = open_dataset(corpus, tmp_path)
    assert summary["seconds"] == pytest.approx(4 * 10 / 3, abs=0.01)
    sets = [set(index.subset(budget).index) for budget in (0.25, 0.5, 0.75, 1.0)]
    assert all(small < large for small, large in pairwise(sets))
    assert [index.subset(b)["video"].nunique() for b in (0.25, 0.5, 0.75, 1.0)] == [1, 2, 3, 4]
    part = index.subset(0.625)  # two videos and a half of the third
    cut = part[part["video"] == summary["order"][2]]
    assert (cut["frame1"] <= 4).all()
    assert index.table["rank"].between(0, 1, inclusive="right").all()
    assert len(index.subset(1.0)) == len(index)


def test_validation_holds_out_whole_videos(corpus, tmp_path):
    index, summary = open_dataset(corpus, tmp_path, validation=0.25)
    held = summary["validation_videos"]
    assert len(held) == 1
    assert set(index.subset(1.0, "val")["video"]) == set(held)
    assert not set(index.subset(1.0)["video"]) & set(held)
    assert summary["seconds"] == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_few_videos_hold_out_none(count):
    held, order = split_videos([f"v{i}" for i in range(count)], DatasetConfig(validation=0.1))
    assert not held
    assert len(order) == count


def test_labels_and_images_of_a_row(corpus, tmp_path):
    index, _ = open_dataset(corpus, tmp_path)
    for i in (0, len(index) // 2, len(index) - 1):
        row, found = index.table.iloc[i], index.label(i)
        assert (found.frame0, found.frame1, len(found)) == (row["frame0"], row["frame1"], row["n"])
        image0, image1 = index.images(i)
        assert image0.shape == image1.shape == (SIZE[1], SIZE[0], 3)


def test_the_index_survives_pickle_and_threads(corpus, tmp_path):
    index, _ = open_dataset(corpus, tmp_path)
    index.images(0)
    copy = pickle.loads(pickle.dumps(index))
    assert len(pickle.dumps(index)) < 200_000
    barrier = threading.Barrier(4)

    def read(worker):
        barrier.wait()
        return [int(copy.images(i)[0].sum()) + len(copy.label(i)) for i in range(20)]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(read, range(4)))
    assert all(result == results[0] for result in results)


def test_decoded_frames_are_bounded(corpus, tmp_path):
    index, _ = open_dataset(corpus, tmp_path)
    index.cached_frames = 3
    for i in range(10):
        index.images(i)
    assert len(index._images) <= 3


def test_equal_corpora_give_equal_bytes(corpus, tmp_path):
    open_dataset(corpus, tmp_path / "a")
    open_dataset(corpus, tmp_path / "b")
    assert (tmp_path / "a" / "index.parquet").read_bytes() == (tmp_path / "b" / "index.parquet").read_bytes()


def test_weights_favour_no_overlap_bin(corpus, tmp_path):
    index, _ = open_dataset(corpus, tmp_path)
    weights = balanced_weights(index.table)
    assert weights.sum() == pytest.approx(1)
    table = index.table.assign(weight=weights, bin=(index.table["overlap"] * 10).clip(0, 9.9).astype(int))
    one = table[table["video"] == "v0"].groupby("bin")["weight"].sum()
    assert one.max() == pytest.approx(one.min())
    assert len(balanced_weights(index.table.iloc[:0])) == 0


def test_time_between_shots_does_not_count():
    seconds, elapsed = kept_time(np.array([0, 1, 2, 50, 51.0]), np.array([0, 0, 0, 1, 1], np.int32))
    assert seconds == 5
    assert elapsed.tolist() == [1, 2, 3, 4, 5]


def test_no_usable_pair_anywhere_is_bad_input(corpus, tmp_path):
    with pytest.raises(BadInput, match="no video of the corpus"):
        make_dataset(job("dataset", "all", tmp_path, {"frames": {}, "tracks": {}}))


def test_broken_indices_name_themselves(corpus, tmp_path):
    _, frames, tracks = corpus
    open_dataset(corpus, tmp_path)
    with pytest.raises(GimError, match="without frames or tracks"):
        TrainingIndex.open(tmp_path, {}, {})
    (tmp_path / "index.parquet").write_bytes(b"")
    with pytest.raises(GimError, match=r"index\.parquet"):
        TrainingIndex.open(tmp_path, frames, tracks)
