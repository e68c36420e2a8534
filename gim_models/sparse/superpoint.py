"""SuperPoint for those who bring its weights (DeTone et al., CVPRW 2018): the detector of ``gim_lightglue_100h``.

Written from the paper and from the names in GIM's checkpoint. It detects as GIM does: radius 3, no threshold, nothing
within 4 pixels of the border (GIM.md 1.4). Where an image has too few keypoints, GIM adds random ones; here it has few.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gim_models.sparse.xfeat import Keypoints, highest_near

CELL = 8
_CHANNELS = (("1", 1, 64), ("2", 64, 64), ("3", 64, 128), ("4", 128, 128))
_GREY = (0.299, 0.587, 0.114)


class SuperPointMaps(NamedTuple):
    """What the network says of a batch.

    Attributes:
        descriptors: (B, 256, h, w), of unit length; h, w in cells of 8 pixels.
        heat: (B, 8 h, 8 w) probability of a keypoint, per pixel.
        size: (height, width) of the images.
    """

    descriptors: Tensor
    heat: Tensor
    size: tuple[int, int]


class SuperPoint(nn.Module):
    """Frozen detector and descriptor, with the interface of ``XFeatExtractor``.

    Args:
        radius: no two keypoints are closer along both axes.
        border: pixels at the border without keypoints.
    """

    corner = 0.5  # LightGlue was trained with keypoints that count from the corner of the top-left pixel

    def __init__(self, *, radius: int = 3, border: int = 4) -> None:
        super().__init__()
        for level, channels, out in _CHANNELS:
            self.add_module(f"conv{level}a", nn.Conv2d(channels, out, 3, 1, 1))
            self.add_module(f"conv{level}b", nn.Conv2d(out, out, 3, 1, 1))
        self.convPa, self.convPb = nn.Conv2d(128, 256, 3, 1, 1), nn.Conv2d(256, CELL**2 + 1, 1)
        self.convDa, self.convDb = nn.Conv2d(128, 256, 3, 1, 1), nn.Conv2d(256, 256, 1)
        self.radius, self.border = radius, border
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def dense(self, images: Tensor) -> SuperPointMaps:
        """Run the network on (B, 3, H, W) images in [0, 1]; it sees grey levels, as many as a byte has."""
        weights = images.new_tensor(_GREY)[:, None, None]
        x = (images * weights).sum(1, keepdim=True).mul(255).round() / 255
        if min(images.shape[-2:]) < CELL:
            x = F.pad(x, (0, max(0, CELL - x.shape[-1]), 0, max(0, CELL - x.shape[-2])))
        for level, _, _ in _CHANNELS:
            x = F.max_pool2d(x, 2) if level != "1" else x
            for part in "ab":
                x = self.get_submodule(f"conv{level}{part}")(x).relu()
        logits = self.convPb(self.convPa(x).relu())
        heat = F.pixel_shuffle(logits.softmax(1)[:, :-1], CELL)[:, 0]
        descriptors = F.normalize(self.convDb(self.convDa(x).relu()), dim=1)
        return SuperPointMaps(descriptors, heat, (images.shape[-2], images.shape[-1]))

    @torch.no_grad()
    def detect(self, maps: SuperPointMaps, count: int, allowed: Tensor | None = None) -> Keypoints:
        """The ``count`` best keypoints of every image, on whole pixels.

        Args:
            maps: from ``dense``.
            count: how many to keep.
            allowed: (B, 1, H, W) bool, where keypoints may be; None for everywhere.
        """
        rows, columns = maps.heat.shape[-2:]
        peaks = local_maxima(maps.heat, self.radius)
        inside = torch.zeros_like(peaks)
        bottom, right = (min(a, b) - self.border for a, b in zip(maps.size, (rows, columns), strict=True))
        inside[:, self.border : max(0, bottom), self.border : max(0, right)] = True
        if allowed is not None:
            within = allowed[:, 0, :rows, :columns]
            inside &= F.pad(within, (0, columns - within.shape[-1], 0, rows - within.shape[-2]))
        scores = torch.where(peaks & inside, maps.heat, -1.0).flatten(1)
        best, index = scores.topk(min(count, scores.shape[1]), dim=1)
        points = torch.stack([index % columns, index // columns], -1).float()
        return Keypoints(points, best, self.describe(maps, points))

    @torch.no_grad()
    def describe(self, maps: SuperPointMaps, points: Tensor) -> Tensor:
        """Descriptors (B, N, 256) at points (B, N, 2) in pixels.

        The published weights of LightGlue were trained with descriptors that are read a little off: the middle of the
        first cell is right, the scale is (8 n - 4.5) pixels for n - 1 cells. It is kept, for they expect it.
        """
        cells = points.new_tensor([maps.descriptors.shape[-1], maps.descriptors.shape[-2]])
        position = (points - (CELL - 1) / 2) / (cells * CELL - (CELL + 1) / 2) * 2 - 1
        sampled = F.grid_sample(maps.descriptors, position[:, None], align_corners=True)
        return F.normalize(sampled[:, :, 0].transpose(1, 2), dim=-1)


def local_maxima(heat: Tensor, radius: int) -> Tensor:
    """Where (B, H, W) heat is the greatest within ``radius``; what only a loser outshone comes back, twice over."""
    peaks = heat == highest_near(heat, radius)
    for _ in range(2):
        shadow = highest_near(peaks.float(), radius) > 0
        rest = heat.masked_fill(shadow, 0)
        peaks = peaks | ((rest == highest_near(rest, radius)) & ~shadow)
    return peaks & (heat > 0)
