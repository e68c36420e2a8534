"""SuperGlue over any detector: attention between keypoints, then optimal transport (Sarlin et al., CVPR 2020).

Written from the paper. Two things differ: keypoints come without their detector's score, so position alone is encoded;
and the published weights do not load, for their licence forbids most uses.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from kornia.feature.lightglue import filter_matches
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from gim_models.folder import Loader
from gim_models.seeding import seeded
from gim_models.sparse.attention import attend
from gim_models.sparse.lightglue import Side
from gim_models.sparse.matcher import SparseGlueMatcher, over_detector

_WIDE = 0.7  # keypoints are divided by this much of the longer side
_SHARPNESS = 40.0  # score that equal descriptors start with
_DOUBT = 0.7  # cosine at which an untrained network is of two minds whether to match at all


class SuperGlueShape(BaseModel):
    """The size of a SuperGlue; the defaults are the paper's, but for the descriptors, which are XFeat's.

    Attributes:
        input_dim: of the detector's descriptors.
        descriptor_dim: inside.
        encoder: hidden widths of the position encoder.
        pairs: of self- and cross-attention.
        num_heads: of every attention.
        iterations: of Sinkhorn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_dim: int = Field(default=64, ge=2)
    descriptor_dim: int = Field(default=256, ge=4)
    encoder: tuple[int, ...] = (32, 64, 128, 256)
    pairs: int = Field(default=9, ge=1)
    num_heads: int = Field(default=4, ge=1)
    iterations: int = Field(default=100, ge=1)


def demo_superglue() -> SuperGlueShape:
    """The size that trains on a laptop."""
    return SuperGlueShape(descriptor_dim=96, encoder=(32, 64), pairs=3, num_heads=2, iterations=30)


