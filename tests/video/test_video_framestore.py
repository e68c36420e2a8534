"""The frame store gives back what was put in, and the sampler picks the nearest frames."""

from __future__ import annotations

import pickle
from itertools import pairwise

import clips
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gim_data.errors import GimError
from gim_data.files import tree_digest
from gim_data.video.config import FramesConfig
from gim_data.video.decode import DecodedFrame
from gim_data.video.framestore import FrameStore, StoredFrame, write_frames
from gim_data.video.shots import Span
from gim_data.video.stages import sample

TIMES = [0.0, 0.3, 0.7, 5.0, 5.3]
SHOTS = [0, 0, 0, 1, 1]


def fill(folder, size=(97, 63)):
    folder.mkdir(exist_ok=True)
    images = clips.pan(1, 5, size=size, grain=12)
    frames = [StoredFrame(*row) for row in zip(TIMES, SHOTS, images, strict=True)]
    write_frames(folder, iter(frames), source_size=(194, 126), quality=95)
    return images


def test_frames_come_back(tmp_path):
    images = fill(tmp_path / "a")
    store = pickle.loads(pickle.dumps(FrameStore.open(tmp_path / "a")))
    assert len(store) == 5
    assert store.times.tolist() == TIMES
    assert store.shots.tolist() == SHOTS
    assert (store.size, store.source_size) == ((97, 63), (194, 126))
    assert store.interval == pytest.approx(0.3)
    for i in range(5):
        assert store.image(i).dtype == np.uint8
        assert np.abs(store.image(i).astype(int) - images[i]).mean() < 4
    assert np.array_equal(store.image(-1), store.image(4))
    with pytest.raises(IndexError):
        store.image(5)


def test_equal_frames_give_equal_bytes(tmp_path):
    fill(tmp_path / "a")
    fill(tmp_path / "b")
    assert tree_digest(tmp_path / "a") == tree_digest(tmp_path / "b")


def test_no_frame_is_a_store_too(tmp_path):
    assert write_frames(tmp_path, iter([]), source_size=(1, 1)) == 0
    assert len(FrameStore.open(tmp_path)) == 0


def test_damage_is_told(tmp_path):
    fill(tmp_path / "a")
    path = tmp_path / "a" / "frames.bin"
    data = path.read_bytes()
    path.write_bytes(data[:-10])
    with pytest.raises(GimError, match="does not fit"):
        FrameStore.open(tmp_path / "a")
    path.write_bytes(b"\0" * len(data))
    with pytest.raises(GimError, match="frame 0"):
        FrameStore.open(tmp_path / "a").image(0)
    with pytest.raises(GimError, match="no frame store"):
        FrameStore.open(tmp_path / "nowhere")


def test_frames_of_other_sizes_or_out_of_order_are_refused(tmp_path):
    small, large = clips.pan(1, 1)[0], clips.pan(1, 1, size=(200, 100))[0]
    with pytest.raises(ValueError, match="200x100"):
        write_frames(tmp_path, iter([StoredFrame(0, 0, small), StoredFrame(1, 0, large)]), source_size=(1, 1))
    with pytest.raises(ValueError, match="after"):
        write_frames(tmp_path, iter([StoredFrame(1, 0, small), StoredFrame(1, 0, small)]), source_size=(1, 1))


class Blank(DecodedFrame):
    """A frame of nothing, which costs nothing."""

    def image_of(self, size, *, order="rgb24"):
        return np.zeros((2, 2, 3), np.uint8)


def sampled(times, spans, interval, period):
    frames = (Blank(t, (2, 2), 0, None) for t in times)
    return list(sample(frames, spans, FramesConfig(interval=interval), period))


def test_samples_are_the_nearest_frames_and_stay_in_their_span():
    times = np.arange(250) / 25
    picked = sampled(times, [Span(1.0, 3.0, True), Span(5.02, 7.0, True)], 1 / 3, 1 / 25)
    first = [f.time for f in picked if f.shot == 0]
    assert first == pytest.approx([1.0, 1.32, 1.68, 2.0, 2.32, 2.68, 3.0])
    assert min(f.time for f in picked if f.shot == 1) >= 5.02
    assert max(f.time for f in picked) <= 7.0


@settings(deadline=None)
@given(
    st.lists(st.floats(0.01, 0.4), min_size=5, max_size=80),
    st.floats(0.05, 1.0),
)
def test_samples_are_never_closer_than_a_frame_short_of_the_interval(steps, interval):
    times = np.cumsum(steps)
    period = float(np.median(steps))
    picked = [f.time for f in sampled(times, [Span(times[0], times[-1], True)], interval, period)]
    assert picked[0] == times[0]
    assert all(b - a >= interval - period - 1e-9 for a, b in pairwise(picked))
    gaps = np.diff(times).max(initial=0)
    assert all(b - a <= interval + gaps + period for a, b in pairwise(picked))
