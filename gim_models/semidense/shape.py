"""How large a LoFTR is, and what it stands on."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LoftrShape(BaseModel):
    """The size of a LoFTR; the defaults are GIM's, which differs from the published LoFTR (GIM.md 3.3).

    Attributes:
        backbone: ``resnet`` trained with the rest, or ``xfeat``: frozen XFeat for the coarse grid, a few trained
            convolutions for the fine one, so that an hour of training on a CPU means something.
        stem_dim, widths, blocks: of the ResNet; its stages stand at 1/2, 1/4 and 1/8.
        coarse_dim, coarse_heads, coarse_pairs: the transformer at 1/8 and its pairs of self- and cross-attention.
        middle_dim: channels at 1/4.
        fine_dim, fine_heads, fine_pairs: the transformer inside the windows at 1/2.
        window: side of a fine window in cells of 1/2; odd.
        temperature: of the dual softmax.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: Literal["resnet", "xfeat"] = "resnet"
    stem_dim: int = Field(default=64, ge=1)
    widths: tuple[int, int, int] = (64, 128, 256)
    blocks: tuple[int, int, int] = (3, 4, 6)
    coarse_dim: int = Field(default=256, ge=4, multiple_of=4)
    coarse_heads: int = Field(default=8, ge=1)
    coarse_pairs: int = Field(default=4, ge=1)
    middle_dim: int = Field(default=196, ge=1)
    fine_dim: int = Field(default=128, ge=1)
    fine_heads: int = Field(default=8, ge=1)
    fine_pairs: int = Field(default=1, ge=1)
    window: Literal[3, 5, 7] = 5
    temperature: float = Field(default=0.1, gt=0)


def demo_loftr() -> LoftrShape:
    """The size that trains on a laptop: frozen XFeat, 64 channels, two pairs of attention."""
    return LoftrShape(
        backbone="xfeat", coarse_dim=64, coarse_heads=4, coarse_pairs=2, middle_dim=48, fine_dim=32, fine_heads=4
    )