class SuperGlue(nn.Module):
    """The network, read by training as ``GlueNet`` is: states of both images, then a log-assignment.

    Args:
        shape: its size.
    """

    def __init__(self, shape: SuperGlueShape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.descriptor_dim
        self.input_proj = nn.Linear(shape.input_dim, width) if shape.input_dim != width else nn.Identity()
        self.position = _mlp((2, *shape.encoder, width))
        self.attention = nn.ModuleList(Attention(width, shape.num_heads) for _ in range(2 * shape.pairs))
        self.final_proj = nn.Linear(width, width)
        self.dustbin = nn.Parameter(torch.tensor(1.0))

    def layers(self, side0: Side, side1: Side, *, dtype: torch.dtype = torch.float32) -> list[tuple[Tensor, Tensor]]:
        """The state (B, M, d), (B, N, d) of both images after the last layer: SuperGlue has one read-out.

        Args:
            side0, side1: the images.
            dtype: of the products inside the layers; the states between them stay float32 in any case.
        """
        x0, x1 = self._embed(side0), self._embed(side1)
        with torch.autocast(x0.device.type, dtype, enabled=dtype != torch.float32):
            for number, layer in enumerate(self.attention):
                source0, source1 = (x0, x1) if number % 2 == 0 else (x1, x0)
                x0, x1 = x0 + layer(x0, source0), x1 + layer(x1, source1)
        return [(x0, x1)]

    def assignment(self, states: list[tuple[Tensor, Tensor]], layer: int = -1) -> Tensor:
        """Log-assignment (B, M + 1, N + 1): the last row and column are dustbins; every keypoint's row sums to 1."""
        x0, x1 = (self.final_proj(x.float()) for x in states[layer])
        scores = x0 @ x1.transpose(1, 2) / self.shape.descriptor_dim**0.5
        return log_transport(scores, self.dustbin, self.shape.iterations)

    def mutual(self, states: list[tuple[Tensor, Tensor]], threshold: float) -> tuple[Tensor, Tensor]:
        """As of ``GlueNet``."""
        target, _, sure, _ = filter_matches(self.assignment(states), threshold)
        return target, sure

    def _embed(self, side: Side) -> Tensor:
        longest = side.size.max(1, keepdim=True).values
        centred = (side.points - side.size[:, None] / 2) / (_WIDE * longest)[:, None]
        embedded: Tensor = self.input_proj(side.descriptors) + self.position(centred)
        return embedded


class Attention(nn.Module):
    """What keypoints (B, M, d) hear from others (B, N, d), as an update (B, M, d)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.merge = (nn.Linear(width, width) for _ in range(4))
        self.update = _mlp((2 * width, 2 * width, width))

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        """The update of ``x``."""
        query, key, value = (
            projection(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection, tokens in ((self.query, x), (self.key, source), (self.value, source))
        )
        heard = attend(query, key, value).transpose(1, 2).flatten(2)
        update: Tensor = self.update(torch.cat([x, self.merge(heard)], -1))
        return update


class _TokenNorm(nn.BatchNorm1d):
    """Batch norm over all tokens of all pairs."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def _mlp(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels, out in pairwise(widths):
        layers += [nn.Linear(channels, out), _TokenNorm(out), nn.ReLU()]
    return nn.Sequential(*layers[:-2])


def log_transport(scores: Tensor, dustbin: Tensor, iterations: int) -> Tensor:
    """Optimal transport with dustbins, by Sinkhorn in the log domain (paper, section 3.2).

    Every keypoint has mass 1 and a dustbin holds as much as the other image has keypoints. Columns sum to their mass
    exactly, rows as well as ``iterations`` allow.

    Args:
        scores: (B, M, N).
        dustbin: scalar score of not matching.
        iterations: how often rows and columns are normalised.

    Returns:
        (B, M + 1, N + 1) logarithms of the transported mass.
    """
    count, rows, columns = scores.shape
    augmented = torch.cat([scores, dustbin.expand(count, rows, 1)], 2)
    augmented = torch.cat([augmented, dustbin.expand(count, 1, columns + 1)], 1)
    mass0, mass1 = _log_mass(rows, columns, scores), _log_mass(columns, rows, scores)
    v = scores.new_zeros(count, 1, columns + 1)
    for _ in range(iterations):
        u = mass0[None, :, None] - (augmented + v).logsumexp(2, keepdim=True)
        v = mass1[None, None] - (augmented + u).logsumexp(1, keepdim=True)
    return augmented + u + v


def _log_mass(own: int, other: int, like: Tensor) -> Tensor:
    """(own + 1,) zeros for the keypoints, log ``other`` for the dustbin."""
    mass = like.new_zeros(own + 1)
    mass[-1] = math.log(max(other, 1))
    return mass


def seeded_superglue(shape: SuperGlueShape, seed: int, *, appearance: int = 0) -> SuperGlue:
    """An untrained network that depends on ``seed`` alone and starts as a matcher by nearest descriptors.

    Args:
        shape: its size.
        seed: of its random numbers.
        appearance: as of ``seeded_glue``.
    """
    return seeded(lambda: _start_as_nearest_neighbour(SuperGlue(shape), appearance or shape.input_dim), seed)


@torch.no_grad()
def _start_as_nearest_neighbour(net: SuperGlue, appearance: int) -> SuperGlue:
    """No layer adds anything yet, descriptors enter through an isometry and are compared as they are."""
    if isinstance(net.input_proj, nn.Linear):
        nn.init.zeros_(net.input_proj.weight[:, appearance:])
        nn.init.orthogonal_(net.input_proj.weight[:, :appearance])
        nn.init.zeros_(net.input_proj.bias)
    updates = (layer.update for layer in net.attention if isinstance(layer, Attention))
    for parameter in (value for mlp in (net.position, *updates) for value in mlp[-1].parameters()):
        nn.init.zeros_(parameter)
    nn.init.eye_(net.final_proj.weight).mul_((_SHARPNESS * net.shape.descriptor_dim**0.5) ** 0.5)
    nn.init.zeros_(net.final_proj.bias)
    net.dustbin.fill_(_SHARPNESS * _DOUBT)
    return net


class SuperGlueConfig(BaseModel):
    """What ``config.json`` says of a SuperGlue student."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: str = Field(default="superglue", pattern="^superglue$")
    detector: str = Field(default="xfeat", pattern="^(sift|xfeat)$")
    shape: SuperGlueShape = SuperGlueShape()
    max_keypoints: int = Field(default=2048, ge=1)
    filter_threshold: float = Field(default=0.2, ge=0, le=1)


load_superglue: Loader[SuperGlueConfig, SuperGlue, SparseGlueMatcher[SuperGlue]] = Loader(
    "superglue", SuperGlueConfig, lambda config: SuperGlue(config.shape), over_detector
)
"""A SuperGlue from the folder that its training made; see ``Loader``."""
