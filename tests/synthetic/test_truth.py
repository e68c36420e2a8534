import pickle
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest

from gim_data.errors import BadInput, GimError
from gim_data.files import tree_digest
from gim_data.stage import Job
from gim_data.synthetic import correspondence
from gim_data.synthetic.benchmark import benchmark_worlds, evenly, sample_benchmark
from gim_data.synthetic.config import SyntheticConfig
from gim_data.synthetic.encode import write_video
from gim_data.synthetic.render import open_world
from gim_data.synthetic.truth import TruthStore, make_world, overlapping_pairs, world_keys, world_spec, write_truth

CONFIG = SyntheticConfig(worlds=5, frames=6, width=128, height=96, seconds=4)


def made(folder: Path, config: SyntheticConfig = CONFIG, unit: str = "room-1") -> Path:
    folder.mkdir()
    make_world(Job("worlds", unit, folder, folder, {}, {"synthetic": config}, folder, 5, "digest"))
    return folder


def test_keys_name_specs_of_the_training_pool():
    keys = world_keys({"synthetic": CONFIG}, None)
    assert keys == ["street-0", "room-1", "terrain-2", "objects-3", "street-4"]
    specs = [world_spec(key, CONFIG) for key in keys]
    assert {spec.pool for spec in specs} == {"train"}
    assert len({spec.seed for spec in specs}) == len(specs)
    for bad in ("street-1", "street", "castle-0"):
        with pytest.raises(GimError, match="no training world"):
            world_spec(bad, CONFIG)


def test_a_made_world_reads_back_and_is_the_same_bytes_again(tmp_path):
    first, second = made(tmp_path / "a"), made(tmp_path / "b")
    assert tree_digest(first) == tree_digest(second)
    store = TruthStore.open(first)
    assert (len(store), store.size, store.K.shape, store.T_w2c.shape) == (6, (128, 96), (3, 3), (6, 4, 4))
    assert list(store.pairs.columns) == ["frame0", "frame1", "overlap"]
    assert store.pairs["overlap"].between(0.1, 0.95).all()
    copy = pickle.loads(pickle.dumps(store))
    assert (copy.image(2) == store.image(2)).all()
    assert (copy.depth(2) == store.depth(2)).all()


def test_stored_depth_and_correspondence_stay_exact(tmp_path, small_worlds):
    views = [small_worlds["street"].render(t) for t in (0.0, 1.0)]
    write_truth(tmp_path, views, overlapping_pairs(views, low=0, high=1))
    store = TruthStore.open(tmp_path)
    y, x = np.mgrid[0:120:3, 0:160:3]
    points = np.stack([x.ravel(), y.ravel()], 1).astype(float)
    truth, visible = correspondence.project(*views, points)
    moved, seen = store.correspond(0, 1, points)
    both = visible & seen
    assert (visible == seen).mean() > 0.995
    assert np.abs(moved - truth)[both].max() < 0.02
    assert ((store.depth(0) == 0) == (views[0].depth == 0)).all()
    assert cv2.PSNR(store.image(0), views[0].image) > 32
    assert np.allclose(store.T_0to1(0, 1) @ views[0].T_w2c, views[1].T_w2c)


def test_a_world_without_pairs_is_a_recorded_skip(tmp_path):
    config = CONFIG.model_copy(update={"min_overlap": 0.999, "max_overlap": 1.0})
    with pytest.raises(BadInput, match="overlap"):
        made(tmp_path / "a", config)


def test_a_missing_or_damaged_store_names_its_folder(tmp_path):
    with pytest.raises(GimError, match="holds no synthetic sequence"):
        TruthStore.open(tmp_path)
    folder = made(tmp_path / "a")
    (folder / "images.bin").write_bytes(b"\0" * (folder / "images.bin").stat().st_size)
    with pytest.raises(GimError, match=r"images\.bin"):
        TruthStore.open(folder).image(0)


def test_a_video_shows_the_world_at_its_timestamps(tmp_path):
    spec = "street?seconds=1&fps=7.5&width=128&height=96"
    for name in ("a.mp4", "b.mp4"):
        write_video(spec, tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    world = open_world(spec)
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = [(float(f.time), f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    assert np.allclose([t for t, _ in frames], np.arange(8) / 7.5, atol=1e-4)
    for t, image in frames[::3]:
        assert cv2.PSNR(image, world.render(t).image) > 26


def test_benchmark_worlds_are_of_the_evaluation_pool():
    worlds = benchmark_worlds()
    assert len(worlds) >= 8
    assert {spec.pool for spec in worlds.values()} == {"eval"}
    assert len(set(map(str, worlds.values()))) == len(worlds)
    assert all(name == name.lower() and "_" not in name for name in worlds)


def test_pairs_are_drawn_evenly_over_overlap():
    rng = np.random.default_rng(0)
    share = np.concatenate([rng.uniform(0.05, 0.2, 500), rng.uniform(0.2, 1.0, 100)])
    table = pd.DataFrame({"frame0": range(600), "frame1": range(600), "overlap": share})
    drawn = evenly(table, 50, rng)
    counts = np.histogram(drawn["overlap"], 10, (0, 1))[0]
    assert len(drawn) == 50
    assert counts.min() >= 4
    assert drawn["frame0"].is_monotonic_increasing
    assert len(evenly(table, 10_000, rng)) == 600


def test_a_benchmark_sequence_has_posed_pairs():
    spec = benchmark_worlds()["indoor"].model_copy(update={"width": 96, "height": 64})
    sequence = sample_benchmark(spec, 12, np.random.default_rng(3), frames=8)
    again = sample_benchmark(spec, 12, np.random.default_rng(3), frames=8)
    assert len(sequence.views) == 8
    assert 0 < len(sequence.pairs) <= 12
    assert sequence.pairs.equals(again.pairs)
    assert all((a.image == b.image).all() for a, b in zip(sequence.views, again.views, strict=True))
