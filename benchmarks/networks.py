"""Our networks of paper size beside what they are measured by: seconds and memory, forward and with the backward pass.

LightGlue and LoFTR run against kornia's with the same weights on the same inputs (kornia's LoFTR around our backbone,
GIM's, which kornia does not have). DKM and RoMa run against plain eager PyTorch: the same layers, but the correlation
reads whole windows of features as published, and the Gaussian process inverts its matrix. Both must say the same before
they are timed. Also the correlations alone, at the sizes of DKM's first pass. Weights are random, batch norms at rest.

Seconds are CPU time on one core, of the quickest round, so that a busy machine changes little. Memory is the peak of
the process above what it held before, which Linux alone tells.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from kornia.feature import LightGlue as KorniaLightGlue
from kornia.feature import LoFTR as KorniaLoFTR
from kornia.feature.loftr.loftr import default_cfg
from torch import Tensor, nn
from torch.nn import functional as F

from gim_models.dense.correlation import local_correlation
from gim_models.dense.dkm import DkmShape, seeded_dkm
from gim_models.dense.gaussian_process import GaussianProcess
from gim_models.dense.grid import centres
from gim_models.dense.roma import RomaShape, seeded_roma
from gim_models.dense.warp import COARSEST, DenseNetwork
from gim_models.semidense.loftr import LoFTR, dual_softmax, seeded_loftr, select
from gim_models.semidense.shape import LoftrShape
from gim_models.sparse.lightglue import GlueNet, Side, seeded_glue
from gim_models.training.families.sparse import PAPER_GLUE

WINDOWS = (("1/16", 512, (42, 56), 7), ("1/8", 512, (84, 112), 3), ("1/4", 256, (168, 224), 2))
_MEGA = 1 << 20


class Sizes(NamedTuple):
    """Inputs: (width, height) of the images, and keypoints."""

    loftr: tuple[int, int]
    keypoints: int
    dkm: tuple[int, int]
    roma: tuple[int, int]


SIZES = {
    "small": Sizes((320, 240), 1024, (448, 320), (224, 224)),
    "paper": Sizes((640, 480), 2048, (896, 672), (672, 672)),
}

Work = Callable[[], Tensor]
"""Runs a network and returns all that it says (1, N), whose sum is the loss."""


class Contest(NamedTuple):
    """Two ways to the same numbers.

    Attributes:
        ours, theirs: what is compared.
        trained: the networks whose gradients are dropped after each run.
    """

    ours: Work
    theirs: Work
    trained: tuple[nn.Module, ...]


def lightglue(sizes: Sizes) -> Contest:
    """Nine layers of 256 on random keypoints."""
    network = seeded_glue(PAPER_GLUE, 0).eval()
    shape = PAPER_GLUE.model_dump()
    twin = KorniaLightGlue(None, **shape, flash=False, depth_confidence=-1, width_confidence=-1).eval()
    twin.load_state_dict(network.state_dict())
    extent = torch.tensor([[640.0, 480]])
    sides = [
        Side(
            torch.rand(1, sizes.keypoints, 2) * extent, F.normalize(torch.randn(1, sizes.keypoints, 64), dim=-1), extent
        )
        for _ in range(2)
    ]
    given = {
        f"image{n}": {"keypoints": side.points, "descriptors": side.descriptors, "image_size": side.size}
        for n, side in enumerate(sides)
    }
    return Contest(lambda: _assign(network, sides), lambda: twin(given)["log_assignment"].flatten(1), (network, twin))


def _assign(network: GlueNet, sides: Sequence[Side]) -> Tensor:
    return network.assignment(network.layers(*sides)).flatten(1)


def loftr(sizes: Sizes) -> Contest:
    """From images to the offsets of every mutual match."""
    network = seeded_loftr(LoftrShape(), 0).eval()
    twin = KorniaLoFTR(None, copy.deepcopy(default_cfg) | {"fine_concat_coarse_feat": False})
    twin.backbone = copy.deepcopy(network.backbone)
    twin.loftr_coarse.load_state_dict(network.loftr_coarse.state_dict())
    twin.loftr_fine.load_state_dict(network.loftr_fine.state_dict())
    twin.coarse_matching.thr = 0.0
    told: dict[str, Tensor] = {}
    twin.coarse_matching.register_forward_hook(lambda _, given, __: told.update(coarse=given[2]["conf_matrix"]))
    twin.fine_matching.register_forward_hook(lambda _, given, __: told.update(fine=given[2]["expec_f"]))
    images = torch.rand(2, 1, 3, sizes.loftr[1], sizes.loftr[0])

    def theirs() -> Tensor:
        twin({"image0": images[0], "image1": images[1]})
        return torch.cat([told["coarse"].flatten(1), told["fine"].reshape(1, -1)], 1)

    return Contest(lambda: _match(network, *images), theirs, (network, twin.eval()))


def _match(network: LoFTR, image0: Tensor, image1: Tensor) -> Tensor:
    """What ``LoftrMatcher`` does between images and pixels."""
    grids0, grids1 = network.grids(image0), network.grids(image1)
    confidence = dual_softmax(network.similarity(*network.tokens(grids0, grids1)), None, None)
    refined = network.refine(grids0, grids1, select(confidence, grids0, grids1, 0.0, 2))
    fine = torch.cat([refined.offset, refined.deviation[:, None]], 1)
    return torch.cat([confidence.flatten(1), fine.reshape(1, -1)], 1)


def dense(network: Any, size: tuple[int, int]) -> Contest:
    """One direction of the first pass, every scale."""
    images = torch.rand(2, 3, size[1], size[0])

    def theirs() -> Tensor:
        with plainly():
            return _warp(network, images)

    return Contest(lambda: _warp(network, images), theirs, (network.eval(),))


def dkm(sizes: Sizes) -> Contest:
    """DKMv3."""
    return dense(seeded_dkm(DkmShape(), 0), sizes.dkm)


def roma(sizes: Sizes) -> Contest:
    """RoMa with a random DINOv2, which is frozen and costs the same in both."""
    return dense(seeded_roma(RomaShape(), 0), sizes.roma)


def _warp(network: DenseNetwork, images: Tensor) -> Tensor:
    pyramid = network.pyramid(images, COARSEST)
    first, second = ({scale: features[i : i + 1] for scale, features in pyramid.items()} for i in (0, 1))
    return torch.cat([part.flatten(1) for warp in network.decode(first, second).values() for part in warp], 1)


@contextmanager
def plainly() -> Iterator[None]:
    """DKM and RoMa with the operations of the published code in the places where ours are other ones."""
    with (
        patch("gim_models.dense.refiner.local_correlation", read_windows),
        patch.object(GaussianProcess, "forward", inverted),
    ):
        yield


def read_windows(features0: Tensor, features1: Tensor, flow: Tensor, radius: int) -> Tensor:
    """``local_correlation`` by sampling all features of a window, pair by pair."""
    height, width = features1.shape[-2:]
    steps = torch.arange(-radius, radius + 1)
    down, right = torch.meshgrid(steps * (2 / height), steps * (2 / width), indexing="ij")
    window = torch.stack([right, down], -1).view(1, -1, 2)
    found = []
    for query, key, target in zip(features0, features1, flow, strict=True):
        with torch.no_grad():
            places = target.flatten(1).transpose(0, 1)[:, None] + window
            read = F.grid_sample(key[None], places[None], mode="bilinear", align_corners=False)[0]
        product = (query.flatten(1)[..., None] / query.shape[0] ** 0.5 * read).sum(0)
        found.append(product.transpose(0, 1).reshape(-1, *query.shape[1:]))
    return torch.stack(found)


def inverted(process: GaussianProcess, features0: Tensor, features1: Tensor) -> Tensor:
    """``GaussianProcess.forward`` by a matrix inverse."""
    x, y = (features.flatten(2).transpose(1, 2) for features in (features0, features1))
    embedded = process.embed(features1).flatten(2).transpose(1, 2)
    inverse = torch.linalg.inv(process.kernel(y, y) + process.noise * torch.eye(y.shape[1]))
    mean = process.kernel(x, y) @ (inverse @ embedded)
    return mean.transpose(1, 2).reshape(len(x), -1, *features0.shape[-2:])


def correlation(channels: int, size: tuple[int, int], radius: int) -> Contest:
    """The correlation of one refiner alone."""
    a, b = torch.randn(2, 1, channels, *size)
    flow = centres(size, a.device)[None] + 0.02 * torch.randn(1, 2, *size)
    a.requires_grad_(True)
    ours, theirs = (partial(how, a, b, flow, radius) for how in (local_correlation, read_windows))
    return Contest(lambda: ours().flatten(1), lambda: theirs().flatten(1), ())


def train(work: Work, trained: Sequence[nn.Module]) -> None:
    """Forward and backward."""
    work().sum().backward()
    for network in trained:
        network.zero_grad()


def infer(work: Work) -> None:
    """Forward alone."""
    with torch.no_grad():
        work()


def cost(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """CPU seconds of the quickest of ``rounds`` runs, and the peak of memory in MB."""
    before = _forget_peak()
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds), _status("VmHWM") - before


def _forget_peak() -> float:
    """Give free memory back, start the kernel's record of the peak anew, and tell what the process holds, in MB."""
    gc.collect()
    if not Path("/proc/self/clear_refs").exists():
        return float("nan")
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> float:
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((float(line.split()[1]) * 1024 / _MEGA for line in lines if line.startswith(name)), float("nan"))


