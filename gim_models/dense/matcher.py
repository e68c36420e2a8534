"""Dense networks as ``Matcher``s: two passes, both directions, balanced sampling (GIM.md 1.4 and 5.6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from gim_data.types import Image, Mask, Matches, Size
from gim_models.dense.dkm import DKM, DkmShape
from gim_models.dense.grid import centres, resized, sampled
from gim_models.dense.roma import PATCH, RoMa, RomaShape
from gim_models.dense.sampling import balanced_sample
from gim_models.dense.warp import COARSEST, SHARP, DenseNetwork, Warp
from gim_models.folder import Loader


class DenseConfig(BaseModel):
    """How a dense network is run.

    Attributes:
        size: (width, height) of the first pass; images are padded to its aspect and resized to it.
        sharp_size: of the second pass, or None to do without.
        longest: long side, pixels, that images are brought to on a canvas just large enough for both; None for ``size``
            whatever their shape, as published.
        samples: most matches.
        floor: matches less certain than this are left out.
        cycle: most pixels of the canvas that the way there and back may miss the start by; None does not ask.
        attenuation: share of the coarse certainty that is taken off the fine one where it is negative.
        seed: of the sampling.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Size
    sharp_size: Size | None
    longest: int | None = Field(default=None, ge=SHARP)
    samples: int = Field(default=5000, ge=1)
    floor: float = Field(default=0.0, ge=0, le=1)
    cycle: float | None = Field(default=None, gt=0)
    attenuation: float = Field(default=0.0, ge=0, le=1)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _sides_fit(self) -> Self:
        for name, size, step in (("size", self.size, self.step), ("sharp_size", self.sharp_size or (SHARP,), SHARP)):
            if any(side < step or side % step for side in size):
                raise ValueError(f"the sides of {name} {size} must be multiples of {step}")
        return self

    @property
    def step(self) -> int:
        """What the sides of ``size`` must be multiples of."""
        return COARSEST

    def canvas(self, *images: Image) -> Size:
        """(width, height) that a pair of images is brought to for the first pass."""
        if self.longest is None:
            return self.size
        tall, wide = (max(image.shape[axis] for image in images) for axis in (0, 1))
        step = math.lcm(self.step, COARSEST)  # what any scale of any encoder divides
        scale = self.longest / max(tall, wide) / step
        return max(1, round(wide * scale)) * step, max(1, round(tall * scale)) * step


class DkmConfig(DenseConfig):
    """What ``config.json`` says of a DKM; the defaults are GIM's."""

    arch: str = Field(default="dkm", pattern="^dkm$")
    shape: DkmShape = DkmShape()
    size: Size = (896, 672)
    sharp_size: Size | None = (1536, 1152)
    attenuation: float = Field(default=0.5, ge=0, le=1)


class RomaConfig(DenseConfig):
    """What ``config.json`` says of a RoMa; the defaults are GIM's."""

    arch: str = Field(default="roma", pattern="^roma$")
    shape: RomaShape = RomaShape()
    size: Size = (672, 672)
    sharp_size: Size | None = (1344, 1344)

    @property
    def step(self) -> int:
        """DINOv2's patches, or XFeat's stride."""
        return PATCH if self.shape.coarse == "dinov2" else COARSEST


@dataclass(frozen=True)
class _Framed:
    """An image in the middle of a canvas of the network's aspect.

    Attributes:
        pixels: (1, 3, H, W) in [0, 1], 0 where there is no image or where the mask forbids.
        allowed: (1, 1, H, W), 1 where matches may be.
        offset: (2,) x and y of the image's corner on the canvas.
        size: (width, height) of the image.
    """

    pixels: Tensor
    allowed: Tensor
    offset: NDArray[np.float64]
    size: Size

    def to_pixels(self, normalised: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) normalised on the canvas -> pixels of the image, its first pixel's centre at (0, 0)."""
        height, width = self.pixels.shape[-2:]
        found: NDArray[np.float64] = (normalised + 1) / 2 * (width, height) - 0.5 - self.offset
        return found


