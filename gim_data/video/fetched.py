"""What every fetcher gives back, and what all of them check."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

from gim_data.errors import BadInput
from gim_data.files import digest_of
from gim_data.video.config import AcquireConfig
from gim_data.video.sources import VideoSource

GONE = frozenset({404, 410})  # HTTP answers that stay, and those worth another try
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_PIN = re.compile(r"sha256=([0-9a-f]{64})", re.IGNORECASE)


@dataclass(frozen=True)
class Fetched:
    """A file that is ours to move.

    Attributes:
        path: in the job's scratch folder.
        title, licence: as the source states them, "" where it does not.
        notes: what people should know about how it came in.
        recipe: digest of the parameters that decided its bytes.
    """

    path: Path
    title: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()
    recipe: str = ""


def gone(what: str, why: str) -> BadInput:
    """The skip of a video that its server no longer has: one dead address of a list holds up no other video."""
    return BadInput(
        f"{what} is not to be had: {why}",
        "correct or remove it in corpus.videos; to ask once more, delete its folder below data/videos",
    )


def check_licence(source: VideoSource, licence: str, config: AcquireConfig) -> None:
    """Refuse a download whose licence is not among the accepted ones; no filter accepts all.

    Raises:
        BadInput: the licence is unknown or other.
    """
    if config.licences and not any(text.lower() in licence.lower() for text in config.licences):
        raise BadInput(
            f"{source.spec}: its licence is {licence or 'unknown'!r}, accepted are {list(config.licences)}",
            "remove the video, or add the licence to acquire.licences",
        )


def split_pin(spec: str) -> tuple[str, str]:
    """A URL or id without its fragment, and the SHA-256 pinned in it: ``https://host/a.mp4#sha256=...``."""
    url, fragment = urldefrag(spec)
    pin = _PIN.fullmatch(fragment)
    return (url, pin[1].lower()) if pin else (spec, "")


def recipe_of(source: VideoSource, **choices: Any) -> str:
    """Digest of what decides a download's bytes."""
    return digest_of([source.kind, split_pin(source.spec)[0], choices])
