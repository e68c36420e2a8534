"""Downloads, against a real server on this machine: resumed, retried, limited, and never half a file."""

from __future__ import annotations

import hashlib
from functools import partial

import clips
import numpy as np
import pytest
from media_server import Site, serving
from video_unit import FAST, make_videos

from gim_data.errors import BadInput, GimError
from gim_data.video.config import AcquireConfig
from gim_data.video.download import download
from gim_data.video.sites import options

DATA = np.random.default_rng(0).integers(0, 256, 1_500_000, dtype=np.uint8).tobytes()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def site():
    with serving(Site({"/a.mp4": ("video/mp4", DATA), "/login.mp4": ("text/html", b"<html>")})) as site:
        yield site


def test_a_cut_connection_is_continued_where_it_broke(site, tmp_path):
    site.break_after = [400_000, 300_000]
    download(f"{site.url}/a.mp4", tmp_path / "a.mp4", FAST)
    assert (tmp_path / "a.mp4").read_bytes() == DATA
    assert site.asked == [("/a.mp4", None), ("/a.mp4", "bytes=400000-"), ("/a.mp4", "bytes=700000-")]
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_a_killed_download_is_continued_by_the_next_run(site, tmp_path):
    site.break_after = [500_000]
    with pytest.raises(GimError, match=r"500000 of 1500000 bytes") as caught:
        download(f"{site.url}/a.mp4", tmp_path / "a.mp4", FAST.model_copy(update={"retries": 0}))
    assert not isinstance(caught.value, BadInput)
    assert not (tmp_path / "a.mp4").exists()
    download(f"{site.url}/a.mp4", tmp_path / "a.mp4", FAST)
    assert site.asked[-1] == ("/a.mp4", "bytes=500000-")
    assert (tmp_path / "a.mp4").read_bytes() == DATA


@pytest.mark.parametrize("etag", ['"v2"', ""])
def test_a_part_of_another_version_is_not_continued(site, tmp_path, etag):
    site.break_after = [500_000]
    with pytest.raises(GimError):
        download(f"{site.url}/a.mp4", tmp_path / "a.mp4", FAST.model_copy(update={"retries": 0}))
    site.etag, site.files["/a.mp4"] = etag, ("video/mp4", DATA[::-1])
    download(f"{site.url}/a.mp4", tmp_path / "a.mp4", FAST)
    assert (tmp_path / "a.mp4").read_bytes() == DATA[::-1]


@pytest.mark.parametrize(("left", "asked"), [(DATA, ["bytes=1500000-"]), (DATA + b"more", ["bytes=1500004-", None])])
def test_a_part_killed_behind_its_last_byte_is_taken_as_it_is_and_a_longer_one_starts_over(site, tmp_path, left, asked):
    (tmp_path / "a.mp4.part").write_bytes(left)
    (tmp_path / "a.mp4.version").write_text(site.etag)
    download(f"{site.url}/a.mp4", tmp_path / "a.mp4", FAST.model_copy(update={"retries": 0}))
    assert (tmp_path / "a.mp4").read_bytes() == DATA
    assert [span for _, span in site.asked] == asked
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_a_part_that_is_already_whole_is_not_fetched_again(site, tmp_path):
    download(f"{site.url}/a.mp4", tmp_path / "a.mp4", FAST)
    download(f"{site.url}/a.mp4", tmp_path / "a.mp4", FAST)
    assert len(site.asked) == 1


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(site, tmp_path):
    site.statuses = [503, 429]
    download(f"{site.url}/a.mp4", tmp_path / "a.mp4", FAST)
    assert len(site.asked) == 3
    with pytest.raises(BadInput, match=r"/nix\.mp4 is not to be had: HTTP 404"):
        download(f"{site.url}/nix.mp4", tmp_path / "b.mp4", FAST)
    assert len(site.asked) == 4


def test_nobody_listens(tmp_path):
    with pytest.raises(GimError, match="could not be fetched in 2 tries") as caught:
        download("http://127.0.0.1:9/a.mp4", tmp_path / "a.mp4", FAST.model_copy(update={"retries": 1}))
    assert not isinstance(caught.value, BadInput), "the network may come back: the next run tries again"


@pytest.mark.parametrize(("status", "outcome"), [(404, "skipped"), (410, "skipped"), (403, "failed"), (503, "failed")])
def test_a_dead_address_is_a_recorded_skip_and_what_may_pass_is_tried_at_the_next_run(site, workshop, status, outcome):
    site.statuses = [status]
    [first] = workshop(f"{site.url}/gone.mp4", retries=0)
    assert (first.status, str(status) in first.reason, "\n  -> " in first.reason) == (outcome, True, True)
    workshop(f"{site.url}/gone.mp4", retries=0)
    assert len(site.asked) == (1 if outcome == "skipped" else 2)


