"""CPU seconds of our networks beside what they are measured by, on one core.

Run: ``python benchmarks/networks.py``. CPU time and not wall time, so that a busy machine changes little. Correlation
windows have the sizes of DKM's first pass (672 x 896); LoFTR is GIM's size on two 320 x 240 images.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
from kornia.feature import LoFTR as KorniaLoFTR
from kornia.feature.loftr.loftr import default_cfg
from torch import Tensor

from gim_models.dense.correlation import local_correlation, sampled_correlation
from gim_models.dense.grid import centres
from gim_models.semidense.loftr import LoFTR, dual_softmax, seeded_loftr, select
from gim_models.semidense.shape import LoftrShape

WINDOWS = (("1/16", 512, (42, 56), 7), ("1/8", 512, (84, 112), 3), ("1/4", 256, (168, 224), 2))


def cpu_seconds(work: Callable[[], object]) -> float:
    """The quicker of two runs."""
    taken = []
    for _ in range(2):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


def kornia_twin(network: LoFTR) -> KorniaLoFTR:
    """LoFTR of kornia around our backbone, which kornia does not have, and with our transformers' weights."""
    config = copy.deepcopy(default_cfg) | {"fine_concat_coarse_feat": False}
    twin = KorniaLoFTR(None, config)
    twin.backbone = network.backbone
    twin.loftr_coarse.load_state_dict(network.loftr_coarse.state_dict())
    twin.loftr_fine.load_state_dict(network.loftr_fine.state_dict())
    return twin.eval()


def match(network: LoFTR, image0: Tensor, image1: Tensor) -> Tensor:
    """Everything ``LoftrMatcher`` does between images and pixels."""
    grids0, grids1 = network.grids(image0), network.grids(image1)
    confidence = dual_softmax(network.similarity(*network.tokens(grids0, grids1)), None, None)
    return network.refine(grids0, grids1, select(confidence, grids0, grids1, 0.0, 2)).offset


@torch.inference_mode()
def main() -> None:
    """Time everything and print a table."""
    torch.set_num_threads(1)
    network = seeded_loftr(LoftrShape(), 0).eval()
    twin = kornia_twin(network)
    twin.coarse_matching.thr = 0.0
    image0, image1 = torch.rand(2, 1, 3, 240, 320)
    ours = cpu_seconds(lambda: match(network, image0, image1))
    theirs = cpu_seconds(lambda: twin({"image0": image0, "image1": image1}))
    print(f"LoFTR, 320 x 240          ours {ours:6.2f} s   kornia {theirs:6.2f} s   {ours / theirs:.2f}x", flush=True)
    for name, channels, size, radius in WINDOWS:
        a, b = torch.randn(2, 1, channels, *size)
        flow = centres(size, a.device)[None] + 0.02 * torch.randn(1, 2, *size)
        fast = cpu_seconds(lambda: local_correlation(a, b, flow, radius))  # noqa: B023 - called at once
        plain = cpu_seconds(lambda: sampled_correlation(a, b, flow, radius))  # noqa: B023
        row = f"correlation at {name:5} r = {radius}"
        print(f"{row:25} ours {fast:6.2f} s   plain  {plain:6.2f} s   {fast / plain:.2f}x", flush=True)


if __name__ == "__main__":
    main()
