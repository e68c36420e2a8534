"""Things in the way: pieces of other scenes laid over an image, whose keypoints are known to have no match.

Labelled video pairs know matches only. What is pasted over one image is foreign to the other, and the labels beneath it
lose their end, so both images get keypoints of which it is certain that they match nothing, in the look of real video.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gim_models.training.config import AugmentConfig

_SIZES = (0.12, 0.35)  # half axes of a piece, as a share of width and height


def occlude(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Lay an ellipse of another pair's image, mirrored, over some of the images.

    A mirror image matches nothing even where the other pair shows the same scene.

    Args:
        images: (2B, 3, H, W), all images 0 and then all images 1.
        config: ``occlusion``.
        generator: a CPU generator.

    Returns:
        The images, and (2B, 1, H, W) bool, what of them is foreign.
    """
    count, (height, width) = len(images), images.shape[-2:]
    extent = torch.tensor([width, height])
    centre = torch.rand(count, 2, generator=generator) * extent
    low, high = _SIZES
    axes = (low + (high - low) * torch.rand(count, 2, generator=generator)) * extent
    chosen = torch.rand(count, generator=generator) < config.occlusion
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    offset = (torch.stack([x, y], -1) - centre[:, None, None]) / axes[:, None, None]
    foreign = ((offset**2).sum(-1) < 1)[:, None] & chosen[:, None, None, None]
    foreign = foreign.to(images.device)
    return torch.where(foreign, images.roll(1, 0).flip(-1), images), foreign


def within(mask: Tensor, points: Tensor) -> Tensor:
    """Which of (N, 2) points lie where a (H, W) mask is set; outside the image it is not."""
    height, width = mask.shape
    x, y = points[:, 0].round().long(), points[:, 1].round().long()
    framed = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return framed & mask[y.clamp(0, height - 1), x.clamp(0, width - 1)]
