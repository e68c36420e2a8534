"""Parameters of the synthetic training worlds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gim_data.stage import Section

SceneName = Literal["street", "room", "terrain", "objects"]


class SyntheticConfig(Section):
    """Section ``synthetic``: the ray-traced worlds with exact ground truth that 0-hour models are trained on."""

    worlds: int = Field(
        6, ge=0, le=10_000, description="Number of training worlds; world n is of scenes[n % len(scenes)]."
    )
    scenes: tuple[SceneName, ...] = Field(
        ("street", "room", "terrain", "objects"), min_length=1, description="Kinds of scene, in turn."
    )
    frames: int = Field(24, ge=2, le=2000, description="Frames rendered per world.")
    width: int = Field(320, ge=64, le=4096, multiple_of=2, description="Frame width in pixels.")
    height: int = Field(240, ge=64, le=4096, multiple_of=2, description="Frame height in pixels.")
    seconds: float = Field(20.0, gt=0, le=600, description="Length of the camera path the frames are spread over.")
    seed: int = Field(0, ge=0, description="Base seed; another one gives other worlds.")
    jitter_degrees: float = Field(
        12.0, ge=0, le=90, description="Random rotation added to each frame's camera (standard deviation, per axis)."
    )
    relight: float = Field(
        0.5, ge=0, le=1, description="Share of worlds whose frames each have their own light and weather."
    )
    min_overlap: float = Field(0.1, ge=0, le=1, description="Smallest covisible fraction of a training pair.")
    max_overlap: float = Field(0.95, ge=0, le=1, description="Largest covisible fraction of a training pair.")
    jpeg_quality: int = Field(95, ge=1, le=100, description="Quality of the stored images.")
