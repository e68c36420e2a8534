"""From images to pyramids of features: pixels per cell -> (B, C, h, w); scale 1 is the image itself."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from gim_models.backbones.resnet import EXPANSION, ResNet, initialise
from gim_models.dense.warp import Pyramid
from gim_models.sparse.xfeat import DESCRIPTOR_DIM, XFeatExtractor, published_xfeat


class ResNetEncoder(nn.Module):
    """ResNet with its max-pool, every stage kept (DKM).

    Args:
        stem_dim, widths, blocks: of the ResNet.
    """

    def __init__(self, stem_dim: int, widths: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.net = ResNet(stem_dim, widths, blocks)
        self.channels = {1: 3, 2: stem_dim} | {4 << i: EXPANSION * width for i, width in enumerate(widths)}

    def forward(self, images: Tensor, coarsest: int) -> Pyramid:
        """(B, 3, H, W) -> features at 1, 2, 4, ... ``coarsest``."""
        stem = self.net.stem(images)
        found = {1: images, 2: stem}
        stages = self.net.stages(F.max_pool2d(stem, 3, 2, 1))
        scale = 4
        while scale <= coarsest:
            found[scale] = next(stages)
            scale *= 2
        return found


class XFeatEncoder(nn.Module):
    """Frozen XFeat at 1/8 and coarser, a few trained convolutions above it (TinyRoMa's idea)."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = {1: 3, 2: 8, 4: 16} | dict.fromkeys((8, 16, 32), DESCRIPTOR_DIM)
        self.xfeat = XFeatExtractor()
        self.to_half = _halving(3, self.channels[2])
        self.to_quarter = _halving(self.channels[2], self.channels[4])
        for part in (self.to_half, self.to_quarter):
            initialise(part)

    def forward(self, images: Tensor, coarsest: int) -> Pyramid:
        """(B, 3, H, W), sides multiples of 32 -> features at 1, 2, 4, ... ``coarsest``."""
        half = self.to_half(images)
        found = {1: images, 2: half, 4: self.to_quarter(half), 8: self.xfeat.dense(images).descriptors}
        while max(found) < coarsest:
            found[2 * max(found)] = F.avg_pool2d(found[max(found)], 2)
        return found


def _halving(channels: int, out: int) -> nn.Sequential:
    """An even kernel looks at the middle of the coarser cell; an odd one would look half a finer cell beside it."""
    return nn.Sequential(nn.Conv2d(channels, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def load_frozen(encoder: nn.Module) -> None:
    """Give an ``XFeatEncoder`` its frozen weights; other encoders have none.

    Raises:
        GimError: the published weights are not installed.
    """
    if isinstance(encoder, XFeatEncoder):
        encoder.xfeat.load_state_dict(published_xfeat().state_dict())
