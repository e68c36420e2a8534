"""Any site that yt-dlp knows, through it as a library: one stream, no post-processor, no option from outside."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from gim_data.errors import BadInput, GimError
from gim_data.stage import Job
from gim_data.video.config import AcquireConfig
from gim_data.video.fetched import Fetched, check_licence, recipe_of, split_pin
from gim_data.video.sources import YOUTUBE_ID, VideoSource

log = logging.getLogger(__name__)
_REACH = "check that the video is public and the network is up, update yt-dlp; the next run resumes"


def choices(config: AcquireConfig) -> dict[str, Any]:
    """The parameters that decide the bytes."""
    return {"max_height": config.max_height}


def fetch_site(source: VideoSource, job: Job) -> Fetched:
    """Fetcher of YouTube ids and of pages of video sites.

    Raises:
        BadInput: a playlist, a live stream, or a licence that is not accepted.
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
            info = _one_video(site.extract_info(_address(url), download=False), source)
            check_licence(source, _licence(info), config)
            info = site.process_ie_result(info, download=True)
    except YoutubeDLError as error:
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
