"""LightGlue's attention: what kornia's blocks compute, at half the cost on a CPU.

On a CPU, torch's fused attention is three times slower than two products and a softmax in bfloat16, for which
processors have instructions. In float32 it takes as long and less memory, but its backward pass takes longer. And
kornia's cross-attention transposes a large matrix to use it twice, which costs more than computing it twice.
``benchmarks/attention.py`` and ``benchmarks/networks.py`` measure it.
"""

from __future__ import annotations

import torch
from kornia.feature.lightglue import CrossBlock
from torch import Tensor, nn
from torch.nn import functional as F


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention: (..., M, d) queries, (..., N, d) keys and values to (..., M, d)."""
    exact = value.dtype == torch.float32 and not torch.is_grad_enabled()
    if exact or query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value)
    likeness: Tensor = query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)
    return likeness.softmax(-1) @ value


class Attention(nn.Module):
    """``attend`` in the place of kornia's ``Attention``."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: None = None) -> Tensor:
        """See ``attend``; there are no masks here, for every side of a batch has as many keypoints."""
        return attend(query, key, value)


class CrossAttention(CrossBlock):  # type: ignore[misc]
    """kornia's ``CrossBlock``, with its parameters, by ``attend``."""

    def forward(self, x0: Tensor, x1: Tensor, mask: None = None) -> tuple[Tensor, Tensor]:
        """The states (B, M, d), (B, N, d) of two images after each has looked at the other."""
        look0, look1, value0, value1 = (
            projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projected in (self.to_qk(x0), self.to_qk(x1), self.to_v(x0), self.to_v(x1))
        )
        heard = attend(look0, look1, value1), attend(look1, look0, value0)
        messages = (self.to_out(value.transpose(1, 2).flatten(start_dim=-2)) for value in heard)
        x0, x1 = (x + self.ffn(torch.cat([x, message], -1)) for x, message in zip((x0, x1), messages, strict=True))
        return x0, x1


def use_plain_attention(layers: nn.ModuleList, width: int, heads: int) -> None:
    """Put these blocks into kornia's ``TransformerLayer``s, whose parameters keep their names."""
    for layer in layers:
        layer.get_submodule("self_attn").inner_attn = Attention()
        layer.cross_attn = CrossAttention(width, heads)
    torch.backends.cuda.enable_flash_sdp(True)  # which kornia's blocks turn off for the whole process, CPU included
