"""A refiner: from both images' features under the present flow to a correction of flow and certainty."""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from gim_models.dense.correlation import local_correlation
from gim_models.dense.grid import Side, centres, sampled

KERNEL = 5
_PARTS = 4  # of half a cell in which a refiner counts: normalised coordinates are two wide


class RefinerShape(BaseModel):
    """The size of one refiner.

    Attributes:
        scale: pixels per cell of the features it works on.
        displacement: channels that embed how far the flow moves.
        radius: of the correlation window in cells; 0 for none.
        hidden: channels of the blocks as a multiple of what comes in.
        sharpness: what cosines in the window are multiplied by to say where the flow moves before anything is learnt of
            it; 0 as published: it stays.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: int = Field(ge=1)
    displacement: int = Field(ge=1)
    radius: int = Field(default=0, ge=0)
    hidden: int = Field(default=1, ge=1)
    sharpness: float = Field(default=0.0, ge=0)


DEMO_REFINERS = (
    RefinerShape(scale=16, displacement=16, radius=3),
    RefinerShape(scale=8, displacement=16, radius=3, sharpness=100),
    RefinerShape(scale=4, displacement=8, radius=2, sharpness=100),
)
"""Slim ones that train on a laptop; below 1/4 a refiner costs most of the time and learns least of it."""


class ConvRefiner(nn.Module):
    """Depthwise 5 x 5 blocks over features of image 0, warped ones of image 1, displacement and correlation.

    Args:
        features: channels of the features.
        shape: its size.
        blocks: how many after the first.
    """

    def __init__(self, features: int, shape: RefinerShape, blocks: int) -> None:
        super().__init__()
        window = (2 * shape.radius + 1) ** 2 if shape.radius else 0
        channels = 2 * features + shape.displacement + window
        hidden = channels * shape.hidden
        self.radius, self.sharpness = shape.radius, shape.sharpness
        self.block1 = _block(channels, hidden)
        self.hidden_blocks = nn.Sequential(*(_block(hidden, hidden) for _ in range(blocks)))
        self.out_conv = nn.Conv2d(hidden, 3, 1)
        self.disp_emb = nn.Conv2d(2, shape.displacement, 1)

    def forward(self, features0: Tensor, features1: Tensor, flow: Tensor, gain: float) -> Tensor:
        """Three numbers for every cell (B, 3, h, w); the family says which are displacement, which certainty.

        Args:
            features0, features1: (B, C, h, w).
            flow: (B, 2, h, w) normalised, where in image 1 the cells of image 0 are thought to be.
            gain: what the displacement is multiplied by before it is embedded.
        """
        with torch.no_grad():
            warped = sampled(features1, flow)
        moved = flow - centres((flow.shape[-2], flow.shape[-1]), flow.device)
        parts = [features0, warped, self.disp_emb(gain * moved)]
        if self.radius:
            parts.append(local_correlation(features0, features1, flow, self.radius))
        out: Tensor = self.out_conv(self.hidden_blocks(self.block1(torch.cat(parts, 1))))
        return out

    def settled(self, features0: Tensor, features1: Tensor, flow: Tensor) -> Tensor:
        """The flow moved to what looks most alike within the window, where there is ``sharpness``.

        Frozen features can be compared as they are: what is left to learn is the rest of the way.

        Args:
            features0, features1: (B, C, h, w) of the encoder, before any learnt projection.
            flow: (B, 2, h, w) normalised.
        """
        return flow + self._most_alike(features0, features1, flow) if self.sharpness else flow

    @torch.no_grad()
    def _most_alike(self, features0: Tensor, features1: Tensor, flow: Tensor) -> Tensor:
        """How far (B, 2, h, w) the cells of the window lie on average, each weighed by a softmax of its cosine."""
        (height, width), channels = features1.shape[-2:], features1.shape[1]
        units = [F.normalize(features, dim=1) for features in (features0, features1)]
        cosines = local_correlation(units[0], units[1], flow, self.radius) * channels**0.5
        share = (self.sharpness * cosines).softmax(1)
        steps = torch.arange(-self.radius, self.radius + 1, device=flow.device)
        down, right = torch.meshgrid(2 * steps / height, 2 * steps / width, indexing="ij")
        return torch.einsum("bnhw,cn->bchw", share, torch.stack([right.flatten(), down.flatten()]))


def normalised(displacement: Tensor, scale: int, size: Side) -> Tensor:
    """What a refiner at ``scale`` says of displacement (B, 2, h, w), in normalised coordinates of ``size`` pixels."""
    height, width = size
    return scale / (_PARTS * displacement.new_tensor([width, height])[:, None, None]) * displacement


def _block(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, KERNEL, 1, KERNEL // 2, groups=channels),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
        nn.Conv2d(out, out, 1),
    )