class DenseMatcher:
    """A ``Matcher`` over DKM or RoMa.

    Masked pixels are set to black, as in GIM. GIM also drops every dark pixel of an image, which loses the night; here
    only what the mask forbids is dropped, in either image.

    Args:
        name: under which its matches are stored.
        network: the network.
        config: sizes and sampling.
        device: where it runs.
    """

    def __init__(self, name: str, network: DenseNetwork, config: DenseConfig, *, device: str = "cpu") -> None:
        self.name = name
        self.network = network
        if isinstance(network, nn.Module):
            network.to(device).eval()
        self.config = config
        self.device = torch.device(device)

    @torch.inference_mode()
    def match(self, image0: Image, image1: Image, mask0: Mask | None = None, mask1: Mask | None = None) -> Matches:
        """Match two images of any size; keypoints in pixels of the images passed in, all of them inside."""
        size = self.config.canvas(image0, image1)
        frames = [frame(*side, size, self.device) for side in ((image0, mask0), (image1, mask1))]
        warp = self.warp(frames[0].pixels, frames[1].pixels, size)
        matches, certainty = both_ways(warp, *(f.allowed for f in frames))
        generator = torch.Generator().manual_seed(self.config.seed)
        certainty = certainty * (certainty >= self.config.floor)
        if self.config.cycle is not None:
            certainty = certainty * (missed_by(warp.flow, size).flatten() < self.config.cycle)
        chosen = balanced_sample(matches, certainty, self.config.samples, generator)
        found = matches[chosen].cpu().numpy().astype(np.float64)
        points = [frames[0].to_pixels(found[:, :2]), frames[1].to_pixels(found[:, 2:])]
        inside = np.logical_and(*(_inside(p, f.size) for p, f in zip(points, frames, strict=True)))
        return Matches(
            points[0][inside].astype(np.float32),
            points[1][inside].astype(np.float32),
            certainty[chosen].cpu().numpy()[inside].astype(np.float32),
            frames[0].size,
            frames[1].size,
        )

    def warp(self, canvas0: Tensor, canvas1: Tensor, size: Size) -> Warp:
        """Both directions, image 0's cells first (2, ..., h, w), at the last pass' size; ``size`` is the first's."""
        sharp_size = self.config.sharp_size
        pyramids = self._pyramids(canvas0, canvas1, size, COARSEST)
        coarse = self.network.decode(*pyramids)
        flow, certainty = coarse[1]
        if sharp_size is not None:
            zoom = (sharp_size[0] * sharp_size[1] / (size[0] * size[1])) ** 0.5
            pyramids = self._pyramids(canvas0, canvas1, sharp_size, SHARP)
            flow, certainty = self.network.sharpen(*pyramids, coarse[1], zoom)[1]
        doubt = resized(coarse[16].certainty, (flow.shape[-2], flow.shape[-1])).clamp(max=0)
        return Warp(flow, certainty - self.config.attenuation * doubt)

    def _pyramids(self, canvas0: Tensor, canvas1: Tensor, size: Size, coarsest: int) -> tuple[Any, Any]:
        """Features of both images, then the same with the images exchanged."""
        images = torch.cat([resized(canvas, (size[1], size[0])) for canvas in (canvas0, canvas1)])
        pyramid = self.network.pyramid(images, coarsest)
        return pyramid, {scale: features.flip(0) for scale, features in pyramid.items()}


def frame(image: Image, mask: Mask | None, size: Size, device: torch.device) -> _Framed:
    """Put an image in the middle of the smallest canvas of the aspect of ``size`` that holds it."""
    height, width = image.shape[:2]
    right = max(width, int(height * size[0] / size[1])) - width
    down = max(height, int(width * size[1] / size[0])) - height
    allowed = np.ones((height, width), bool) if mask is None else mask.astype(bool)
    pixels = torch.from_numpy(np.where(allowed[..., None], image, 0)).to(device).permute(2, 0, 1)[None].float() / 255
    beside = (right // 2, right - right // 2, down // 2, down - down // 2)
    return _Framed(
        F.pad(pixels, beside),
        F.pad(torch.from_numpy(allowed).to(device)[None, None].float(), beside),
        np.array([right // 2, down // 2], np.float64),
        (width, height),
    )


def both_ways(warp: Warp, allowed0: Tensor, allowed1: Tensor) -> tuple[Tensor, Tensor]:
    """Matches (2 h w, 4) of both directions, normalised in image 0 and 1, and how certain they are (2 h w,).

    Args:
        warp: from image 0 to 1, then from 1 to 0.
        allowed0, allowed1: (1, 1, H, W), 1 where matches may be.
    """
    size = (warp.flow.shape[-2], warp.flow.shape[-1])
    cells = centres(size, warp.flow.device).expand(2, -1, -1, -1)
    certainty = warp.certainty.sigmoid()[:, 0]
    lost = (warp.flow.abs() > 1).any(1)
    flow = warp.flow.clamp(-1, 1)
    here = torch.cat([F.interpolate(allowed, size, mode="nearest") for allowed in (allowed0, allowed1)])[:, 0]
    target = flow.permute(0, 2, 3, 1)
    there = torch.cat(
        [
            F.grid_sample(allowed, target[row : row + 1], mode="nearest", align_corners=False)
            for row, allowed in enumerate((allowed1, allowed0))
        ]
    )[:, 0]
    certainty = certainty * (~lost & (here > 0) & (there > 0))
    forward = torch.cat([cells[0], flow[0]]).flatten(1)
    backward = torch.cat([flow[1], cells[1]]).flatten(1)
    return torch.cat([forward, backward], 1).transpose(0, 1), certainty.flatten()


def missed_by(flow: Tensor, size: Size) -> Tensor:
    """(2, h, w) how far from its start a point is that goes to the other image and back, in pixels of ``size``.

    Args:
        flow: (2, 2, h, w) normalised, from image 0 to 1, then from 1 to 0.
        size: (width, height).
    """
    home = centres((flow.shape[-2], flow.shape[-1]), flow.device)
    half = flow.new_tensor(size)[:, None, None] / 2
    missed: Tensor = ((sampled(flow.flip(0), flow) - home) * half).norm(dim=1)
    return missed


def _inside(points: NDArray[np.float64], size: Size) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.all((points > -0.5) & (points < np.array(size) - 0.5), axis=1)
    return found


load_dkm = Loader("dkm", DkmConfig, lambda config: DKM(config.shape), DenseMatcher)
"""A DKM from a folder that ``gim weights import`` or a training made; see ``Loader``."""
load_roma = Loader("roma", RomaConfig, lambda config: RoMa(config.shape), DenseMatcher)
"""A RoMa, as ``load_dkm``."""
