"""In which floating-point type a network's products are made when it matches."""

from __future__ import annotations

import torch


def matching_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where ``device`` has instructions for it, else float32.

    Products in bfloat16 are two to three times as fast there; sums and what lies between the layers stay float32.
    Scores do not tell the two apart (docs/results.md), single matches near the threshold may differ.
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()  # torch has no public question
    return torch.bfloat16 if native else torch.float32
