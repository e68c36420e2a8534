"""RoMa: robust dense matching (Edstedt et al., CVPR 2024), with the names of ``gim_roma_100h``.

Frozen DINOv2 features say roughly where everything is: a Gaussian process and five transformer blocks classify every
cell of image 0 into 64 x 64 anchors of image 1. Features of a VGG19 refine that down to full resolution.
"""

from __future__ import annotations

from typing import Any, Literal, Self, cast

import torch
from kornia.feature.dedode.transformer.dinov2 import DinoVisionTransformer
from kornia.feature.dedode.transformer.layers.block import Block
from kornia.feature.dedode.vgg import make_layers
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from gim_models.dense.anchors import anchors_to_flow, likeness
from gim_models.dense.encoders import XFeatEncoder
from gim_models.dense.gaussian_process import GaussianProcess
from gim_models.dense.refiner import DEMO_REFINERS, ConvRefiner, RefinerShape, normalised
from gim_models.dense.warp import Pyramid, Warp, carried
from gim_models.seeding import seeded
from gim_models.sparse.xfeat import DESCRIPTOR_DIM, XFeatExtractor, published_xfeat

_COARSE = 16  # the scale that DINOv2's features stand at, though its patches are 14 pixels wide
_GAIN = 40 / 32  # what displacements are multiplied by before they are embedded
PATCH = 14  # side of a DINOv2 patch in pixels