def compare(name: str, contest: Contest, rounds: int) -> None:
    """Check that both say the same, run both ways, and print a row for each kind of run."""
    with torch.no_grad():
        ours, theirs = contest.ours(), contest.theirs()
    apart = float((ours - theirs).abs().max() / theirs.abs().max())
    if not apart < 1e-2:
        raise SystemExit(f"{name}: ours and theirs differ by {apart:.1e} of the largest number: nothing to compare")
    del ours, theirs
    for kind, how in (("forward", infer), ("training", partial(train, trained=contest.trained))):
        (a, held_a), (b, held_b) = (cost(partial(how, work), rounds) for work in (contest.ours, contest.theirs))
        seconds = f"{a:8.2f} {b:8.2f} s {a / b:6.2f}x"
        print(f"{name:16} {kind:9} {seconds} {held_a:8.0f} {held_b:8.0f} MB {held_a / held_b:6.2f}x", flush=True)


CONTESTS = {"lightglue": lightglue, "loftr": loftr, "dkm": dkm, "roma": roma}


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  python benchmarks/networks.py                          everything, small inputs\n"
        "  python benchmarks/networks.py lightglue --inputs paper one network, GIM's inputs\n"
        "  python benchmarks/networks.py correlation              the windows of DKM's first pass alone",
    )
    known = (*CONTESTS, "correlation")
    parser.add_argument("what", nargs="*", default=known, metavar="WHAT", help=f"of: {', '.join(known)}")
    parser.add_argument("--inputs", choices=sorted(SIZES), default="small", help="; ".join(map(str, SIZES.items())))
    parser.add_argument("--rounds", type=int, default=2, help="runs of each, of which the quickest counts (default: 2)")
    found = parser.parse_args()
    for what in found.what:
        if what not in known:
            parser.error(f"there is no network {what!r}; choose from: {', '.join(known)}")
    if found.rounds < 1:
        parser.error("--rounds must be at least 1")
    return found


def main() -> None:
    """Time everything and print a table."""
    asked = arguments()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'':26} {'ours':>8} {'theirs':>8} {'ratio':>8} {'ours':>9} {'theirs':>8} {'ratio':>10}", flush=True)
    for what in asked.what:
        if what == "correlation":
            for name, channels, size, radius in WINDOWS:
                compare(f"{what} {name}", correlation(channels, size, radius), asked.rounds)
        else:
            compare(what, CONTESTS[what](SIZES[asked.inputs]), asked.rounds)


if __name__ == "__main__":
    main()
