"""ResNet with bottlenecks, by hand: torchvision is not among our dependencies, its names are in every checkpoint.

The stride sits in the 3 x 3 convolution ("v1.5"), as in torchvision's weights and therefore in GIM's checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

EXPANSION = 4  # a bottleneck of width w has 4 w channels going out


class Bottleneck(nn.Module):
    """1 x 1 down, 3 x 3, 1 x 1 up, added to the input (He et al., CVPR 2016).

    Args:
        channels: channels coming in.
        width: channels of the 3 x 3 convolution; ``EXPANSION * width`` go out.
        stride: of the 3 x 3 convolution.
    """

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = EXPANSION * width
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        same = stride == 1 and channels == out
        self.downsample = (
            None if same else nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, 4 width, h / stride, w / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        shortcut: Tensor = x if self.downsample is None else self.downsample(x)
        out: Tensor = self.relu(y + shortcut)
        return out


class ResNet(nn.Module):
    """A stem at half resolution and stages ``layer1``, ``layer2``, ...: the first keeps, each further one halves.

    Whether a max-pool stands between stem and stages is the caller's affair: LoFTR has none, DKM has one.

    Args:
        stem_dim: channels of the stem.
        widths: bottleneck width of every stage.
        blocks: how many bottlenecks every stage has.
    """

    def __init__(self, stem_dim: int, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, stem_dim, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem_dim)
        self.relu = nn.ReLU(inplace=True)
        self.depth = len(widths)
        channels = stem_dim
        for number, (width, count) in enumerate(zip(widths, blocks, strict=True), 1):
            stage = [Bottleneck(channels, width, 1 if number == 1 else 2)]
            channels = EXPANSION * width
            stage += [Bottleneck(channels, width, 1) for _ in range(count - 1)]
            self.add_module(f"layer{number}", nn.Sequential(*stage))
        initialise(self)

    def stem(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, stem_dim, H / 2, W / 2)."""
        out: Tensor = self.relu(self.bn1(self.conv1(images)))
        return out

    def stages(self, x: Tensor) -> Iterator[Tensor]:
        """What every stage makes of ``x``, each of half the resolution of the one before; run as they are asked for."""
        for number in range(1, self.depth + 1):
            x = self.get_submodule(f"layer{number}")(x)
            yield x


def initialise(module: nn.Module) -> None:
    """Kaiming weights (fan out) in every convolution below ``module``; batch norms start as the identity anyway."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
