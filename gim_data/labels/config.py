"""Parameters of labelling."""

import math
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from gim_data.stage import Section, without_silent


class OverlayConfig(Section):
    """When a place of the picture counts as an overlay (logo, clock, car bonnet): it stays while the picture moves."""

    static_px: float = Field(1.0, gt=0, description="a match that moves less than this is static (GIM.md 1.6)")
    moving_px: float = Field(2.0, gt=0, description="a pair tells something when its median motion is at least this")
    cell_px: int = Field(8, ge=1, description="size of the cells that the overlay is estimated on, in pixels")
    share: float = Field(0.8, gt=0, le=1, description="static share of a cell's matches that makes it an overlay")
    presence: float = Field(0.2, gt=0, le=1, description="share of the moving pairs that must show it static")
    min_pairs: int = Field(6, ge=1, description="fewer moving pairs than this tell nothing: no overlay then")


class ZoomConfig(Section):
    """The second pass: the region that the first pass saw in both frames, magnified (GIM.md 1.5)."""

    least: float = Field(
        1.2, ge=1, description="no second look at a pair of which neither view would be magnified this much"
    )


class MoversConfig(Section):
    """When a place of a frame counts as moving by itself (``gim_data.labels.movers``)."""

    residual_px: float = Field(2.0, gt=0, description="a match farther from the camera's motion may be on a mover")
    cell_px: int = Field(16, ge=4, description="size of the cells that movers are marked on, pixels")
    least: int = Field(4, ge=3, description="matches in and around a cell that go their own way together")
    share: float = Field(0.5, gt=0, le=1, description="of all matches there that these must be")


class SegmenterConfig(Section):
    """A model that says what is seen where, and what of it is not matched (``gim_data.labels.segments``)."""

    model: str = Field(description="onnx:<file>, or transformers:<folder or hub name>")
    classes: tuple[str, ...] = Field(
        ("sky", "person", "car"), min_length=1, description="classes that are not matched, by name or number"
    )
    grow_px: int = Field(4, ge=0, description="how far around them nothing is matched either, pixels")
    size: tuple[int, int] | None = Field(
        None, description="(width, height) that the model is shown; empty: 512 along the longer side"
    )
    mean: tuple[float, float, float] = Field((0.485, 0.456, 0.406), description="of red, green, blue in [0, 1]")
    std: tuple[float, float, float] = Field((0.229, 0.224, 0.225), description="what they are divided by")


class LabelsConfig(Section):
    """Which teachers label which frame pairs, and what their matches must pass."""

    teachers: tuple[str, ...] = Field(
        ("rootsift", "xfeat+lighterglue", "klt"), min_length=1, description="matchers whose labels are united"
    )
    skips: tuple[float, ...] = Field(
        (1 / 3, 2 / 3, 4 / 3),
        min_length=1,
        description="time between the frames of a pair, seconds (GIM's 10/20/40 frames at 30 fps)",
    )
    keypoints: int = Field(4096, ge=16, description="keypoints kept per frame, the strongest first")
    keypoints_of: dict[str, int] = Field(
        default_factory=lambda: {"xfeat+lighterglue": 1024},
        description="teachers with a cap of their own; attention costs the square (LighterGlue on one core: 0.3 s a "
        "pair with 1024, 1.3 s with 2048)",
    )
    batch: int = Field(8, ge=1, description="pairs handed to the matcher at a time")
    epipolar_px: float = Field(0.5, gt=0, description="MAGSAC threshold of the epipolar fit, pixels (GIM.md 1.7)")
    fit_confidence: float = Field(0.999999, gt=0, lt=1, description="confidence of the epipolar fit (GIM.md 1.7)")
    fit_iterations: int = Field(10_000, ge=1, description="most iterations of the epipolar fit")
    min_matches: int = Field(16, ge=8, description="fewer inliers than this are recorded as an empty result")
    overlay: OverlayConfig = Field(
        default_factory=lambda: OverlayConfig.model_validate({}), description="the static-overlay rule"
    )
    device: str = Field("cpu", description="torch device of the learned teachers")
    zoom: ZoomConfig | None = Field(None, description="the second, zoomed pass; none where empty")

    movers: MoversConfig | None = Field(None, description="leave out what moves by itself; kept where empty")

    segmenter: SegmenterConfig | None = Field(None, description="leave out sky, people, cars; nothing where empty")

    @field_validator("skips")
    @classmethod
    def _distinct_times(cls, skips: tuple[float, ...]) -> tuple[float, ...]:
        """Label files are named by the milliseconds of their skip: of two equal names, one would be lost."""
        if not all(math.isfinite(skip) and skip > 0 for skip in skips):
            raise ValueError("every skip is a finite time above 0 seconds")
        if len({f"{skip:.3f}" for skip in skips}) < len(skips):
            raise ValueError("two skips are the same to a millisecond; remove one of them")
        return skips

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Say nothing of what is off: labels made before there was such a thing stay current."""
        values: dict[str, Any] = handler(self)
        return without_silent(values, dict.fromkeys(("zoom", "movers", "segmenter")))
