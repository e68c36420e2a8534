"""What a corpus costs: counted as the stages count, scaled as they grow, tried out on the stages themselves."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gim_data.labels.config import LabelsConfig, ZoomConfig
from gim_data.labels.pairs import skip_pairs
from gim_data.stage import Silent
from gim_data.video.config import CorpusConfig, FramesConfig, ShotsConfig
from orchestration.cli import app
from orchestration.plan import Cost, Extent, extent_of, lengths_of, scaled, trimmed

PARAMS = {
    "corpus": CorpusConfig(),
    "shots": ShotsConfig(),
    "frames": FramesConfig(),
    "labels": LabelsConfig(teachers=("rootsift",)),
}


@settings(max_examples=40, deadline=None)
@given(st.floats(1, 200), st.sampled_from([0.2, 1 / 3, 0.5]))
@example(26.2, 0.2)
def test_frames_and_pairs_are_those_that_labelling_will_make(seconds, interval):
    params = {**PARAMS, "frames": FramesConfig(interval=interval)}
    extent = extent_of(params, [seconds], 30)
    times = np.arange(extent.frames) * interval
    assert times[-1] <= extent.seconds < times[-1] + interval + 1e-9
    assert extent.seconds == trimmed(seconds, params["shots"])
    groups = skip_pairs(times, np.zeros(len(times), np.int32), PARAMS["labels"].skips)
    assert extent.pairs == sum(map(len, groups))
    assert extent.pictures == seconds * 30


def test_every_teacher_and_pass_counts():
    one = extent_of(PARAMS, [60.0, 30.0], 30)
    both = LabelsConfig(teachers=("rootsift", "xfeat+lighterglue"), zoom=ZoomConfig())
    assert extent_of({**PARAMS, "labels": both}, [60.0, 30.0], 30).pairs == 4 * one.pairs
    assert (one.videos, one.seconds) == (2, 90.0)


def test_head_and_tail_of_a_long_video_do_not_count():
    config = ShotsConfig(trim_seconds=300, trim_spares=60)
    assert trimmed(3600, config) == 3000
    assert trimmed(660, config) == pytest.approx(260)  # a third of the ten minutes behind the first, from each end
    assert trimmed(45, config) == 45


def test_time_and_bytes_grow_each_with_its_own():
    trial, corpus = Extent(1, 4.0, 48.0, 13, 30), Extent(2, 400.0, 12_000.0, 1300, 9000)
    assert scaled(Cost("frames", 0.5, 0.25), trial, corpus) == Cost("frames", 125.0, 25.0)
    assert scaled(Cost("matches", 0.5, 0.25), trial, corpus) == Cost("matches", 150.0, 75.0)


def test_lengths_come_from_what_is_known(tmp_path):
    videos = ("synthetic:street?seconds=7", "https://example.org/video.mp4", "nowhere.mp4")
    params = {**PARAMS, "corpus": CorpusConfig(videos=videos)}
    assert lengths_of(params, tmp_path, Silent()) == [7.0, None, None]


@pytest.mark.slow
def test_the_plan_of_a_small_corpus_is_of_the_right_size(tmp_path):
    """The trial itself, planned as a corpus, must come out as what the trial took."""
    (tmp_path / "params.yaml").write_text(
        "corpus: {videos: ['synthetic:street?seconds=4', 'synthetic:room?seconds=8']}\n"
        "labels: {teachers: [rootsift], skips: [0.5], keypoints: 300}\n"
        "frames: {interval: 0.5}\n"
        "propagation: {min_matches: 16}\n"
    )
    arguments = ["--root", str(tmp_path), "plan", "--size", "160x120", "--json"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    told = json.loads(result.stdout)
    assert (told["videos"], told["unknown"], told["seconds"], told["frames"]) == (2, 0, 12.0, 26)
    assert [cost["stage"] for cost in told["stages"]] == ["shots", "frames", "matches", "tracks"]
    assert all(cost["hours"] > 0 and cost["gigabytes"] > 0 for cost in told["stages"])
    assert not (tmp_path / "data").exists()


def test_a_size_that_is_none_is_refused(tmp_path):
    (tmp_path / "params.yaml").write_text("corpus: {}\n")
    result = CliRunner().invoke(app, ["--root", str(tmp_path), "plan", "--size", "wide"])
    assert result.exit_code == 2
    assert "not a size" in result.output
