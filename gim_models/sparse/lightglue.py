"""LightGlue, trainable: kornia's network with the log-assignment of every layer in the open.

kornia's ``forward`` is made for inference: it filters matches and shows the last layer only. Training needs all layers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from kornia.feature.lightglue import LightGlue, normalize_keypoints
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from gim_models.seeding import seeded
from gim_models.sparse.attention import use_plain_attention
from gim_models.sparse.weights import load_strictly, read_pickle, weights_file

_SHARPNESS = 40.0  # similarity that equal descriptors start with, that is the inverse temperature of the softmax

_LOOKING = 20.0  # the same inside cross-attention, which otherwise looks everywhere at once
_FOCUS = 2.0  # how much sharper self-attention starts than by default
_HOPEFUL = 2.0  # logit of being matchable that every keypoint starts with


class GlueShape(BaseModel):
    """The size of a LightGlue network; the defaults are LighterGlue's (6 layers of 96, for 64-d XFeat descriptors)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_dim: int = Field(default=64, ge=2)
    descriptor_dim: int = Field(default=96, ge=4)
    n_layers: int = Field(default=6, ge=1)
    num_heads: int = Field(default=1, ge=1)


class Side(NamedTuple):
    """One image of a batch, as the network reads it.

    Attributes:
        points: (B, N, 2) pixels.
        descriptors: (B, N, D).
        size: (B, 2) width and height.
    """

    points: Tensor
    descriptors: Tensor
    size: Tensor


class GlueNet(LightGlue):  # type: ignore[misc]
    """kornia's LightGlue without early exit and pruning, which change results with the batch a pair is in.

    Args:
        shape: its size.
    """

    def __init__(self, shape: GlueShape) -> None:
        super().__init__(None, **shape.model_dump(), flash=False, depth_confidence=-1, width_confidence=-1)
        self.shape = shape
        use_plain_attention(self.transformers, shape.descriptor_dim, shape.num_heads)

    def layers(self, side0: Side, side1: Side, *, dtype: torch.dtype = torch.float32) -> list[tuple[Tensor, Tensor]]:
        """The state (B, M, d), (B, N, d) of both images after every layer.

        Args:
            side0, side1: the images.
            dtype: of the products inside the layers; the states between them stay float32 in any case.
        """
        x0, encoding0 = self._embed(side0)
        x1, encoding1 = self._embed(side1)
        states = []
        with torch.autocast(x0.device.type, dtype, enabled=dtype != torch.float32):
            for layer in self.transformers:
                x0, x1 = layer(x0, x1, encoding0, encoding1)
                states.append((x0, x1))
        return states

    def assignment(self, states: list[tuple[Tensor, Tensor]], layer: int = -1) -> Tensor:
        """Log-assignment (B, M + 1, N + 1) read out after ``layer``: the last row and column are the dustbins."""
        x0, x1 = states[layer]
        scores: Tensor = self.log_assignment[layer](x0, x1)[0]
        return scores

    def mutual(self, states: list[tuple[Tensor, Tensor]], threshold: float) -> tuple[Tensor, Tensor]:
        """Keypoints that are each other's best, read out after the last layer.

        As kornia's ``filter_matches`` of ``assignment``, in half the time: as a product of two softmaxes.

        Args:
            states: as from ``layers``.
            threshold: probability a match must exceed.

        Returns:
            (B, M) index of every first keypoint's partner, or -1; (B, M) its probability, 0 where it is not mutual.
        """
        x0, x1 = states[-1]
        head = self.log_assignment[-1]
        likeness = head.final_proj(x0) @ head.final_proj(x1).mT / self.shape.descriptor_dim**0.5
        sure = likeness.softmax(2).mul_(likeness.softmax(1))
        sure.mul_(head.matchability(x0).sigmoid()).mul_(head.matchability(x1).sigmoid().mT)
        best, target = sure.max(2)
        agree = best == sure.amax(1).gather(1, target)  # an argmax along the columns costs as much as all else
        rows = torch.arange(best.shape[1], device=best.device).expand_as(target)
        nobody = torch.full_like(sure[:, 0], best.shape[1], dtype=rows.dtype)
        first = nobody.scatter_reduce(1, target, rows.where(agree, best.shape[1]), "amin")
        agree &= first.gather(1, target) == rows  # of equal keypoints one is matched
        return torch.where(agree & (best > threshold), target, -1), torch.where(agree, best, 0)

    def _embed(self, side: Side) -> tuple[Tensor, Tensor]:
        encoding: Tensor = self.posenc(normalize_keypoints(side.points, side.size))
        return self.input_proj(side.descriptors), encoding


def read_lighterglue() -> dict[str, Tensor]:
    """The published LighterGlue weights under the names of ``GlueNet``.

    Raises:
        GimError: the weights are not installed.
    """
    state = read_pickle(weights_file("lighterglue"))
    return {name.removeprefix("matcher."): value for name, value in state.items() if name.startswith("matcher.")}


def published_glue() -> GlueNet:
    """LighterGlue with its published weights, in evaluation mode.

    Raises:
        GimError: the weights are not installed or do not fit.
    """
    net = GlueNet(GlueShape())
    derived: dict[str, Any] = {"confidence_thresholds": net.confidence_thresholds}
    load_strictly(net, read_lighterglue() | derived, weights_file("lighterglue"))
    net.eval()
    return net


def seeded_glue(shape: GlueShape, seed: int, *, appearance: int = 0) -> GlueNet:
    """An untrained network that depends on ``seed`` alone; the global generator is left as it was.

    It starts as a matcher by nearest descriptors: descriptors enter through an isometry, cross-attention looks at the
    nearest ones of the other image, no layer adds anything yet, and the read-outs compare descriptors as they are.
    From plain random weights the first thousand steps go into finding out that equal descriptors match.

    Args:
        shape: its size.
        seed: of its random numbers.
        appearance: how many numbers of a descriptor, the first ones, are compared; 0: all. The others enter as zero.
    """
    return seeded(lambda: _start_as_nearest_neighbour(GlueNet(shape), appearance or shape.input_dim), seed)


@torch.no_grad()
def _start_as_nearest_neighbour(net: GlueNet, appearance: int) -> GlueNet:
    width = net.shape.descriptor_dim
    if isinstance(net.input_proj, nn.Linear):
        nn.init.zeros_(net.input_proj.weight[:, appearance:])
        nn.init.orthogonal_(net.input_proj.weight[:, :appearance], gain=width**0.5)
        nn.init.zeros_(net.input_proj.bias)
    for layer in net.transformers:
        for block in (layer.self_attn, layer.cross_attn):
            nn.init.zeros_(block.ffn[-1].weight)
            nn.init.zeros_(block.ffn[-1].bias)
        layer.self_attn.Wqkv.weight.mul_(_FOCUS)
        for linear, gain in (("to_qk", (_LOOKING / width**0.5) ** 0.5), ("to_v", 1.0), ("to_out", 1.0)):
            nn.init.orthogonal_(getattr(layer.cross_attn, linear).weight, gain=gain)
    for readout in net.log_assignment:
        nn.init.eye_(readout.final_proj.weight).mul_((_SHARPNESS / width**0.5) ** 0.5)
        nn.init.zeros_(readout.final_proj.bias)
        nn.init.zeros_(readout.matchability.weight)
        nn.init.constant_(readout.matchability.bias, _HOPEFUL)
    return net