def test_a_page_is_no_video(site, tmp_path):
    with pytest.raises(GimError, match="a page, not"):
        download(f"{site.url}/login.mp4", tmp_path / "a.mp4", FAST)


def test_too_large_is_refused_before_it_fills_the_disk(site, tmp_path):
    with pytest.raises(BadInput, match="larger than"):
        download(f"{site.url}/a.mp4", tmp_path / "a.mp4", FAST.model_copy(update={"max_gigabytes": 0.001}))
    assert len(list(tmp_path.glob("*.mp4"))) == 0


def test_the_rate_is_limited(site, tmp_path):
    import time

    began = time.monotonic()
    download(f"{site.url}/a.mp4", tmp_path / "a.mp4", FAST.model_copy(update={"rate_limit_megabytes": 3.0}))
    assert time.monotonic() - began >= 0.45


def test_yt_dlp_is_given_no_post_processor_and_nothing_taller_than_asked(tmp_path):
    given = options(tmp_path, AcquireConfig(max_height=720))
    assert given["postprocessors"] == []
    assert given["cachedir"] is False
    assert "[height<=?720]" in given["format"]
    assert not {"exec_cmd", "external_downloader", "cookiefile", "cookiesfrombrowser", "usenetrc"} & set(given)


def clip_bytes(tmp_path):
    return clips.write(tmp_path / "served.mp4", clips.pan(1, 30)).read_bytes()


@pytest.fixture
def workshop(tmp_path):
    return partial(make_videos, tmp_path)


def test_a_pinned_download_must_be_the_pinned_bytes(site, workshop, tmp_path):
    data = clip_bytes(tmp_path)
    site.files["/clip.mp4"] = ("video/mp4", data)
    good = f"{site.url}/clip.mp4#sha256={hashlib.sha256(data).hexdigest()}"
    bad = f"{site.url}/clip.mp4#sha256={'0' * 64}"
    first, second = workshop(good, bad)
    assert first.status == "made"
    assert second.status == "failed"
    assert hashlib.sha256(data).hexdigest() in second.reason


def test_parameters_that_decide_no_bytes_fetch_nothing_anew(site, workshop, tmp_path):
    site.files["/clip.mp4"] = ("video/mp4", clip_bytes(tmp_path))
    assert workshop(f"{site.url}/clip.mp4")[0].status == "made"
    assert workshop(f"{site.url}/clip.mp4", retries=1, rate_limit_megabytes=5.0)[0].status == "found"
    assert workshop(f"{site.url}/clip.mp4", max_height=480)[0].status == "made"
    assert len(site.asked) == 1, "made anew from the bytes that were here"


def test_a_run_that_broke_off_is_continued_by_the_next(site, workshop, tmp_path):
    data = clip_bytes(tmp_path)
    site.files["/clip.mp4"] = ("video/mp4", data)
    site.break_after = [1000]
    assert workshop(f"{site.url}/clip.mp4", retries=0)[0].status == "failed"
    assert workshop(f"{site.url}/clip.mp4", retries=0)[0].status == "made"
    assert site.asked[-1] == ("/clip.mp4", "bytes=1000-")


def test_an_unknown_licence_is_skipped_where_licences_are_asked_for(site, workshop, tmp_path):
    site.files["/clip.mp4"] = ("video/mp4", clip_bytes(tmp_path))
    outcome = workshop(f"{site.url}/clip.mp4", licences=("Creative Commons",))[0]
    assert outcome.status == "skipped"
    assert "licence" in outcome.reason
    assert site.asked == []


@pytest.mark.slow
def test_yt_dlp_finds_the_video_on_a_page_and_resumes_it(site, workshop, tmp_path):
    data = clip_bytes(tmp_path)
    site.files["/media"] = ("video/mp4", data)
    page = b"<html><head><title>A walk</title></head><body><video src='/media'></video></body></html>"
    site.files["/watch"] = ("text/html", page)
    site.break_after = [1 << 30, 2000]
    outcome = workshop(f"{site.url}/watch")[0]
    assert outcome.status == "made", outcome.reason
    summary = outcome.entry.summary
    assert summary["kind"] == "site"
    assert summary["title"].startswith("A walk")
    assert summary["bytes"] == len(data)
    assert site.asked[-1][1].startswith("bytes="), "the second request continued the first"
