"""XFeat, frozen: where to look and what is there (Potje et al., CVPR 2024; Apache-2.0 weights).

The network is kornia's. The detection around it is ours for four reasons: it runs a batch in one piece; it always
returns the same number of keypoints when asked to (so that training needs no masks); its pixels are right (kornia
scales keypoints by ``W / W'`` where the resize to multiples of 32 maps ``x -> (x + 0.5) * W / W' - 0.5``); and it finds
peaks below the pixel, by a parabola through the logarithm of the heat, which whole pixels cost several points of AUC.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from kornia.feature.xfeat import InterpolateSparse2d, XFeatModel
from torch import Tensor, nn
from torch.nn import functional as F

from gim_models.sparse.weights import load_strictly, read_pickle, weights_file

DESCRIPTOR_DIM = 64
QUARTER_DIM = 24
_STRIDE = 32
_REACH = 2  # pixels, along both axes, in which a keypoint is the hottest
_FAINT = 1e-6


class Keypoints(NamedTuple):
    """Keypoints of a batch of images of one size.

    Attributes:
        points: (B, N, 2) pixels of the images passed in, best first.
        scores: (B, N); not above 0 where an image has fewer than N keypoints.
        descriptors: (B, N, 64), of unit length.
    """

    points: Tensor
    scores: Tensor
    descriptors: Tensor


class DenseMaps(NamedTuple):
    """What the network says of a batch, on the grid of the resized images (h, w multiples of 32).

    Attributes:
        descriptors: (B, 64, h / 8, w / 8), of unit length.
        heat: (B, 1, h, w) probability of a keypoint.
        reliability: (B, 1, h / 8, w / 8).
        size: (height, width) of the images before the resize.
    """

    descriptors: Tensor
    heat: Tensor
    reliability: Tensor
    size: tuple[int, int]


class XFeatExtractor(nn.Module):
    """Frozen detector and descriptor over kornia's ``XFeatModel``.

    Args:
        threshold: heat that a keypoint must exceed; 0 lets every local maximum in.
    """

    corner = 0.0  # added to pixels for LightGlue: this one was trained with pixels that count from their centres

    def __init__(self, *, threshold: float = 0.05) -> None:
        super().__init__()
        self.net = XFeatModel()
        self.sample = InterpolateSparse2d("bicubic")
        self.threshold = threshold
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> XFeatExtractor:
        """Stay in evaluation mode: the extractor is frozen, its batch statistics too."""
        return super().train(False)

    @torch.no_grad()
    def dense(self, images: Tensor) -> DenseMaps:
        """Run the network on (B, 3, H, W) images in [0, 1]."""
        height, width = images.shape[-2:]
        grid = [max(_STRIDE, side // _STRIDE * _STRIDE) for side in (height, width)]
        if grid != [height, width]:
            images = F.interpolate(images, grid, mode="bilinear", align_corners=False)
        features, logits, reliability = self.net(images)
        heat = F.pixel_shuffle(logits.softmax(1)[:, :64], 8)
        return DenseMaps(F.normalize(features, dim=1), heat, reliability, (height, width))

    @torch.no_grad()
    def quarter(self, images: Tensor) -> Tensor:
        """(B, 24, h / 4, w / 4) of unit length: what (B, 3, h, w) images, h and w multiples of 4, are before 1/8."""
        grey = self.net.norm(images.mean(1, keepdim=True))
        return F.normalize(self.net.block2(self.net.block1(grey) + self.net.skip1(grey)), dim=1)

    @torch.no_grad()
    def detect(self, maps: DenseMaps, count: int, allowed: Tensor | None = None) -> Keypoints:
        """The ``count`` best keypoints of every image (fewer where a small image has fewer pixels).

        Args:
            maps: from ``dense``.
            count: how many to keep.
            allowed: (B, 1, H, W) bool, where keypoints may be; None for everywhere.
        """
        heat = maps.heat
        peaks = (heat == highest_near(heat, _REACH)) & (heat > self.threshold)
        if allowed is not None:
            peaks &= F.interpolate(allowed.float(), heat.shape[-2:], mode="nearest") > 0
        reliability = F.interpolate(maps.reliability, heat.shape[-2:], mode="bilinear", align_corners=False)
        scores = torch.where(peaks, heat * reliability, -1.0).flatten(1)
        best, index = scores.topk(min(count, scores.shape[1]), dim=1)
        width = heat.shape[-1]
        pixels = torch.stack([index % width, index // width], -1)
        points = (pixels + peak_offset(heat[:, 0].clamp(min=_FAINT).log(), pixels) + 0.5) * self._scale(maps) - 0.5
        return Keypoints(points, best, self._sample(maps, pixels.float()))

    @torch.no_grad()
    def describe(self, maps: DenseMaps, points: Tensor) -> Tensor:
        """Descriptors (B, N, 64) at any points (B, N, 2), in pixels of the images passed to ``dense``."""
        return self._sample(maps, (points + 0.5) / self._scale(maps) - 0.5)

    def _sample(self, maps: DenseMaps, pixels: Tensor) -> Tensor:
        height, width = maps.heat.shape[-2:]
        sampled: Tensor = self.sample(maps.descriptors, pixels, H=height, W=width)
        return F.normalize(sampled, dim=-1)

    @staticmethod
    def _scale(maps: DenseMaps) -> Tensor:
        height, width = maps.heat.shape[-2:]
        return maps.heat.new_tensor([maps.size[1] / width, maps.size[0] / height])


def highest_near(heat: Tensor, radius: int) -> Tensor:
    """(..., H, W) the largest number within ``radius`` pixels of each, along both axes.

    As ``F.max_pool2d(heat, 2 * radius + 1, 1, radius)``, which takes thirty times as long on a CPU.
    """
    for axis in (-2, -1):
        around, length = heat.clone(), heat.shape[axis]
        for step in range(1, min(radius, length - 1) + 1):
            for to, of in ((0, step), (step, 0)):
                near = around.narrow(axis, to, length - step)
                torch.maximum(near, heat.narrow(axis, of, length - step), out=near)
        heat = around
    return heat


def peak_offset(height_of: Tensor, pixels: Tensor) -> Tensor:
    """Where the peak is, (B, N, 2) in [-0.5, 0.5] from the pixel: a parabola per axis through (B, H, W) heights."""
    height, width = height_of.shape[-2:]
    batch = torch.arange(len(height_of), device=height_of.device)[:, None]
    x, y = pixels[..., 0].clamp(1, width - 2), pixels[..., 1].clamp(1, height - 2)
    centre, *beside = (height_of[batch, y + dy, x + dx] for dx, dy in ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)))
    offsets = []
    for before, after in (beside[:2], beside[2:]):
        curvature = (2 * centre - before - after).clamp(min=_FAINT)
        offsets.append((0.5 * (after - before) / curvature).clamp(-0.5, 0.5))
    return torch.stack(offsets, -1)


def published_xfeat(*, threshold: float = 0.05) -> XFeatExtractor:
    """XFeat with its published weights.

    Raises:
        GimError: the weights are not installed or do not fit.
    """
    extractor = XFeatExtractor(threshold=threshold)
    path = weights_file("xfeat")
    load_strictly(extractor.net, read_pickle(path), path)
    return extractor
