"""Where pairs come from: balance, determinism, hold-out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from planted_pairs import SIZE, Planted, texture

from gim_data.types import PairLabel
from gim_models.training.prefetch import ahead
from gim_models.training.sources import Balanced, VideoSource, WarpSource, hold_out, spread
from gim_models.training.stream import BatchStream


def test_videos_count_by_the_fourth_root_and_overlap_evenly():
    """One video of 1600 pairs and one of 100: 2 to 1, not 16 to 1; rare overlaps as often as common ones."""
    overlap = np.r_[np.full(1590, 0.95), np.full(10, 0.15), np.full(100, 0.5)]
    rows = pd.DataFrame({"video": ["a"] * 1600 + ["b"] * 100, "row": np.arange(1700), "overlap": overlap})
    rng = np.random.default_rng(0)
    sampler = Balanced(rows)
    drawn = rows.iloc[[sampler.draw(rng) for _ in range(4000)]]
    of_a = drawn[drawn["video"] == "a"]
    assert len(of_a) / 4000 == pytest.approx(2 / 3, abs=0.03)
    assert (of_a["overlap"] < 0.5).mean() == pytest.approx(0.5, abs=0.04)


class OnePair:
    """A labelled pair of a wide image."""

    def __init__(self, points):
        self.points = np.float32(points)

    def label(self, row):
        n = len(self.points)
        votes = np.ones(n, np.uint8)
        return PairLabel(0, 1, self.points, self.points, np.ones(n, np.float32), votes, votes, 0.5)

    def images(self, row):
        return texture(0), texture(1)


def test_labels_stay_on_the_canvas_or_the_image_is_laid_down_whole():
    """All labels in one corner: a crop that loses them is given up for the whole image."""
    corner = np.random.default_rng(0).uniform([140, 110], [159, 127], (40, 2))
    rows = pd.DataFrame({"video": ["v"], "row": [0], "overlap": [0.5]})
    source = VideoSource(OnePair(corner), rows, SIZE, (3.0, 3.0))
    for seed in range(10):
        assert len(source.draw(np.random.default_rng(seed)).points0) >= 16


def test_a_frame_onto_itself_is_known_everywhere():
    drawn = WarpSource(Planted()).draw(np.random.default_rng(0))
    assert np.array_equal(drawn.image0, drawn.image1)
    assert drawn.geometry is not None
    assert (drawn.geometry.depth0 == 1).all()


def test_a_batch_depends_on_its_number_alone_and_threads_keep_the_order():
    stream = BatchStream([Planted(4), Planted(50)], [1, 1], batch=2, seed=5)
    names = [stream.make(n).identifiers for n in range(6)]
    for workers in (0, 1, 3):
        batches = ahead(BatchStream(stream.sources, stream.weights, 2, 5, start=2), workers)
        assert [next(batches).identifiers for _ in range(4)] == names[2:]
        batches.close()


def test_sources_take_turns_in_proportion():
    class Named(Planted):
        def draw(self, rng):
            sample = self.pair(0)
            return type(sample)(**{**vars(sample), "identifier": str(self.count)})

    stream = BatchStream([Named(1), Named(2), Named(3)], [2, 1, 1], batch=4, seed=0)
    seen = pd.Series([name for n in range(50) for name in stream.make(n).identifiers]).value_counts()
    assert seen["1"] == pytest.approx(100, abs=3)
    assert seen["2"] == pytest.approx(50, abs=3)


def test_no_frame_is_trained_on_and_validated_on():
    pairs = pd.DataFrame([(w, i, j) for w in "ab" for i in range(24) for j in range(i + 1, 24)])
    pairs.columns = ["world", "frame0", "frame1"]
    kept, held = hold_out(pairs)
    assert len(held) > 10
    assert set(held["world"]) == {"a", "b"}
    assert max(kept["frame1"]) < min(held["frame0"])


def test_spread_takes_rows_from_end_to_end():
    table = pd.DataFrame({"n": range(100)})
    assert spread(table, 3)["n"].tolist() == [0, 50, 99] or spread(table, 3)["n"].tolist() == [0, 49, 99]
    assert len(spread(table.head(2), 10)) == 2
