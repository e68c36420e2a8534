"""DKM and RoMa written down plainly from the names in a state dict: what the networks must compute, slowly."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from gim_models.dense.correlation import sampled_correlation

State = dict[str, Tensor]
Pyramid = dict[int, Tensor]


def conv(state: State, name: str, x: Tensor, stride: int = 1) -> Tensor:
    weight = state[f"{name}.weight"]
    groups = x.shape[1] // weight.shape[1]
    return F.conv2d(x, weight, state.get(f"{name}.bias"), stride, weight.shape[-1] // 2, groups=groups)


def linear(state: State, name: str, x: Tensor) -> Tensor:
    return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def norm(state: State, name: str, x: Tensor) -> Tensor:
    mean, var, weight, bias = (
        state[f"{name}.{key}"][:, None, None] for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


def grid(height: int, width: int) -> Tensor:
    x = (torch.arange(width) * 2 + 1) / width - 1
    y = (torch.arange(height) * 2 + 1) / height - 1
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])[None]


def to_size(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


def posterior(state: State, scale: int, x: Tensor, y: Tensor) -> Tensor:
    """One pair at a time, with a matrix inverse."""
    embedded = (
        torch.cos(8 * math.pi * conv(state, f"decoder.gps.{scale}.pos_conv", grid(*y.shape[-2:])))[0].flatten(1).T
    )
    found = []
    for a, b in zip(x.flatten(2).transpose(1, 2), y.flatten(2).transpose(1, 2), strict=True):
        k_ab, k_bb = (((F.normalize(u, dim=1) @ F.normalize(b, dim=1).T - 1) / 0.2).exp() for u in (a, b))
        found.append((k_ab @ torch.linalg.inv(k_bb + 0.1 * torch.eye(len(b))) @ embedded).T)
    return torch.stack(found).unflatten(2, x.shape[-2:])


def refine(state: State, scale: int, radius: int, x: Tensor, y: Tensor, flow: Tensor, gain: float) -> Tensor:
    name = f"decoder.conv_refiner.{scale}"
    parts = [x, F.grid_sample(y, flow.permute(0, 2, 3, 1), align_corners=False)]
    parts.append(conv(state, f"{name}.disp_emb", gain * (flow - grid(*flow.shape[-2:]))))
    if radius:
        parts.append(sampled_correlation(x, y, flow, radius))
    out = torch.cat(parts, 1)
    blocks = [f"{name}.block1"]
    while f"{name}.hidden_blocks.{len(blocks) - 1}.0.weight" in state:
        blocks.append(f"{name}.hidden_blocks.{len(blocks) - 1}")
    for block in blocks:
        out = conv(state, f"{block}.3", norm(state, f"{block}.1", conv(state, f"{block}.0", out)).relu())
    return conv(state, f"{name}.out_conv", out)


def dkm(state: State, radii: dict[int, int], p0: Pyramid, p1: Pyramid) -> dict[int, tuple]:
    """Flow and certainty after every scale, from both pyramids."""
    height, width = p0[1].shape[-2:]
    reader = "decoder.embedding_decoder"

    def residual(name: str, x: Tensor) -> Tensor:
        x = conv(state, f"{name}.conv1", x)
        inner = norm(state, f"{name}.bn", conv(state, f"{name}.conv2", x)).relu()
        return (x + conv(state, f"{name}.conv3", inner)).relu()

    found, context, flow, certainty = {}, None, None, None
    for scale in (32, 16, 8, 4, 2, 1):
        x, y = p0[scale], p1[scale]
        if scale >= 16:
            x, y = (conv(state, f"decoder.proj.{scale}", f) for f in (x, y))
            features = conv(state, f"{reader}.feat_input_modules.{scale}", x)
            here = residual(f"{reader}.rrb_d.{scale}", torch.cat([features, posterior(state, scale, x, y)], 1))
            context = torch.zeros_like(here) if context is None else to_size(context, here)
            pooled = torch.cat([context, here], 1).mean((2, 3), keepdim=True)
            gate = conv(state, f"{reader}.cab.{scale}.conv2", conv(state, f"{reader}.cab.{scale}.conv1", pooled).relu())
            context = residual(f"{reader}.rrb_u.{scale}", gate.sigmoid() * here + context)
            out = conv(state, f"{reader}.terminal_module.{scale}", context)
            certainty, flow = out[:, :1], out[:, 1:]
        else:
            flow, certainty = to_size(flow, x), to_size(certainty, x)
        if scale <= 16:
            out = refine(state, scale, radii[scale], x, y, flow, 1.0)
            certainty = certainty + out[:, :1]
            flow = flow + scale * out[:, 1:] / (4 * torch.tensor([width, height])[:, None, None])
        found[scale] = flow, certainty
    return found


def roma(
    state: State, radii: dict[int, int], heads: int, p0: dict[int, Tensor], p1: dict[int, Tensor]
) -> dict[int, tuple]:
    """Flow and certainty after every scale, from both pyramids."""
    height, width = p0[1].shape[-2:]
    found, flow, certainty = {}, None, None
    for scale in (16, 8, 4, 2, 1):
        name = f"decoder.proj.{scale}"
        x, y = (norm(state, f"{name}.1", conv(state, f"{name}.0", p[scale])) for p in (p0, p1))
        if scale == 16:
            tokens = torch.cat([posterior(state, 16, x, y), x], 1).flatten(2).transpose(1, 2)
            logits = classify(state, heads, tokens).transpose(1, 2).unflatten(2, x.shape[-2:])
            flow, certainty = expected(logits[:, :-1]), logits[:, -1:]
        else:
            flow, certainty = to_size(flow, x), to_size(certainty, x)
        out = refine(state, scale, radii[scale], x, y, flow, 40 / 32)
        certainty = certainty + out[:, 2:]
        flow = flow + scale * out[:, :2] / (4 * torch.tensor([width, height])[:, None, None])
        found[scale] = flow, certainty
    return found


def classify(state: State, heads: int, x: Tensor) -> Tensor:
    """Pre-norm transformer blocks with softmax attention, then the read-out."""
    block = 0
    while (name := f"decoder.embedding_decoder.blocks.{block}") + ".attn.qkv.weight" in state:
        y = F.layer_norm(x, x.shape[-1:], state[f"{name}.norm1.weight"], state[f"{name}.norm1.bias"])
        q, k, v = (y @ w.T for w in state[f"{name}.attn.qkv.weight"].chunk(3))
        q, k, v = (t.unflatten(2, (heads, -1)).transpose(1, 2) for t in (q, k, v))
        heard = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1) @ v
        x = x + F.linear(
            heard.transpose(1, 2).flatten(2), state[f"{name}.attn.proj.weight"], state[f"{name}.attn.proj.bias"]
        )
        y = F.layer_norm(x, x.shape[-1:], state[f"{name}.norm2.weight"], state[f"{name}.norm2.bias"])
        x = x + linear(state, f"{name}.mlp.fc2", F.gelu(linear(state, f"{name}.mlp.fc1", y)))
        block += 1
    return linear(state, "decoder.embedding_decoder.to_out", x)


def expected(logits: Tensor) -> Tensor:
    """Cell by cell: the best anchor and its neighbours along the flat index, weighted by their probability."""
    probability = logits.softmax(1)
    side = round(logits.shape[1] ** 0.5)
    anchors = grid(side, side)[0].flatten(1)
    flow = torch.zeros(len(logits), 2, *logits.shape[-2:])
    for b, row, column in torch.cartesian_prod(*(torch.arange(n) for n in (len(logits), *logits.shape[-2:]))).tolist():
        p = probability[b, :, row, column]
        best = int(p.argmax())
        near = [min(max(best + step, 0), side**2 - 1) for step in (-1, 0, 1, -side, side)]
        flow[b, :, row, column] = (p[near] * anchors[:, near]).sum(1) / p[near].sum()
    return flow
