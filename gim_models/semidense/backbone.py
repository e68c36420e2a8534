"""From an image to the two grids LoFTR works on: coarse at 1/8, fine at 1/2.

Every stride-2 convolution has a centred kernel, so cell (x, y) of a grid sits on pixel (8 x, 8 y) or (2 x, 2 y).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gim_models.backbones.resnet import EXPANSION, ResNet, initialise
from gim_models.semidense.shape import LoftrShape
from gim_models.sparse.xfeat import DESCRIPTOR_DIM, XFeatExtractor, published_xfeat


def _smooth(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.LeakyReLU(),
        nn.Conv2d(channels, out, 3, 1, 1, bias=False),
    )


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)


class ResNetPyramid(nn.Module):
    """A ResNet without max-pool and a feature pyramid over its three stages; names as in GIM's checkpoint.

    Args:
        shape: the size of the LoFTR it belongs to.
    """

    def __init__(self, shape: LoftrShape) -> None:
        super().__init__()
        half, quarter, eighth = (EXPANSION * width for width in shape.widths)
        self.encode = ResNet(shape.stem_dim, shape.widths, shape.blocks)
        self.layer3_outconv = nn.Conv2d(eighth, shape.coarse_dim, 1, bias=False)
        self.layer2_outconv = nn.Conv2d(quarter, shape.coarse_dim, 1, bias=False)
        self.layer2_outconv2 = _smooth(shape.coarse_dim, shape.middle_dim)
        self.layer1_outconv = nn.Conv2d(half, shape.middle_dim, 1, bias=False)
        self.layer1_outconv2 = _smooth(shape.middle_dim, shape.fine_dim)
        initialise(self)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) in [0, 1], sides multiples of 8 -> coarse (B, C, H/8, W/8) and fine (B, F, H/2, W/2)."""
        half, quarter, eighth = self.encode.stages(self.encode.stem(images))
        coarse: Tensor = self.layer3_outconv(eighth)
        middle = self.layer2_outconv2(self.layer2_outconv(quarter) + _twice(coarse))
        fine: Tensor = self.layer1_outconv2(self.layer1_outconv(half) + _twice(middle))
        return coarse, fine


class XFeatPyramid(nn.Module):
    """Frozen XFeat at 1/8, two trained convolutions at 1/2 that see it from above (TinyRoMa's idea).

    XFeat's cell (x, y) covers pixels 8 x ... 8 x + 7, so its map is resampled to have cells *on* pixels (8 x, 8 y).

    Args:
        shape: the size of the LoFTR it belongs to.
    """

    def __init__(self, shape: LoftrShape) -> None:
        super().__init__()
        self.xfeat = XFeatExtractor()
        self.coarse = nn.Conv2d(DESCRIPTOR_DIM, shape.coarse_dim, 1, bias=False)
        self.stem = nn.Sequential(
            nn.Conv2d(3, shape.middle_dim, 7, 2, 3, bias=False), nn.BatchNorm2d(shape.middle_dim), nn.LeakyReLU()
        )
        self.above = nn.Conv2d(DESCRIPTOR_DIM, shape.middle_dim, 1, bias=False)
        self.fine = _smooth(shape.middle_dim, shape.fine_dim)
        for part in (self.coarse, self.stem, self.above, self.fine):
            initialise(part)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """As ``ResNetPyramid.forward``."""
        described = self.xfeat.dense(images).descriptors
        height, width = images.shape[-2:]
        eighth = _on_pixels(described, (height, width), 8)
        half = _on_pixels(described, (height, width), 2)
        fine: Tensor = self.fine(self.stem(images) + self.above(half))
        return self.coarse(eighth), fine


def _on_pixels(cells: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Resample a map that covers an image (height, width) to every ``stride``-th pixel centre, from pixel 0 on."""
    axes = [
        (torch.arange(0, side, stride, device=cells.device, dtype=cells.dtype) + 0.5) * (2 / side) - 1 for side in size
    ]
    y, x = torch.meshgrid(*axes, indexing="ij")
    grid = torch.stack([x, y], -1).expand(len(cells), -1, -1, -1)
    return F.grid_sample(cells, grid, padding_mode="border", align_corners=False)


def pyramid(shape: LoftrShape) -> ResNetPyramid | XFeatPyramid:
    """The backbone that ``shape`` names; XFeat's published weights are loaded later, with the rest or by a seed."""
    return ResNetPyramid(shape) if shape.backbone == "resnet" else XFeatPyramid(shape)


def load_published_xfeat(backbone: nn.Module) -> None:
    """Give an ``XFeatPyramid`` its frozen weights; other backbones have none.

    Raises:
        GimError: the published weights are not installed.
    """
    if isinstance(backbone, XFeatPyramid):
        backbone.xfeat.load_state_dict(published_xfeat().state_dict())
