"""What makes a network faster without changing what it computes, beyond rounding."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import torch
from torch import nn

from gim_data.errors import GimError


def make_fast(network: nn.Module, compiler: str) -> None:
    """Prepare ``network`` for training, in place; names of weights stay as they are, and copies are not compiled.

    The weights of convolutions are kept with channels last, as processors and tensor cores read them fastest.

    Args:
        network: what is trained.
        compiler: ``eager``, or ``inductor``: every block is compiled when it is first used. Blocks rather than the
            whole, since families call some of them by themselves, and equal layers then share code.

    Raises:
        GimError: there is no C++ compiler for ``inductor``.
    """
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if compiler == "eager":
        return
    if not any(map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++"))):
        raise GimError("train.compiler is inductor, but there is no C++ compiler", "install g++, or set it to eager")
    for block in _blocks(network):
        block.compile()


def _blocks(network: nn.Module) -> Iterator[nn.Module]:
    for child in network.children():
        if isinstance(child, nn.ModuleList):
            yield from _blocks(child)
        else:
            yield child
