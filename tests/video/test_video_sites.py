"""Videos of sites, by yt-dlp, against a site on this machine that has an extractor as any other site has."""

from __future__ import annotations

import json
import time
from functools import partial

import clips
import numpy as np
import pytest
from media_server import Site, serving
from video_unit import FAST, make_videos

from gim_data.files import read_json, sha256
from gim_data.stage import Job
from gim_data.video.sites import fetch_site
from gim_data.video.sources import VideoSource

HEIGHTS = (2160, 1080, 720)


@pytest.fixture
def site(monkeypatch, tmp_path):
    """A site whose page ``/watch`` says what there is: one clip in three sizes, under CC BY."""
    import yt_dlp.extractor.extractors  # noqa: F401 - fills the list
    from yt_dlp.extractor.common import InfoExtractor
    from yt_dlp.globals import extractors
    from yt_dlp.utils import ExtractorError

    class WalksIE(InfoExtractor):
        _VALID_URL = r"http://127\.0\.0\.1:\d+/watch\?(?P<id>\w+)"

        def _real_extract(self, url):
            page = self._download_json(url, self._match_id(url))
            if "refusal" in page:
                raise ExtractorError(page["refusal"], expected=True)
            return page

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(extractors, "value", {"WalksIE": WalksIE, **extractors.value})
    sizes = {h: clips.write(tmp_path / f"{h}.mp4", clips.pan(h, 12)).read_bytes() for h in HEIGHTS}
    with serving(Site({f"/media{h}": ("video/mp4", data) for h, data in sizes.items()})) as site:
        coded = {"ext": "mp4", "vcodec": "h264", "acodec": "none"}
        formats = [{"url": f"{site.url}/media{h}", "format_id": str(h), "height": h, **coded} for h in HEIGHTS]
        say(site, id="walk", title="A walk", license="CC BY 4.0", formats=formats)
        yield site


@pytest.fixture
def workshop(tmp_path):
    return partial(make_videos, tmp_path)


def say(site, **page):
    site.files["/watch"] = ("application/json", json.dumps(page).encode())


def asked(site):
    return [path.partition("?")[0] for path, _ in site.asked]


def sidecar(root, outcome):
    return read_json(root / "data/videos" / outcome.unit / "sidecar.json")


@pytest.mark.parametrize(("limit", "height"), [({}, 1080), ({"max_height": 720}, 720), ({"max_height": 4320}, 2160)])
def test_the_tallest_stream_within_the_limit_is_taken(site, workshop, tmp_path, limit, height):
    [outcome] = workshop(f"{site.url}/watch?walk", **limit)
    assert outcome.status == "made", outcome.reason
    assert asked(site) == ["/watch", f"/media{height}"]
    assert sidecar(tmp_path, outcome)["sha256"] == sha256(tmp_path / f"{height}.mp4")


def test_a_page_that_is_busy_is_asked_again(site, workshop):
    site.statuses = [503, 429]
    assert workshop(f"{site.url}/watch?walk")[0].status == "made"
    assert asked(site) == ["/watch"] * 3 + ["/media1080"]


@pytest.mark.parametrize(("retries", "tries"), [(0, 1), (2, 3)])
def test_a_page_that_stays_busy_is_an_error_with_a_remedy(site, workshop, retries, tries):
    site.statuses = [503] * 9
    [outcome] = workshop(f"{site.url}/watch?walk", retries=retries)
    assert (outcome.status, len(site.asked)) == ("failed", tries)
    assert "503" in outcome.reason
    assert "the next run resumes" in outcome.reason


def test_no_network_is_an_error_that_the_next_run_tries_again(site, workshop):
    [outcome] = workshop("http://127.0.0.1:9/watch?walk", retries=1)
    assert outcome.status == "failed"
    assert "network" in outcome.reason


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_is_gone_is_a_recorded_skip_and_the_others_are_made(site, workshop, status):
    site.statuses = [status]
    both = (f"{site.url}/watch?gone", f"{site.url}/watch?walk")
    dead, alive = workshop(*both)
    assert (dead.status, alive.status) == ("skipped", "made")
    assert str(status) in dead.reason
    assert "corpus.videos" in dead.entry.remedy
    site.asked.clear()
    assert [o.status for o in workshop(*both)] == ["skipped", "found"]
    assert site.asked == [], "a dead address is asked once"


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        ("Video unavailable", "skipped"),
        ("Private video. Sign in if you've been granted access to this video", "skipped"),
        ("This video has been removed by the uploader", "skipped"),
        ("The video does not exist", "skipped"),
        ("This video is no longer available because the account has been terminated", "skipped"),
        ("Video unavailable. This content isn't available, try again later: the session is rate-limited", "failed"),
        ("Sign in to confirm you're not a bot", "failed"),
    ],
)
def test_what_a_site_says_is_told_and_skipped_only_where_it_is_for_good(site, workshop, refusal, status):
    say(site, refusal=refusal)
    [outcome] = workshop(f"{site.url}/watch?walk")
    assert (outcome.status, refusal in outcome.reason) == (status, True)


def test_the_licence_is_recorded_and_an_other_one_is_refused_before_the_video_is_fetched(site, workshop, tmp_path):
    url = f"{site.url}/watch?walk"
    [refused] = workshop(url, licences=("Public Domain",))
    assert refused.status == "skipped"
    assert "'CC BY 4.0'" in refused.reason
    assert asked(site) == ["/watch"]
    [accepted] = workshop(url, licences=("public domain", "cc by"))
    assert accepted.status == "made"
    assert (sidecar(tmp_path, accepted)["licence"], sidecar(tmp_path, accepted)["title"]) == ("CC BY 4.0", "A walk")


def test_what_was_fetched_once_is_not_fetched_again_until_its_bytes_would_be_others(site, workshop):
    url = f"{site.url}/watch?walk"
    assert workshop(url)[0].status == "made"
    site.asked.clear()
    assert workshop(url)[0].status == workshop(url, retries=0)[0].status == "found"
    assert workshop(url, licences=("CC BY",))[0].status == "made", "anew, from the bytes that are here"
    assert site.asked == []
    assert workshop(url, max_height=720)[0].status == "made"
    assert asked(site) == ["/watch", "/media720"]


def test_the_rate_is_limited_for_sites_too(site, tmp_path):
    data = np.random.default_rng(0).integers(0, 256, 900_000, dtype=np.uint8).tobytes()
    site.files["/media1080"] = ("video/mp4", data)
    source = VideoSource("walk", "site", f"{site.url}/watch?walk")
    params = {"acquire": FAST.model_copy(update={"rate_limit_megabytes": 0.6})}
    began = time.monotonic()
    fetched = fetch_site(source, Job("videos", "walk", tmp_path, tmp_path / "scratch", {}, params, tmp_path, 0, ""))
    assert fetched.path.read_bytes() == data
    assert time.monotonic() - began >= 1.3, "0.9 MB at 0.6 MB/s"
