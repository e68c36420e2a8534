"""Section ``evaluate`` of ``params.yaml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from gim_data.stage import Section
from gim_models.evaluation.baselines import distinct_keys

ProtocolName = Literal["zeb-paper-v1", "zeb-released-v1", "poselib-v1"]


class EvaluateConfig(Section):
    """What matchers are scored on, how, and beside which baselines."""

    baselines: tuple[str, ...] = Field(
        ("rootsift", "xfeat+lighterglue"),
        description="matchers scored beside the students: registry names, "
        "loftr:<folder> and its kind (a path below the workspace, or absolute), student:<folder>, vismatch:<model>",
    )
    pairs: tuple[str, ...] = Field(
        ("synthetic",),
        description="where posed pairs come from: 'synthetic', folders with pairs.json, folders in ZEB's released "
        "layout, or folders that hold such folders",
    )
    exclude: tuple[str, ...] = Field(
        ("sevenscenes_redkitchen",), description="names (glob patterns) of sequences below 'pairs' that are left out"
    )
    pairing: Literal["auto", "bins", "depth", "listed"] = Field(
        "auto",
        description="bins: pair any images of a sequence with cameras, all overlaps equally; depth: the same among "
        "images with a depth map, which gives the overlap; auto: depth where it gives pairs, bins elsewhere; listed: "
        "pairs.json only",
    )
    max_pairs_per_sequence: int = Field(24, ge=1, description="most pairs of one sequence, drawn evenly over overlaps")
    max_images_per_sequence: int = Field(24, ge=2, description="most images of one sequence unless pairs are listed")
    min_overlap: float = Field(
        0.0,
        ge=0,
        le=1,
        description="least overlap of a pair unless pairs are listed; 0 as ZEB was released (GIM.md 4.2)",
    )
    max_overlap: float = Field(
        1.0,
        ge=0,
        le=1,
        description="largest overlap of a pair unless pairs are listed; lower asks harder questions",
    )
    max_rotation: float = Field(75.0, gt=0, le=180, description="largest rotation in degrees unless pairs are listed")
    min_parallax: float = Field(
        0.05, ge=0, description="least baseline over the scene's median depth unless pairs are listed"
    )
    max_side: int = Field(
        1024,
        ge=0,
        description="images are reduced to this long side for matching (0: never, but for ZEB's own KITTI to 1240 and "
        "ETH3D to 1600, as GIM does); points stay in pixels of the stored image",
    )
    protocol: ProtocolName = Field("zeb-paper-v1", description="the protocol of the headline numbers")
    also: tuple[ProtocolName, ...] = Field(("poselib-v1",), description="protocols that are reported beside it")
    bootstrap: int = Field(1000, ge=100, le=100_000, description="bootstrap samples behind each interval")
    seed: int = Field(0, ge=0, description="of the choice of pairs, of robust estimation and of the bootstrap")
    workers: int = Field(0, ge=0, description="processes that estimate poses; 0: one per core")
    device: str = Field("auto", description="where matchers run: auto, cpu or cuda")

    @field_validator("baselines")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("a baseline is named twice")
        distinct_keys(names)
        return names

    @model_validator(mode="after")
    def _ordered(self) -> EvaluateConfig:
        if self.max_overlap <= self.min_overlap:
            raise ValueError(f"max_overlap {self.max_overlap:g} must be above min_overlap {self.min_overlap:g}")
        return self

    @property
    def protocols(self) -> tuple[str, ...]:
        """Every protocol that is scored, the headline first, each once."""
        return tuple(dict.fromkeys((self.protocol, *self.also)))
