"""From images to pyramids of features: pixels per cell -> (B, C, h, w); scale 1 is the image itself."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from gim_models.backbones.resnet import EXPANSION, ResNet
from gim_models.dense.warp import Pyramid
from gim_models.sparse.xfeat import DESCRIPTOR_DIM, QUARTER_DIM, XFeatExtractor, published_xfeat


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
    """Frozen XFeat at 1/4 and coarser (TinyRoMa's idea), the image itself above it. Nothing of it is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = {1: 3, 2: 3, 4: QUARTER_DIM} | dict.fromkeys((8, 16, 32), DESCRIPTOR_DIM)
        self.xfeat = XFeatExtractor()

    def forward(self, images: Tensor, coarsest: int) -> Pyramid:
        """(B, 3, H, W), sides multiples of 32 -> features at 1, 2, 4, ... ``coarsest``."""
        found = {1: images, 2: F.avg_pool2d(images, 2), 4: self.xfeat.quarter(images)}
        found[8] = self.xfeat.dense(images).descriptors
        while max(found) < coarsest:
            found[2 * max(found)] = F.avg_pool2d(found[max(found)], 2)
        return found


def load_frozen(encoder: nn.Module) -> None:
    """Give an ``XFeatEncoder`` its frozen weights; other encoders have none.

    Raises:
        GimError: the published weights are not installed.
    """
    if isinstance(encoder, XFeatEncoder):
        encoder.xfeat.load_state_dict(published_xfeat().state_dict())
