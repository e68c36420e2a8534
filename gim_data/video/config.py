"""Parameters of acquisition: which videos, how they are fetched, cut into shots and sampled.

Fields with ``exclude=True`` (retries, rate limits) change how bytes arrive and not which; they stay out of digests, so
that turning them does not fetch a corpus anew.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from gim_data.stage import Section

BUILT_IN = (
    "synthetic:street?seed=1&seconds=10&fps=6",
    "synthetic:room?seed=2&seconds=10&fps=6",
    "synthetic:terrain?seed=3&seconds=10&fps=6",
    "synthetic:objects?seed=4&seconds=10&fps=6",
    "synthetic:street?seed=5&seconds=10&fps=6&look=dusk",
    "synthetic:room?seed=6&seconds=10&fps=6&path=orbit",
)


class CorpusConfig(Section):
    """Which videos labels are made from."""

    videos: tuple[str, ...] = Field(
        BUILT_IN,
        description="YouTube ids, URLs, files, folders, globs, image folders, lists (.txt) and synthetic:NAME?seed=S; "
        "none means the built-in synthetic ones",
    )

    @field_validator("videos", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        """One entry may stand alone; nothing means the built-in videos; YAML reads an all-digit id as a number."""
        if value is None or value in ("", [], ()):
            return BUILT_IN
        entries = value if isinstance(value, list | tuple) else [value]
        return [str(entry) if isinstance(entry, int) else entry for entry in entries]

    @field_validator("videos")
    @classmethod
    def _names_something(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        """As a path, an empty entry would be the whole workspace."""
        if not all(entry.strip() for entry in entries):
            raise ValueError("an entry is empty; name a video, or remove the entry ('.' is the workspace's folder)")
        return entries


class AcquireConfig(Section):
    """How videos are fetched."""

    max_height: int = Field(1080, ge=144, description="largest height asked of a video site, pixels")
    licences: tuple[str, ...] = Field(
        (), description="accept only downloads whose licence contains one of these texts (any case); empty accepts all"
    )
    sequence_fps: float = Field(
        10.0, gt=0, description="frames per second of an image folder without a frames.json that says"
    )
    max_gigabytes: float = Field(20.0, gt=0, exclude=True, description="largest single download")
    retries: int = Field(5, ge=0, exclude=True, description="tries after the first, each resuming where it broke off")
    timeout_seconds: float = Field(30.0, gt=0, exclude=True, description="longest silence of a server")
    rate_limit_megabytes: float = Field(0.0, ge=0, exclude=True, description="most MB/s per download; 0 for no limit")
    pause_seconds: float = Field(1.0, ge=0, exclude=True, description="wait before a try, doubled at each further one")


class ShotsConfig(Section):
    """What part of a video is usable. Times are seconds of presentation time."""

    trim_spares: float = Field(60.0, ge=0, description="a video up to this long loses nothing at its ends")
    trim_seconds: float = Field(
        300.0, ge=0, description="most that head and tail lose each: a third of what exceeds trim_spares (GIM.md 1.2)"
    )
    min_seconds: float = Field(1.0, gt=0, description="shorter spans are dropped")
    cut_ratio: float = Field(
        3.0, gt=1, description="a cut changes the picture this many times more than its neighbours"
    )
    cut_change: float = Field(15.0, gt=0, description="and by at least this much (mean HSV difference, 0-255)")
    dark_below: float = Field(20.0, ge=0, le=255, description="mean luma under which a frame is too dark")
    bright_share: float = Field(
        0.6, gt=0, le=1, description="share of clipped pixels over which a frame is overexposed"
    )
    flat_below: float = Field(0.08, ge=0, le=1, description="share of textured cells under which a frame is useless")
    static: Literal["drop", "keep"] = Field("drop", description="what becomes of spans where the camera stands still")
    static_share: float = Field(
        0.55, gt=0, le=1, description="share of corners that move as one for the camera to stand still"
    )
    static_motion: float = Field(
        0.006, gt=0, le=1, description="how far corners that move as one may differ, over the long side"
    )
    static_drift: float = Field(
        0.01, gt=0, le=1, description="largest lasting common shift of a camera that stands still, over the long side"
    )
    static_gap: float = Field(1.0, gt=0, description="time over which these shifts are measured")
    bridge_seconds: float = Field(0.7, ge=0, description="shorter static, flat or bright spells do not split a span")
    analysis_fps: float = Field(30.0, gt=0, description="frames looked at per second")
    analysis_side: int = Field(320, ge=64, description="long side of the frames looked at, pixels")

    def trimmed_end(self, seconds: float) -> float:
        """What a video of this many seconds loses at each of its ends, where titles and credits are.

        GIM cuts five minutes and cannot use a video of ten (GIM.md 1.2). Here the cut grows with what a video can
        spare and reaches GIM's at 16 minutes; no video becomes shorter by being longer.
        """
        return min(self.trim_seconds, max(0.0, seconds - self.trim_spares) / 3)


class FramesConfig(Section):
    """Which frames are stored, and how."""

    interval: float = Field(
        1 / 3,
        gt=0,
        allow_inf_nan=False,
        description="seconds between stored frames (GIM.md 1.2: 10 frames of 30 fps)",
    )
    max_side: int = Field(1920, ge=64, description="long side of stored frames; larger ones are reduced, pixels")
    quality: int = Field(95, ge=50, le=100, description="JPEG quality")
