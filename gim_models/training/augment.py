"""Random changes to a batch on its device: warps, things in the way, weather, light, compression (GIM.md 3.2).

Labels follow exactly: what moves pixels moves them too, and nothing else moves anything.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from kornia.enhance import jpeg_codec_differentiable
from kornia.filters import gaussian_blur2d
from kornia.geometry.linalg import transform_points
from kornia.geometry.transform import get_perspective_transform, warp_perspective
from torch import Tensor

from gim_models.training.config import AugmentConfig
from gim_models.training.occlusion import occlude
from gim_models.training.sample import Batch
from gim_models.training.weather import weather

_QUALITY = (15.0, 90.0)  # of JPEG: from blocks that anyone sees to those that nobody does
_BORDER = 4.0  # pixels beside the image's edge where a detector sees the edge and not the scene


class Views(NamedTuple):
    """A batch after augmentation.

    Attributes:
        images: (2B, 3, H, W) float in [0, 1].
        allowed: (2B, 1, H, W) bool, where there is image.
        foreign: (2B, 1, H, W) bool, where it shows another scene than the pair's.
        H: (2B, 3, 3), pixels of the batch's canvases to pixels of ``images``.
    """

    images: Tensor
    allowed: Tensor
    foreign: Tensor
    H: Tensor


def plain(batch: Batch) -> Views:
    """The batch as it is, for validation."""
    eye = torch.eye(3, device=batch.images.device).expand(len(batch.images), 3, 3)
    allowed = scene(batch.boxes, eye, batch.images.shape[-2:])
    return Views(batch.images.float() / 255, allowed, torch.zeros_like(allowed), eye)


def augment(batch: Batch, config: AugmentConfig, generator: torch.Generator) -> Views:
    """Warp image 1 of every pair, lay things and weather in the way of both, change their light, compress them.

    Args:
        batch: B pairs.
        config: ranges.
        generator: a CPU generator; the result depends on its state and on nothing else.
    """
    height, width = batch.images.shape[-2:]
    pairs, device = len(batch), batch.images.device
    eye = torch.eye(3).expand(pairs, 3, 3)
    warped = torch.rand(pairs, generator=generator) < config.geometric
    drawn = random_homographies(pairs, (width, height), config, generator)
    H1 = torch.where(warped[:, None, None], drawn, eye).to(device)
    images = batch.images.float() / 255
    images = torch.cat([images[:pairs], warp(images[pairs:], H1)])
    H = torch.cat([eye.to(device), H1])
    images, foreign = occlude(images, config, generator)
    images = compress(relight(weather(images, config, generator), config, generator), config, generator)
    return Views(images, scene(batch.boxes, H, (height, width)), foreign, H)


def warp(images: Tensor, H: Tensor) -> Tensor:
    """Warp (B, C, H, W) images by (B, 3, 3) pixel homographies; black where nothing is seen."""
    warped: Tensor = warp_perspective(images, H, (images.shape[-2], images.shape[-1]), align_corners=True)
    return warped


def move_points(H: Tensor, points: Tensor) -> Tensor:
    """Apply (3, 3) or (B, 3, 3) homographies to (N, 2) or (B, N, 2) points."""
    if H.dim() == 2:
        return move_points(H[None], points[None])[0]
    moved: Tensor = transform_points(H, points)
    return moved


def random_homographies(count: int, size: tuple[int, int], config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Random perspective and rotation about the centre, (count, 3, 3).

    Args:
        count: how many.
        size: width and height.
        config: ranges.
        generator: where the numbers come from.
    """
    extent = torch.tensor([size[0] - 1.0, size[1] - 1.0])
    corners = torch.tensor([[0.0, 0.0], [1, 0], [1, 1], [0, 1]]).expand(count, 4, 2) * extent
    shift = (2 * torch.rand(count, 4, 2, generator=generator) - 1) * config.perspective * extent
    angle = torch.deg2rad((2 * torch.rand(count, generator=generator) - 1) * config.rotation)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).view(count, 2, 2)
    moved = (corners + shift - extent / 2) @ turn.mT + extent / 2
    found: Tensor = get_perspective_transform(corners.contiguous(), moved.contiguous())
    return found


def scene(boxes: Tensor, H: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Where warped canvases hold image and not border: (B, 1, H, W) bool, exact to the pixel, a margin inside.

    Args:
        boxes: (B, 4) x0, y0, x1, y1 of the image on its canvas.
        H: (B, 3, 3) canvas to view.
        size: height and width.
    """
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    grid = torch.stack([x, y], -1).view(1, -1, 2).float().to(H).expand(len(H), -1, 2)
    back = move_points(torch.linalg.inv(H), grid)
    low, high = boxes[:, None, :2] + _BORDER, boxes[:, None, 2:] - 1 - _BORDER
    return ((back >= low) & (back <= high)).all(-1).view(len(H), 1, *size)


def relight(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Change gamma, contrast and brightness, darken, blur and add noise, each image on its own."""
    dice = _Dice(len(images), generator, images.device)
    gamma, contrast, shift = dice.between(0.6, 1.6), dice.between(0.6, 1.4), dice.between(-0.15, 0.15)
    lit = (images.clamp(min=1e-4) ** gamma - 0.5) * contrast + 0.5 + shift
    dark = images**1.5 * dice.between(0.1, 0.5)
    light = torch.where(dice.chosen(config.dark), dark, lit)
    out = torch.where(dice.chosen(config.photometric), light, images)
    blurred, sigma = dice.chosen(config.blur).flatten(), dice.between(0.5, 2.0).flatten()
    if blurred.any():
        out[blurred] = gaussian_blur2d(out[blurred], (9, 9), sigma[blurred, None].expand(-1, 2))
    strength = dice.between(0, config.noise)
    noisy: Tensor = out + torch.randn(images.shape, generator=generator).to(images) * strength
    return noisy.clamp(0, 1)


def compress(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Store some of the images (N, 3, H, W) as a JPEG and read them back, last of all, as a camera does.

    Where ``config.jpeg`` is 0 nothing is drawn, so that a recipe without it keeps its random numbers.
    """
    if config.jpeg == 0:
        return images
    dice = _Dice(len(images), generator, images.device)
    chosen, quality = dice.chosen(config.jpeg).flatten(), dice.between(*_QUALITY).flatten()
    out = images.clone()
    if chosen.any():
        out[chosen] = jpeg_codec_differentiable(images[chosen], quality[chosen]).clamp(0, 1)
    return out


class _Dice:
    """Random numbers (count, 1, 1, 1), one per image."""

    def __init__(self, count: int, generator: torch.Generator, device: torch.device) -> None:
        self.count, self.generator, self.device = count, generator, device

    def between(self, low: float, high: float) -> Tensor:
        """Uniform."""
        return low + (high - low) * torch.rand(self.count, 1, 1, 1, generator=self.generator).to(self.device)

    def chosen(self, probability: float) -> Tensor:
        """True with a probability."""
        return self.between(0, 1) < probability
