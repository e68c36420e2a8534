"""Times, orientation and damage: what a decoder must not get wrong silently."""

from __future__ import annotations

import clips
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gim_data.errors import BadInput
from gim_data.video.decode import Damage, _Clock, fit, read_frames
from gim_data.video.probe import probe

VARIABLE = [0.0, 0.04, 0.08, 0.2, 0.24, 0.5, 0.54, 0.6, 1.0, 1.3]


def code(image):
    """The index that ``clips.coded`` painted into the left half."""
    return round((float(image[4:-4, 4 : image.shape[1] // 2 - 4].mean()) - 40) / 4)


def test_frames_come_in_order_at_their_true_times_whatever_the_rate(tmp_path):
    path = clips.write(tmp_path / "vfr.mp4", clips.coded(10), VARIABLE)
    frames = list(read_frames(path))
    assert [f.time for f in frames] == pytest.approx(VARIABLE, abs=1e-3)
    assert [code(f.image()) for f in frames] == list(range(10))
    info = probe(path)
    assert info.variable_rate
    assert "variable frame rate" in info.notes


def test_a_steady_clip_is_measured(tmp_path):
    info = probe(clips.write(tmp_path / "a.mp4", clips.coded(30), fps=30000 / 1001))
    assert (info.width, info.height, info.frames, info.codec) == (*clips.SIZE, 30, "h264")
    assert info.fps == pytest.approx(30000 / 1001, rel=1e-3)
    assert info.duration == pytest.approx(30 * 1001 / 30000, rel=1e-3)
    assert info.notes == ()


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_a_turned_clip_comes_out_upright(tmp_path, rotation):
    upright = clips.pan(1, 6, size=(80, 48))
    stored = [np.ascontiguousarray(np.rot90(f, -rotation // 90)) for f in upright]
    path = clips.write(tmp_path / "turned.mp4", stored, rotation=rotation)
    frame = next(read_frames(path))
    assert frame.rotation == rotation % 360
    assert frame.size == (80, 48)
    assert np.abs(frame.image().astype(int) - upright[0]).mean() < 6
    assert frame.image(40).shape == (24, 40, 3)
    assert (probe(path).width, probe(path).height) == (80, 48)


@pytest.mark.parametrize("size", [(97, 63), (98, 63), (33, 31)])
def test_odd_sizes_are_kept(tmp_path, size):
    path = clips.write(tmp_path / "odd.mp4", clips.pan(1, 4, size=size))
    frame = next(read_frames(path))
    assert frame.image().shape == (size[1], size[0], 3)
    assert frame.image(20).shape[1] == 20


def test_raw_motion_jpeg_is_timed_by_its_rate(tmp_path):
    path = clips.write(tmp_path / "raw.mjpeg", clips.coded(12), codec="mjpeg")
    times = [f.time for f in read_frames(path)]
    assert times == pytest.approx(np.arange(12) / 25)
    assert probe(path).frames == 12


def test_a_truncated_clip_gives_what_is_left_with_a_note(tmp_path):
    path = clips.write(tmp_path / "cut.mkv", clips.pan(3, 100))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 20 < len(list(read_frames(path))) < 80
    assert any("truncated" in note for note in probe(path).notes)


def test_corrupt_bytes_in_the_middle_cost_some_frames_only(tmp_path):
    path = clips.write(tmp_path / "bad.mkv", clips.pan(3, 100))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).integers(0, 256, 3000, dtype=np.uint8).tobytes()
    path.write_bytes(data)
    damage = Damage()
    times = [f.time for f in read_frames(path, damage=damage)]
    assert len(times) >= 50
    assert np.all(np.diff(times) > 0)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("empty.mp4", b"", "cannot be opened"), ("page.mp4", b"<html>no</html>" * 99, "cannot be opened")],
)
def test_what_is_no_video_says_so_with_its_name(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=says) as caught:
        probe(tmp_path / name)
    assert name in caught.value.problem
    assert caught.value.remedy


def test_truncated_before_its_index_cannot_be_opened(tmp_path):
    path = clips.write(tmp_path / "half.mp4", clips.pan(3, 50))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadInput, match=r"half\.mp4"):
        probe(path)


def test_sound_alone_is_no_video(tmp_path):
    with pytest.raises(BadInput, match="no video stream"):
        probe(clips.write_audio(tmp_path / "sound.m4a"))


def test_a_single_frame_teaches_nothing(tmp_path):
    with pytest.raises(BadInput, match="single frame"):
        probe(clips.write(tmp_path / "one.mp4", clips.coded(1)))


@settings(deadline=None)
@given(st.lists(st.none() | st.floats(-1e4, 1e4), min_size=1, max_size=40))
def test_the_clock_never_goes_back(times):
    clock = _Clock(25.0)
    ticks = [clock.tick(time) for time in times]
    assert np.all(np.diff(ticks) > 0)


@settings(deadline=None)
@given(st.tuples(st.integers(1, 9000), st.integers(1, 9000)), st.integers(1, 4000))
def test_fit_never_enlarges_and_keeps_the_shape(size, side):
    width, height = fit(size, side)
    assert max(width, height) <= max(side, 1)
    assert width <= size[0]
    assert height <= size[1]
    if min(width, height) > 1:
        assert width / height == pytest.approx(size[0] / size[1], rel=1 / min(width, height))