class RomaShape(BaseModel):
    """The size of a RoMa; the defaults are the published ones, which GIM trains.

    Attributes:
        coarse: ``dinov2`` (ViT-L/14, frozen) or ``xfeat`` (frozen, for the demo).
        vgg: channels and repetitions of the VGG levels at 1, 1/2, 1/4, 1/8; none: fine features are XFeat's too.
        project: channels of the features at 1/16, 1/8, 1/4, 1/2, 1, of which those with a refiner are used.
        gp_dim: of the Gaussian process; with ``project[0]`` the width of the decoder.
        blocks, heads: of the transformer decoder.
        anchors: along either side of image 1.
        likeness: logits that the coarse features' own cosines add to the anchors'; 0 as published.
        refiners: coarse to fine; the flow goes on as it is through scales without one.
        hidden_blocks: of every refiner.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    coarse: Literal["dinov2", "xfeat"] = "dinov2"
    vgg: tuple[tuple[int, int], ...] = ((64, 2), (128, 2), (256, 4), (512, 4))
    project: tuple[int, int, int, int, int] = (512, 512, 256, 64, 9)
    gp_dim: int = Field(default=512, ge=1)
    blocks: int = Field(default=5, ge=1)
    heads: int = Field(default=8, ge=1)
    anchors: int = Field(default=64, ge=2)
    likeness: float = Field(default=0.0, ge=0)
    refiners: tuple[RefinerShape, ...] = (
        RefinerShape(scale=16, displacement=128, radius=7),
        RefinerShape(scale=8, displacement=64, radius=3),
        RefinerShape(scale=4, displacement=32, radius=2),
        RefinerShape(scale=2, displacement=16),
        RefinerShape(scale=1, displacement=6),
    )
    hidden_blocks: int = Field(default=8, ge=0)

    @model_validator(mode="after")
    def _has_fine_features(self) -> Self:
        if not self.vgg and self.coarse != "xfeat":
            raise ValueError("only xfeat has fine features of its own: name the levels of vgg")
        return self


def demo_roma() -> RomaShape:
    """The size that trains on a laptop: frozen XFeat, 16 x 16 anchors."""
    return RomaShape(
        coarse="xfeat",
        vgg=(),
        project=(64, 64, 24, 16, 8),
        gp_dim=64,
        blocks=2,
        heads=4,
        anchors=16,
        likeness=50.0,
        refiners=DEMO_REFINERS,
        hidden_blocks=2,
    )


class RoMa(nn.Module):
    """The network.

    Args:
        shape: its size.
    """

    def __init__(self, shape: RomaShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = RomaEncoder(shape) if shape.vgg else XFeatEncoder()
        self.decoder = RomaDecoder(shape, self.encoder.channels)

    def pyramid(self, images: Tensor, coarsest: int) -> Pyramid:
        """Features of (B, 3, H, W) images in [0, 1]; sides multiples of 8, and of 14 where DINOv2 looks."""
        found: Pyramid = self.encoder(images, coarsest)
        return found

    def decode(self, pyramid0: Pyramid, pyramid1: Pyramid) -> dict[int, Warp]:
        """The warp after every scale, 16 to 1."""
        return self.descend(self.anchors(pyramid0, pyramid1), pyramid0, pyramid1)

    def descend(self, anchors: Tensor, pyramid0: Pyramid, pyramid1: Pyramid) -> dict[int, Warp]:
        """The warp after every scale, from what ``anchors`` said."""
        start = Warp(anchors_to_flow(anchors[:, :-1]), anchors[:, -1:])
        return self._refine(pyramid0, pyramid1, start, 1.0, _COARSE)

    def anchors(self, pyramid0: Pyramid, pyramid1: Pyramid) -> Tensor:
        """Logits (B, anchors² + 1, h, w) of the coarse classification, the last one the certainty."""
        return self.decoder.classify(pyramid0, pyramid1)

    def sharpen(self, pyramid0: Pyramid, pyramid1: Pyramid, warp: Warp, zoom: float) -> dict[int, Warp]:
        """Refine once more on images ``zoom`` times as large."""
        return self._refine(pyramid0, pyramid1, warp, zoom, 8)

    def _refine(self, pyramid0: Pyramid, pyramid1: Pyramid, warp: Warp, zoom: float, start: int) -> dict[int, Warp]:
        found: dict[int, Warp] = {}
        size = (pyramid0[1].shape[-2], pyramid0[1].shape[-1])
        scale = start
        while scale >= 1:
            if scale != _COARSE:
                warp = carried(warp, pyramid0[scale])
            if str(scale) in self.decoder.conv_refiner:
                refiner = cast(ConvRefiner, self.decoder.conv_refiner[str(scale)])
                raw = pyramid0[scale], pyramid1[scale]
                flow = refiner.settled(*raw, warp.flow)
                out = refiner(*map(self.decoder.proj[str(scale)], raw), flow, _GAIN * zoom)
                warp = Warp(flow + normalised(out[:, :2], scale, size), warp.certainty + out[:, 2:])
            found[scale] = warp
            scale //= 2
        return found


class RomaEncoder(nn.Module):
    """A VGG with batch norm for fine features, a frozen network for coarse ones.

    Args:
        shape: the size of the RoMa.
    """

    def __init__(self, shape: RomaShape) -> None:
        super().__init__()
        self.cnn = Vgg(shape.vgg)
        self.channels = {1 << level: channels for level, (channels, _) in enumerate(shape.vgg)}
        if shape.coarse == "dinov2":
            self.dinov2 = dinov2()
            self.channels[_COARSE] = self.dinov2.embed_dim
        else:
            self.xfeat = XFeatExtractor()
            self.channels[_COARSE] = DESCRIPTOR_DIM
        self.coarse = shape.coarse

    def forward(self, images: Tensor, coarsest: int) -> Pyramid:
        """(B, 3, H, W) -> features at 1, 2, 4, 8 and, if asked for, 16."""
        found: dict[int, Tensor] = self.cnn(images)
        if coarsest >= _COARSE:
            found[_COARSE] = self._frozen(images)
        return found

    @torch.no_grad()
    def _frozen(self, images: Tensor) -> Tensor:
        if self.coarse == "xfeat":
            return F.avg_pool2d(self.xfeat.dense(images).descriptors, 2)
        tokens = self.dinov2.forward_features(images)["x_norm_patchtokens"]
        height, width = (side // PATCH for side in images.shape[-2:])
        patches: Tensor = tokens.transpose(1, 2).reshape(len(images), -1, height, width)
        return patches


class Vgg(nn.Module):
    """VGG with batch norm (Simonyan and Zisserman, ICLR 2015); every level is kept before its pooling.

    Args:
        levels: channels and repetitions.
    """

    def __init__(self, levels: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        plan: list[int | str] = []
        for channels, times in levels:
            plan += [*[channels] * times, "M"]
        self.layers = nn.ModuleList(make_layers(plan, batch_norm=True))

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        """(B, 3, H, W) -> features at 1, 2, 4, ..."""
        found: dict[int, Tensor] = {}
        for layer in self.layers:
            if isinstance(layer, nn.MaxPool2d):
                found[1 << len(found)] = x
            x = layer(x)
        return found


class RomaDecoder(nn.Module):
    """Everything behind the encoder, under the names of the checkpoint.

    Args:
        shape: the size of the RoMa.
        channels: of the encoder by scale.
    """

    def __init__(self, shape: RomaShape, channels: dict[int, int]) -> None:
        super().__init__()
        self.anchors, self.likeness = shape.anchors, shape.likeness
        used = {_COARSE, *(part.scale for part in shape.refiners)}
        widths = {k: width for k, width in zip((16, 8, 4, 2, 1), shape.project, strict=True) if k in used}
        self.embedding_decoder = AnchorClassifier(shape)
        self.gps = nn.ModuleDict({str(_COARSE): GaussianProcess(shape.gp_dim)})
        self.proj = nn.ModuleDict(
            {
                str(scale): nn.Sequential(nn.Conv2d(channels[scale], width, 1), nn.BatchNorm2d(width))
                for scale, width in widths.items()
            }
        )
        self.conv_refiner = nn.ModuleDict(
            {str(part.scale): ConvRefiner(widths[part.scale], part, shape.hidden_blocks) for part in shape.refiners}
        )

    def classify(self, pyramid0: Pyramid, pyramid1: Pyramid) -> Tensor:
        """Anchor logits and certainty (B, anchors² + 1, h, w)."""
        key = str(_COARSE)
        features0, features1 = (self.proj[key](pyramid[_COARSE]) for pyramid in (pyramid0, pyramid1))
        logits: Tensor = self.embedding_decoder(torch.cat([self.gps[key](features0, features1), features0], 1))
        if self.likeness:
            like = likeness(pyramid0[_COARSE], pyramid1[_COARSE], self.anchors, self.likeness)
            logits = logits + F.pad(like, (0, 0, 0, 0, 0, 1))
        return logits


class AnchorClassifier(nn.Module):
    """Transformer blocks without position encoding, and a linear read-out.

    Args:
        shape: the size of the RoMa.
    """

    def __init__(self, shape: RomaShape) -> None:
        super().__init__()
        width = shape.gp_dim + shape.project[0]
        self.blocks = nn.Sequential(*(Block(width, shape.heads) for _ in range(shape.blocks)))
        self.to_out = nn.Linear(width, shape.anchors**2 + 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> (B, anchors² + 1, h, w)."""
        tokens = self.to_out(self.blocks(x.flatten(2).transpose(1, 2)))
        logits: Tensor = tokens.transpose(1, 2).reshape(len(x), -1, *x.shape[-2:])
        return logits


def dinov2() -> DinoVisionTransformer:
    """An empty DINOv2 ViT-L/14 (Oquab et al., 2023) in kornia's implementation, whose names are the published ones."""
    options: dict[str, Any] = {"embed_dim": 1024, "depth": 24, "num_heads": 16, "init_values": 1.0, "block_chunks": 0}
    # One rate everywhere (it is 0): rates per block would be read out of a tensor, which the meta device cannot.
    return DinoVisionTransformer(img_size=518, patch_size=PATCH, drop_path_uniform=True, **options).eval()


def seeded_roma(shape: RomaShape, seed: int) -> RoMa:
    """An untrained network that depends on ``seed`` alone; frozen XFeat has its published weights, DINOv2 none yet.

    Raises:
        GimError: the published weights of XFeat are needed and not installed.
    """
    net = seeded(lambda: RoMa(shape), seed)
    if shape.coarse == "xfeat":
        net.encoder.xfeat.load_state_dict(published_xfeat().state_dict())
    return net
