"""LoFTR as a ``Matcher``."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from gim_data.types import Floats, Image, Mask, Matches
from gim_models.folder import Loader
from gim_models.semidense.loftr import COARSE, LoFTR, dual_softmax, select
from gim_models.semidense.shape import LoftrShape


class LoftrConfig(BaseModel):
    """What ``config.json`` says of a LoFTR.

    Attributes:
        arch: always ``loftr``.
        shape: the size of the network.
        threshold: dual-softmax confidence below which a match is dropped.
        border: coarse cells at the border that are never matched.
        max_side: longer images are shrunk to this many pixels first; memory grows with its fourth power.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: str = Field(default="loftr", pattern="^loftr$")
    shape: LoftrShape = LoftrShape()
    threshold: float = Field(default=0.2, ge=0, le=1)
    border: int = Field(default=2, ge=0)
    max_side: int = Field(default=1024, ge=COARSE)


class LoftrMatcher:
    """A ``Matcher``: image 0 is matched at coarse cells, image 1 below the pixel.

    Args:
        name: under which its matches are stored.
        network: the LoFTR.
        config: thresholds and the largest side.
        device: where it runs.
    """

    def __init__(self, name: str, network: LoFTR, config: LoftrConfig, *, device: str = "cpu") -> None:
        self.name = name
        self.network = network.to(device).eval()
        self.config = config
        self.device = torch.device(device)

    @torch.inference_mode()
    def match(self, image0: Image, image1: Image, mask0: Mask | None = None, mask1: Mask | None = None) -> Matches:
        """Match two images of any size; keypoints in pixels of the images passed in."""
        sides = [self._prepare(image, mask) for image, mask in ((image0, mask0), (image1, mask1))]
        grids0, grids1 = (self.network.grids(pixels, allowed) for pixels, allowed, _ in sides)
        similarity = self.network.similarity(*self.network.tokens(grids0, grids1))
        confidence = dual_softmax(similarity, grids0.valid, grids1.valid)
        cells = select(confidence, grids0, grids1, self.config.threshold, self.config.border)
        offset = self.network.refine(grids0, grids1, cells).offset * self.network.reach()
        return Matches(
            _back(_pixels(cells.index0, grids0.coarse), sides[0][2]),
            _back(_pixels(cells.index1, grids1.coarse) + offset, sides[1][2]),
            cells.confidence.cpu().numpy().astype(np.float32),
            (image0.shape[1], image0.shape[0]),
            (image1.shape[1], image1.shape[0]),
        )

    def _prepare(self, image: Image, mask: Mask | None) -> tuple[Tensor, Tensor | None, tuple[float, float]]:
        """The image (1, 3, H, W) shrunk and padded, where it may match, and original pixels per pixel (x, y)."""
        height, width = image.shape[:2]
        shrink = min(1.0, self.config.max_side / max(height, width))
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        if size != (width, height):
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        padding = [(-side) % COARSE for side in size]
        pixels = torch.from_numpy(np.pad(image, ((0, padding[1]), (0, padding[0]), (0, 0))))
        batch = pixels.to(self.device).permute(2, 0, 1)[None].float() / 255
        return batch, self._allowed(mask, size, padding), (width / size[0], height / size[1])

    def _allowed(self, mask: Mask | None, size: tuple[int, int], padding: list[int]) -> Tensor | None:
        if mask is None and not any(padding):
            return None
        if mask is None:
            mask = np.ones(size[::-1], bool)
        else:
            mask = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        padded = np.pad(mask, ((0, padding[1]), (0, padding[0])))
        return torch.from_numpy(padded)[None].to(self.device)


def _pixels(index: Tensor, coarse: Tensor) -> Tensor:
    """(M, 2) pixels that coarse cells sit on."""
    width = coarse.shape[-1]
    return torch.stack([index % width, index // width], -1) * COARSE


def _back(points: Tensor, scale: tuple[float, float]) -> Floats:
    found: Floats = ((points.cpu().numpy() + 0.5) * np.asarray(scale) - 0.5).astype(np.float32)
    return found


load_loftr = Loader("loftr", LoftrConfig, lambda config: LoFTR(config.shape), LoftrMatcher)
"""A LoFTR from a folder that ``gim weights import`` or a training made; see ``Loader``."""
