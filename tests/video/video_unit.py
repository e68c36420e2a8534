"""The videos stage over given sources, without waiting between tries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gim_data.runner import Outcome, Runner
from gim_data.stages import VIDEOS
from gim_data.video.config import AcquireConfig, CorpusConfig

FAST = AcquireConfig(pause_seconds=0.0, timeout_seconds=5.0, retries=3)


def make_videos(root: Path, *specs: str, **acquire: Any) -> tuple[Outcome, ...]:
    """What became of each source; ``acquire`` changes single parameters."""
    config = FAST.model_copy(update=acquire)
    return (
        Runner({"videos": VIDEOS}, {"corpus": CorpusConfig(videos=specs), "acquire": config}, root)
        .run("videos")
        .outcomes
    )
