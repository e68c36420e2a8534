"""LightGlue's layers by plain products against kornia's blocks, on the same weights and inputs, on one core.

Run: ``python benchmarks/attention.py``. CPU time, so that a busy machine changes little; least of five turns. Training
is forward and backward of four pairs, use is one pair without gradients.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from kornia.feature.lightglue import LightGlue
from torch import Tensor

from gim_data.heap import keep_freed_memory
from gim_models.sparse.lightglue import GlueNet, GlueShape

ROUNDS = 5
Work = Callable[[LightGlue, int, torch.dtype], None]


def layers(net: LightGlue, keypoints: int, pairs: int, dtype: torch.dtype) -> Tensor:
    """All layers of a network on random keypoints, summed up."""
    generator = torch.Generator().manual_seed(0)
    x0, x1 = torch.randn(2, pairs, keypoints, 96, generator=generator)
    encoding0, encoding1 = (net.posenc(p) for p in torch.rand(2, pairs, keypoints, 2, generator=generator))
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        for layer in net.transformers:
            x0, x1 = layer(x0, x1, encoding0, encoding1)
    total: Tensor = (x0.float() + x1.float()).sum()
    return total


def use(net: LightGlue, keypoints: int, dtype: torch.dtype) -> None:
    """Match one pair."""
    with torch.inference_mode():
        layers(net, keypoints, 1, dtype)


def train(net: LightGlue, keypoints: int, dtype: torch.dtype) -> None:
    """Learn from four."""
    torch.autograd.backward(layers(net, keypoints, 4, dtype))


def seconds(work: Work, net: LightGlue, keypoints: int, dtype: torch.dtype) -> float:
    """CPU seconds."""
    started = time.process_time()
    work(net, keypoints, dtype)
    return time.process_time() - started


def main() -> None:
    """Time in turns, and print ratios."""
    keep_freed_memory()
    torch.set_num_threads(1)
    shape = GlueShape()
    ours = GlueNet(shape)
    theirs = LightGlue(None, **shape.model_dump(), flash=False, depth_confidence=-1, width_confidence=-1)
    theirs.load_state_dict(ours.state_dict())
    cases: list[tuple[Work, int]] = [(use, 2048), (train, 512), (train, 1024)]
    for work, keypoints in cases:
        for dtype in (torch.float32, torch.bfloat16):
            turns = [[seconds(work, net, keypoints, dtype) for net in (ours, theirs)] for _ in range(ROUNDS)]
            mine, reference = (min(column) for column in zip(*turns, strict=True))
            print(
                f"{work.__name__:6}{keypoints:5} keypoints  {dtype}  {mine:6.2f} s, kornia's {reference:6.2f} s: "
                f"{reference / mine:.2f} times as fast",
                flush=True,
            )


if __name__ == "__main__":
    main()
