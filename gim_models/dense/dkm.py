"""DKM: dense kernelized matching (Edstedt et al., CVPR 2023), with the names of ``gim_dkm_100h``.

Two Gaussian processes at 1/32 and 1/16 say roughly where everything is, a small decoder reads flow and certainty out of
them, five refiners down to full resolution make it sharp. Gradients do not cross scales.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from gim_models.dense.anchors import anchors_to_flow, likeness
from gim_models.dense.encoders import ResNetEncoder, XFeatEncoder, load_frozen
from gim_models.dense.gaussian_process import GaussianProcess
from gim_models.dense.grid import centres, resized
from gim_models.dense.refiner import DEMO_REFINERS, ConvRefiner, RefinerShape, normalised
from gim_models.dense.warp import Pyramid, Warp, carried
from gim_models.seeding import seeded

_COARSE = (32, 16)
_PLACES = 20  # along either side of image 1 that coarse features are compared with
REFINERS = (
    RefinerShape(scale=16, displacement=128, radius=7),
    RefinerShape(scale=8, displacement=64, radius=3),
    RefinerShape(scale=4, displacement=32, radius=2),
    RefinerShape(scale=2, displacement=16),
    RefinerShape(scale=1, displacement=6, hidden=2),
)


class DkmShape(BaseModel):
    """The size of a DKM; the defaults are DKMv3's, which GIM trains.

    Attributes:
        encoder: ``resnet`` trained with the rest, or ``xfeat``: frozen, for the demo.
        stem_dim, widths, blocks: of the ResNet.
        project: channels of the features at 1/32 and 1/16.
        gp_dim, feature_dim, decoder_dim: of the Gaussian processes and of what reads them.
        likeness: logits per cosine of coarse features, whose best place in image 1 is where the flow starts; 0 as
            published: the decoder reads all of it out of the Gaussian process.
        refiners: coarse to fine; the flow goes on as it is through scales without one.
        hidden_blocks: of every refiner.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str = Field(default="resnet", pattern="^(resnet|xfeat)$")
    stem_dim: int = Field(default=64, ge=1)
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    project: int = Field(default=512, ge=1)
    gp_dim: int = Field(default=256, ge=1)
    feature_dim: int = Field(default=256, ge=1)
    decoder_dim: int = Field(default=384, ge=1)
    likeness: float = Field(default=0.0, ge=0)
    refiners: tuple[RefinerShape, ...] = REFINERS
    hidden_blocks: int = Field(default=8, ge=0)


def demo_dkm() -> DkmShape:
    """The size that trains on a laptop: frozen XFeat, narrow refiners."""
    return DkmShape(
        encoder="xfeat",
        project=64,
        gp_dim=64,
        feature_dim=64,
        decoder_dim=96,
        likeness=50.0,
        refiners=DEMO_REFINERS,
        hidden_blocks=2,
    )


