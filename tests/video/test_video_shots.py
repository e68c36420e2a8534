"""Spans: what is kept, what is dropped, and that the reason is the true one."""

from __future__ import annotations

import clips
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gim_data.video.config import ShotsConfig
from gim_data.video.measure import Measures, measure
from gim_data.video.shots import find_spans, read_spans, trim_range, write_spans

FPS = 12.5
CONFIG = ShotsConfig()


def spans_of(frames, config=CONFIG, fps=FPS):
    return find_spans(measure(((i / fps, np.ascontiguousarray(f)) for i, f in enumerate(frames)), config), config)


def moving(seed, count):
    return clips.pan(seed, count, step=1, size=(160, 120), grain=12)


def standing(seed, count):
    """A camera that stands still, with sensor noise."""
    rng = np.random.default_rng(seed)
    picture = moving(seed, 1)[0].astype(int)
    return [np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8) for _ in range(count)]


def test_a_cut_splits_at_the_frame_where_it_happens():
    spans = spans_of(moving(1, 40) + moving(2, 45))
    assert [(s.kept, s.start, s.end) for s in spans] == [(True, 0.0, 39 / FPS), (True, 40 / FPS, 84 / FPS)]


def test_a_camera_that_stands_still_is_dropped_with_the_reason_or_kept_on_request():
    frames = moving(1, 40) + standing(2, 60)
    assert [(s.kept, s.reason) for s in spans_of(frames)] == [(True, ""), (False, "static")]
    assert [s.kept for s in spans_of(frames, ShotsConfig(static="keep"))] == [True, True]


def test_a_camera_that_stops_in_mid_shot_is_split_there():
    frames = moving(1, 60)
    spans = spans_of(frames + [frames[-1]] * 60)
    assert [s.reason for s in spans] == ["", "static"]
    assert spans[1].start == pytest.approx(60 / FPS, abs=0.7)


def test_a_slow_pan_is_motion():
    assert all(s.kept for s in spans_of(clips.pan(1, 60, step=0.5, size=(160, 120), grain=12)))


@pytest.mark.parametrize("repeats", [2, 3, 5])
def test_slow_content_in_a_fast_container_is_not_full_of_cuts(repeats):
    frames = [f for f in clips.pan(1, 40, step=2, size=(160, 120)) for _ in range(repeats)]
    assert [s.kept for s in spans_of(frames, fps=FPS * repeats)] == [True]


def test_a_slide_show_is_cut_at_every_picture():
    frames = [f for seed in range(4) for f in moving(seed, 1) * 20]
    assert [s.start for s in spans_of(frames)] == pytest.approx([0, 20 / FPS, 40 / FPS, 60 / FPS])


def test_something_that_passes_a_standing_camera_does_not_make_it_move():
    frames = [f.copy() for f in standing(2, 60)]
    for i, frame in enumerate(frames):
        frame[40:70, 2 * i : 2 * i + 30] = clips.texture(9, (30, 30))[:, : frame[:, 2 * i : 2 * i + 30].shape[1]]
    assert [s.reason for s in spans_of(frames)] == ["static"]


@pytest.mark.parametrize(
    ("paint", "reason"),
    [(lambda f: f * 0, "black"), (lambda f: f // 16 + 8, "too dark"), (lambda f: f // 64 + 252, "overexposed")],
)
def test_badly_exposed_stretches_keep_their_reason(paint, reason):
    bad = [paint(f).astype(np.uint8) for f in moving(3, 30)]
    spans = spans_of(moving(1, 40) + bad + moving(2, 40))
    assert [s.reason for s in spans] == ["", reason, ""]


def test_a_wall_without_texture_is_useless():
    wall = [np.full((120, 160, 3), 120, np.uint8)] * 30
    assert [s.reason for s in spans_of(moving(1, 40) + wall)] == ["", "low texture"]


def test_fades_are_cut_off_on_both_sides():
    frames = moving(1, 100)
    gain = np.concatenate([np.ones(40), np.linspace(1, 0, 10), np.linspace(0, 1, 10), np.ones(40)])
    spans = spans_of([(f * g).astype(np.uint8) for f, g in zip(frames, gain, strict=True)])
    assert [s.reason for s in spans][:2] == ["", "fade"]
    assert [s.reason for s in spans][-2:] == ["fade", ""]
    assert spans[0].end == pytest.approx(40 / FPS, abs=0.1)
    assert spans[-1].start == pytest.approx(60 / FPS, abs=0.1)


def test_what_is_too_short_is_dropped_as_short():
    spans = spans_of(moving(1, 40) + moving(2, 8) + moving(3, 40))
    assert [s.reason for s in spans] == ["", "short", ""]


@pytest.mark.parametrize(("seconds", "cut"), [(0, 0), (30, 0), (60, 0), (120, 20), (960, 300), (3600, 300)])
def test_head_and_tail_lose_a_third_of_what_exceeds_a_minute_and_at_most_what_gim_cuts(seconds, cut):
    assert trim_range(10.0, 10.0 + seconds, CONFIG) == (10.0 + cut, 10.0 + seconds - cut)


@given(st.floats(0, 1e5), st.floats(0, 100), st.floats(0, 1e3), st.floats(0, 1e3))
def test_a_longer_video_never_leaves_less_and_no_second_more_costs_more_than_a_second(length, more, spares, most):
    config = ShotsConfig(trim_spares=spares, trim_seconds=most)
    left = [end - begin for begin, end in (trim_range(0.0, s, config) for s in (length, length + more))]
    assert min(length, spares) - 1e-6 <= left[0] <= length
    assert more / 3 - 1e-6 <= left[1] - left[0] <= more + 1e-6


def test_trimmed_stretches_are_named():
    spans = spans_of(moving(1, 100), ShotsConfig(trim_spares=0, trim_seconds=2))
    assert [(s.kept, s.reason) for s in spans] == [(False, "trimmed"), (True, ""), (False, "trimmed")]
    assert spans[1].seconds == pytest.approx(99 / FPS - 4, abs=0.2)


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.floats(0, 1)] * 4, st.booleans()), min_size=1, max_size=60))
def test_spans_partition_the_frames_whatever_was_measured(rows):
    luma, bright, texture, still, cuts = (np.array(c) for c in zip(*rows, strict=True))
    time = np.arange(len(rows)) / 5
    spans = find_spans(Measures(time, luma * 255, bright, texture, still, cuts.astype(bool)), CONFIG)
    covered = [t for s in spans for t in time if s.start <= t <= s.end]
    assert covered == list(time)
    assert all(s.kept == (s.reason == "") for s in spans)
    assert all(s.seconds >= CONFIG.min_seconds for s in spans if s.kept)


def test_spans_are_read_back(tmp_path):
    spans = spans_of(moving(1, 40) + moving(2, 8))
    write_spans(tmp_path, spans, {"notes": []})
    assert read_spans(tmp_path) == spans


def test_no_frame_no_span():
    assert spans_of([]) == []
