"""A media file over http(s): resumed where it broke off, retried, limited in rate and size."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from gim_data.errors import BadInput, GimError
from gim_data.stage import Job, Progress, Silent
from gim_data.video.config import AcquireConfig
from gim_data.video.fetched import GONE, TRY_AGAIN, Fetched, check_licence, gone, recipe_of, split_pin
from gim_data.video.sources import VideoSource

_CHUNK = 1 << 18
_REACH = "check the address and the network; the next run resumes where this one stopped"


class _BrokenOffError(Exception):
    """Worth another try."""


class _NothingLeftError(Exception):
    """The server has no byte behind those that are here; ``length`` is what it has, -1 where it does not say."""

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length


def choices(config: AcquireConfig) -> dict[str, Any]:
    """The parameters that decide the bytes: none."""
    return {}


def fetch_http(source: VideoSource, job: Job) -> Fetched:
    """Fetcher of direct media URLs."""
    check_licence(source, "", job.params["acquire"])
    url = split_pin(source.spec)[0]
    target = job.scratch / f"http{Path(urlsplit(url).path).suffix.lower()}"
    download(url, target, job.params["acquire"], progress=job.progress)
    return Fetched(target, recipe=recipe_of(source))


def download(url: str, target: Path, config: AcquireConfig, *, progress: Progress | None = None) -> None:
    """Fetch a URL into a file, which appears only when it is whole.

    Args:
        url: http or https.
        target: the file; ``<target>.part`` beside it is what a broken attempt leaves and the next one continues.
        config: retries, timeout, rate and size limits.
        progress: counts megabytes.

    Raises:
        GimError: the server refuses, or every try broke off.
        BadInput: the file is larger than allowed, or the server no longer has it.
    """
    if target.exists():
        return
    partial = _Partial(target)
    for attempt in range(config.retries + 1):
        try:
            _complete(url, partial, config, progress or Silent())
            partial.finish()
            return
        except (_BrokenOffError, OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            if attempt < config.retries:
                time.sleep(config.pause_seconds * 2**attempt)
    raise GimError(f"{url} could not be fetched in {config.retries + 1} tries: {reason}", _REACH)


@dataclass(frozen=True)
class _Partial:
    """The part of a download that is here, and the mark of the version it belongs to."""

    target: Path

    @property
    def path(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def _mark(self) -> Path:
        return self.target.with_name(self.target.name + ".version")

    def version(self) -> str:
        """ETag or date of the version that the part belongs to; "" where nothing can be continued."""
        return self._mark.read_text() if self._mark.exists() and self.size() else ""

    def size(self) -> int:
        """Bytes that are here."""
        return self.path.stat().st_size if self.path.exists() else 0

    def begin(self, version: str) -> None:
        """Forget what is here, and start a version."""
        self.path.write_bytes(b"")
        self._mark.write_text(version)

    def forget(self) -> None:
        """Drop what is here."""
        self.path.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)

    def finish(self) -> None:
        """Name the whole file."""
        self.path.rename(self.target)
        self._mark.unlink(missing_ok=True)


def _complete(url: str, partial: _Partial, config: AcquireConfig, progress: Progress) -> None:
    """One request; a part that is whole already (killed between its last byte and its name) needs no more bytes.

    Raises:
        _BrokenOffError: it ended early.
    """
    try:
        _attempt(url, partial, config, progress)
    except _NothingLeftError as end:
        if partial.size() != end.length:
            partial.forget()
            _attempt(url, partial, config, progress)


def _attempt(url: str, partial: _Partial, config: AcquireConfig, progress: Progress) -> None:
    """One request, continuing what is here if the server still has that version.

    Raises:
        _BrokenOffError: it ended early.
        _NothingLeftError: the server has no more than what is here.
    """
    version = partial.version()
    have = partial.size() if version else 0
    with _open(url, have, version, config) as response:
        resumed = response.status == 206 and _range_start(response) == have
        if not resumed:
            have = 0
            partial.begin(_version(response))
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        _check_size(url, total, config)
        progress.start(f"download {url.rsplit('/', 1)[-1]}", total / 1e6 if total else None)
        progress.advance(have / 1e6)
        _receive(url, response, partial, config, progress)
    if total is not None and partial.size() != total:
        raise _BrokenOffError(f"the connection ended at {partial.size()} of {total} bytes")


def _receive(url: str, response: Any, partial: _Partial, config: AcquireConfig, progress: Progress) -> None:
    """Append the body, no faster than allowed."""
    began, received = time.monotonic(), 0
    with partial.path.open("ab") as stream:
        while chunk := response.read(_CHUNK):
            stream.write(chunk)
            received += len(chunk)
            progress.advance(len(chunk) / 1e6)
            _check_size(url, stream.tell(), config)
            if config.rate_limit_megabytes:
                ahead = received / (config.rate_limit_megabytes * 1e6) - (time.monotonic() - began)
                time.sleep(max(0.0, ahead))


@contextmanager
def _open(url: str, have: int, version: str, config: AcquireConfig) -> Iterator[Any]:
    """The response to a (range) request.

    Raises:
        BadInput: the server no longer has it.
        GimError: the server says no.
        _BrokenOffError: it may say yes later.
        _NothingLeftError: the range asked for begins behind the end.
    """
    headers = {"User-Agent": "gim", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    request = urllib.request.Request(quote(url, safe="%/:=&?~#+!$,;'@()*[]"), headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=config.timeout_seconds)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            raise _NothingLeftError(_whole_length(error)) from error
        if error.code in TRY_AGAIN:
            raise _BrokenOffError(f"HTTP {error.code} {error.reason}") from error
        if error.code in GONE:
            raise gone(url, f"HTTP {error.code} {error.reason}") from error
        raise GimError(f"{url} answers HTTP {error.code} {error.reason}", _REACH) from error
    with response:
        if response.headers.get_content_maintype() == "text":
            raise GimError(f"{url} answers with a page, not with a video", "give the address of the file itself")
        yield response


def _version(response: Any) -> str:
    """What If-Range takes: a strong ETag, else the date; "" means that a broken download starts anew."""
    tag = response.headers.get("ETag", "")
    return str(tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", ""))


def _range_start(response: Any) -> int:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _whole_length(response: Any) -> int:
    """What ``Content-Range: bytes */N`` says of a range that cannot be had."""
    found = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", "").strip())
    return int(found[1]) if found else -1


def _check_size(url: str, size: int | None, config: AcquireConfig) -> None:
    if size is not None and size > config.max_gigabytes * 1e9:
        raise BadInput(f"{url} is larger than {config.max_gigabytes} GB", "raise acquire.max_gigabytes")