class DKM(nn.Module):
    """The network.

    Args:
        shape: its size.
    """

    def __init__(self, shape: DkmShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = (
            ResNetEncoder(shape.stem_dim, shape.widths, shape.blocks) if shape.encoder == "resnet" else XFeatEncoder()
        )
        self.decoder = DkmDecoder(shape, self.encoder.channels)

    def pyramid(self, images: Tensor, coarsest: int) -> Pyramid:
        """Features of (B, 3, H, W) images in [0, 1], sides multiples of ``coarsest``."""
        found: Pyramid = self.encoder(images, coarsest)
        return found

    def decode(self, pyramid0: Pyramid, pyramid1: Pyramid) -> dict[int, Warp]:
        """The warp after every scale, 32 to 1."""
        first = pyramid0[_COARSE[0]]
        context = first.new_zeros(len(first), self.shape.decoder_dim, *first.shape[-2:])
        warp = Warp(
            centres((first.shape[-2], first.shape[-1]), first.device).expand(len(first), -1, -1, -1), context[:, :1]
        )
        found: dict[int, Warp] = {}
        for scale in (32, 16, 8, 4, 2, 1):
            features = self.decoder.project(pyramid0, scale), self.decoder.project(pyramid1, scale)
            warp = carried(warp, features[0])
            if scale in _COARSE:
                warp, context = self.decoder.locate(*features, resized(context, _side(features[0])), scale)
                warp = self._from_likeness(warp, pyramid0[scale], pyramid1[scale])
            found[scale] = warp = self.decoder.refine(*features, warp, scale, (pyramid0, pyramid1))
        return found

    def _from_likeness(self, warp: Warp, features0: Tensor, features1: Tensor) -> Warp:
        """The flow as counted from the place that looks most alike."""
        if not self.shape.likeness:
            return warp
        start = anchors_to_flow(likeness(features0, features1, _PLACES, self.shape.likeness))
        return Warp(start + warp.flow, warp.certainty)

    def sharpen(self, pyramid0: Pyramid, pyramid1: Pyramid, warp: Warp, zoom: float) -> dict[int, Warp]:
        """Refine once more on larger images; DKM needs no ``zoom``."""
        found: dict[int, Warp] = {}
        for scale in (8, 4, 2, 1):
            warp = carried(warp, pyramid0[scale])
            features = pyramid0[scale], pyramid1[scale]
            found[scale] = warp = self.decoder.refine(*features, warp, scale, (pyramid0, pyramid1))
        return found


class DkmDecoder(nn.Module):
    """Everything behind the encoder, under the names of the checkpoint.

    Args:
        shape: the size of the DKM.
        channels: of the encoder by scale.
    """

    def __init__(self, shape: DkmShape, channels: dict[int, int]) -> None:
        super().__init__()
        self.embedding_decoder = FlowReader(shape)
        self.gps = nn.ModuleDict({str(scale): GaussianProcess(shape.gp_dim) for scale in _COARSE})
        self.proj = nn.ModuleDict({str(scale): nn.Conv2d(channels[scale], shape.project, 1) for scale in (16, 32)})
        widths = channels | dict.fromkeys(_COARSE, shape.project)
        self.conv_refiner = nn.ModuleDict(
            {str(part.scale): ConvRefiner(widths[part.scale], part, shape.hidden_blocks) for part in shape.refiners}
        )

    def project(self, pyramid: Pyramid, scale: int) -> Tensor:
        """The features of ``scale``, with fewer channels where they are coarse."""
        features = pyramid[scale]
        if str(scale) in self.proj:
            features = self.proj[str(scale)](features)
        return features

    def locate(self, features0: Tensor, features1: Tensor, context: Tensor, scale: int) -> tuple[Warp, Tensor]:
        """Flow anew from a Gaussian process, and the context for the next one."""
        posterior = self.gps[str(scale)](features0, features1)
        found: tuple[Warp, Tensor] = self.embedding_decoder(posterior, features0, context, str(scale))
        return found

    def refine(
        self, features0: Tensor, features1: Tensor, warp: Warp, scale: int, pyramids: tuple[Pyramid, Pyramid]
    ) -> Warp:
        """Let the flow settle and add the refiner's correction, if there is a refiner."""
        if str(scale) not in self.conv_refiner:
            return warp
        refiner = cast(ConvRefiner, self.conv_refiner[str(scale)])
        flow = refiner.settled(pyramids[0][scale], pyramids[1][scale], warp.flow)
        out = refiner(features0, features1, flow, 1.0)
        step = normalised(out[:, 1:], scale, _side(pyramids[0][1]))
        return Warp(flow + step, warp.certainty + out[:, :1])


class FlowReader(nn.Module):
    """Reads flow and certainty out of a Gaussian process, coarse to fine (DFN, Yu et al., CVPR 2018).

    Args:
        shape: the size of the DKM.
    """

    def __init__(self, shape: DkmShape) -> None:
        super().__init__()
        inner = shape.decoder_dim
        self.feat_input_modules = _per_scale(nn.Conv2d(shape.project, shape.feature_dim, 1) for _ in _COARSE)
        self.rrb_d = _per_scale(Residual(shape.gp_dim + shape.feature_dim, inner) for _ in _COARSE)
        self.cab = _per_scale(ChannelAttention(inner) for _ in _COARSE)
        self.rrb_u = _per_scale(Residual(inner, inner) for _ in _COARSE)
        self.terminal_module = _per_scale(nn.Conv2d(inner, 3, 1) for _ in _COARSE)

    def forward(self, posterior: Tensor, features: Tensor, context: Tensor, scale: str) -> tuple[Warp, Tensor]:
        """(B, G, h, w), (B, C, h, w), (B, D, h, w) -> the warp and the new context (B, D, h, w)."""
        here = self.rrb_d[scale](torch.cat([self.feat_input_modules[scale](features), posterior], 1))
        context = self.rrb_u[scale](self.cab[scale](context, here))
        out = self.terminal_module[scale](context)
        return Warp(out[:, 1:], out[:, :1]), context


class Residual(nn.Module):
    """A 1 x 1 convolution and two 3 x 3 around it."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 1)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1)
        self.bn = nn.BatchNorm2d(out)
        self.conv3 = nn.Conv2d(out, out, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, out, h, w)."""
        x = self.conv1(x)
        out: Tensor = (x + self.conv3(self.bn(self.conv2(x)).relu())).relu()
        return out


class ChannelAttention(nn.Module):
    """Adds the finer stage to the coarser one, each channel as much as both together say."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2 * channels, channels, 1)
        self.conv2 = nn.Conv2d(channels, channels, 1)

    def forward(self, coarser: Tensor, finer: Tensor) -> Tensor:
        """Twice (B, C, h, w) -> (B, C, h, w)."""
        mean = torch.cat([coarser, finer], 1).mean((2, 3), keepdim=True)
        out: Tensor = coarser + finer * self.conv2(self.conv1(mean).relu()).sigmoid()
        return out


def _per_scale(modules: Iterable[nn.Module]) -> nn.ModuleDict:
    return nn.ModuleDict(dict(zip(map(str, _COARSE), modules, strict=True)))


def _side(features: Tensor) -> tuple[int, int]:
    return features.shape[-2], features.shape[-1]


def seeded_dkm(shape: DkmShape, seed: int) -> DKM:
    """An untrained network that depends on ``seed`` alone; a frozen encoder has its published weights.

    One that starts from likeness says nothing else at first.

    Raises:
        GimError: the published weights of the encoder are not installed.
    """
    net = seeded(lambda: DKM(shape), seed)
    load_frozen(net.encoder)
    if shape.likeness:
        for parameter in net.decoder.embedding_decoder.terminal_module.parameters():
            nn.init.zeros_(parameter)
    return net
