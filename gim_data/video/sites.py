"""Any site that yt-dlp knows, through it as a library: one stream, no post-processor, no option from outside."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import Any

from gim_data.errors import BadInput, GimError
from gim_data.stage import Job
from gim_data.video.config import AcquireConfig
from gim_data.video.fetched import GONE, TRY_AGAIN, Fetched, check_licence, gone, recipe_of, split_pin
from gim_data.video.sources import YOUTUBE_ID, VideoSource

log = logging.getLogger(__name__)
_REACH = "check that the video is public and the network is up, update yt-dlp; the next run resumes"
_GONE = re.compile(
    r"\bvideo (is |was |has been )?(unavailable|private|removed|deleted|not available|no longer available)"
    r"|\bprivate video\b|\bhas been removed\b|\bdoes not exist\b|\baccount .*\bterminated\b",
    re.IGNORECASE,
)
_FOR_NOW = re.compile(r"try again|temporar|rate.?limit", re.IGNORECASE)


def choices(config: AcquireConfig) -> dict[str, Any]:
    """The parameters that decide the bytes."""
    return {"max_height": config.max_height}


def fetch_site(source: VideoSource, job: Job) -> Fetched:
    """Fetcher of YouTube ids and of pages of video sites.

    Raises:
        BadInput: a playlist, a live stream, a licence that is not accepted, or a video that is gone or private.
        GimError: it cannot be reached now.
    """
    from yt_dlp import YoutubeDL
    from yt_dlp import globals as yt_dlp_globals
    from yt_dlp.utils import YoutubeDLError

    config: AcquireConfig = job.params["acquire"]
    url = split_pin(source.spec)[0]
    yt_dlp_globals.plugin_dirs.value = []  # plug-ins would be code and options from outside
    try:
        with YoutubeDL(options(job.scratch, config, _Hook(job))) as site:
            info = _one_video(_ask(site, _address(url), config), source)
            check_licence(source, _licence(info), config)
            info = site.process_ie_result(info, download=True)
    except YoutubeDLError as error:
        if is_gone(error):
            raise gone(source.spec, str(error)) from error
        raise GimError(f"{source.spec} could not be fetched: {error}", _REACH) from error
    path = Path(next((d.get("filepath", "") for d in info.get("requested_downloads") or ()), ""))
    if not path.is_file():
        raise BadInput(f"{source.spec} is larger than {config.max_gigabytes} GB", "raise acquire.max_gigabytes")
    return Fetched(path, str(info.get("title") or ""), _licence(info), (), recipe_of(source, **choices(config)))


def options(folder: Path, config: AcquireConfig, hook: Any = None) -> dict[str, Any]:
    """yt-dlp's options: one video-only stream up to the largest height, mp4 preferred, resumed and retried.

    Args:
        folder: where files go, partial ones too.
        config: heights, limits and retries.
        hook: called with yt-dlp's progress reports.
    """
    limit = f"[height<=?{config.max_height}]"
    return {
        "format": "/".join(f"{kind}{limit}{ext}" for kind in ("bv", "b") for ext in ("[ext=mp4]", "")) + "/wv/w",
        "format_sort": ["res", "fps", "vcodec:h264"],
        "paths": {"home": str(folder)},
        "outtmpl": {"default": "site.%(ext)s"},
        "restrictfilenames": True,
        "noplaylist": True,
        "playlist_items": "1:2",
        "continuedl": True,
        "retries": config.retries,
        "fragment_retries": config.retries,
        "extractor_retries": config.retries,
        "skip_unavailable_fragments": False,
        "socket_timeout": config.timeout_seconds,
        "ratelimit": config.rate_limit_megabytes * 1e6 or None,
        "max_filesize": int(config.max_gigabytes * 1e9),
        "postprocessors": [],
        "fixup": "never",
        "updatetime": False,
        "cachedir": False,
        "quiet": True,
        "noprogress": True,
        "logger": _Quiet(),
        "progress_hooks": [hook] if hook else [],
    }


def _ask(site: Any, address: str, config: AcquireConfig) -> dict[str, Any] | None:
    """What is behind an address; a page that fails for now is asked again, as few of yt-dlp's extractors do."""
    from yt_dlp.utils import YoutubeDLError

    for attempt in range(config.retries):
        try:
            return _extract(site, address)
        except YoutubeDLError as error:
            if not is_passing(error):
                raise
            time.sleep(config.pause_seconds * 2**attempt)
    return _extract(site, address)


def _extract(site: Any, address: str) -> dict[str, Any] | None:
    info: dict[str, Any] | None = site.extract_info(address, download=False)
    return info


def is_passing(error: Exception) -> bool:
    """Whether a failure of yt-dlp is worth another try: a busy server, a connection that broke."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError

    cause = _cause(error)
    return cause.status in TRY_AGAIN if isinstance(cause, HTTPError) else isinstance(cause, TransportError)


def is_gone(error: Exception) -> bool:
    """Whether a failure of yt-dlp will stay: the server's answer says so, else the words of the site."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError

    cause = _cause(error)
    if isinstance(cause, HTTPError):
        return cause.status in GONE
    said = str(getattr(cause, "orig_msg", error))
    return not isinstance(cause, TransportError) and bool(_GONE.search(said)) and not _FOR_NOW.search(said)


def _cause(error: Exception) -> Any:
    """What yt-dlp's error wraps: the answer of a server, a broken connection, or an extractor's own words."""
    return (getattr(error, "exc_info", None) or (None, error))[1] or error


class _Quiet:
    """yt-dlp's chatter, for those who debug."""

    def debug(self, message: str) -> None:
        log.debug("%s", message)

    info = warning = error = debug


class _Hook:
    """yt-dlp's reports as progress in megabytes."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._seen = -1.0

    def __call__(self, report: dict[str, Any]) -> None:
        """Move the bar to what yt-dlp reports."""
        total = report.get("total_bytes") or report.get("total_bytes_estimate")
        if self._seen < 0:
            self._job.progress.start(f"download {self._job.unit}", total / 1e6 if total else None)
            self._seen = 0.0
        done = float(report.get("downloaded_bytes") or 0) / 1e6
        self._job.progress.advance(max(0.0, done - self._seen))
        self._seen = max(self._seen, done)


def _address(spec: str) -> str:
    return f"https://www.youtube.com/watch?v={spec}" if YOUTUBE_ID.fullmatch(spec) else spec


def _licence(info: dict[str, Any]) -> str:
    return str(info.get("license") or "")


def _one_video(info: dict[str, Any] | None, source: VideoSource) -> dict[str, Any]:
    """The only video behind an address."""
    entries = [info] if info and "entries" not in info else list((info or {}).get("entries") or [])
    if len(entries) != 1 or not entries[0]:
        raise BadInput(f"{source.spec} is not one video but {len(entries)}", "list the addresses of its videos instead")
    video: dict[str, Any] = entries[0]
    if video.get("is_live"):
        raise BadInput(f"{source.spec} is a live stream", "wait for its recording")
    return video
