"""Gaussians from a map and pictures: Adam on L1 and SSIM, one picture a step, in rounds that add and remove gaussians.

Every choice (which picture, where the halves of a split gaussian go) is a function of seed and step, so a training
that was killed and went on ends where one that was not killed ends.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gim_data.errors import GimError
from gim_data.files import digest_of
from gim_data.stage import Progress
from gim_models.downstream.splatting import state as states
from gim_models.downstream.splatting.density import DensityRule, next_generation
from gim_models.downstream.splatting.gaussians import Gaussians, at_random, from_points
from gim_models.downstream.splatting.ply import read_ply
from gim_models.downstream.splatting.quality import judge, means, ssim
from gim_models.downstream.splatting.render import Renderer
from gim_models.downstream.splatting.scene import SceneView, SplatScene

VERSION = 1
INITS = ("model", "random")
_JUDGED = 5  # times in a training that held-out pictures are scored, for the curve


@dataclass(frozen=True)
class Rates:
    """Adam's rate per parameter, larger than the published ones: a training here is fifty times shorter.

    Attributes:
        means: as a share of the extent; falls exponentially to ``final`` of it.
        final: share of the first rate at the last step.
        log_scales, quaternions, logits, harmonics: constant.
    """

    means: float = 1e-3
    final: float = 0.02
    log_scales: float = 0.02
    quaternions: float = 0.01
    logits: float = 0.05
    harmonics: float = 0.02

    def of(self, extent: float) -> dict[str, float]:
        """Parameter name -> rate at the first step."""
        return {
            "means": self.means * extent,
            "log_scales": self.log_scales,
            "quaternions": self.quaternions,
            "logits": self.logits,
            "harmonics": self.harmonics,
        }


@dataclass(frozen=True)
class TrainOptions:
    """How a scene is learned.

    Attributes:
        init: ``model`` (the map's points), ``random`` (in the box of the map's points), or a .ply file of splats.
        steps: one picture each.
        count: gaussians to start from, at most; of a map with more points a random choice.
        dissimilarity: weight of 1 - SSIM; the rest is L1.
        seed: of every random choice.
        keep_every: steps between two checkpoints.
        density: when gaussians are added and removed.
        rates: of Adam.

    Raises:
        GimError: no such way to start.
    """

    init: str = "model"
    steps: int = 600
    count: int = 3000
    dissimilarity: float = 0.2
    seed: int = 0
    keep_every: int = 100
    density: DensityRule = field(default_factory=DensityRule)
    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        if self.init not in INITS and not self.init.endswith(".ply"):
            raise GimError(
                f"--init {self.init!r} is no way to start", f"use one of {', '.join(INITS)}, or a .ply of splats"
            )


@dataclass(frozen=True)
class Trained:
    """What came out.

    Attributes:
        gaussians: detached.
        seconds: of training, those before a kill included.
        history: (step, PSNR, SSIM) on held-out pictures.
    """

    gaussians: Gaussians
    seconds: float
    history: list[tuple[int, float, float]]


def initial(scene: SplatScene, options: TrainOptions) -> Gaussians:
    """The gaussians that training starts from.

    Raises:
        BadInput: too few points, or a file that holds no splats.
    """
    if options.init == "model":
        rows = np.random.default_rng(options.seed).permutation(len(scene.points))[: options.count]
        return from_points(scene.points[rows], scene.colours[rows], scene.extent)
    if options.init == "random":
        return at_random(*scene.box(), options.count, scene.extent, options.seed)
    return read_ply(Path(options.init))


def train(
    scene: SplatScene,
    options: TrainOptions,
    renderer: Renderer,
    checkpoint: Path,
    progress: Progress,
    *,
    device: str = "cpu",
    title: str = "splats",
) -> Trained:
    """Learn the scene; the same call goes on where a killed one was.

    Args:
        scene: pictures and points.
        options: how.
        renderer: from ``open_renderer``.
        checkpoint: file to go on from; one of another scene or other options is written anew.
        progress: advanced by one per step.
        device: torch device.
        title: of the bar.

    Raises:
        BadInput: see ``initial``.
    """
    began = initial(scene, options)
    rates = options.rates.of(scene.extent)
    digest = _digest(scene, began, options)
    state = states.resume(checkpoint, rates, digest, device)
    if state is None:
        moved = Gaussians(**{name: values.to(device) for name, values in began.tensors().items()})
        state = states.start(moved, rates)
    progress.start(title, options.steps)
    progress.advance(state.step, f"{len(state.gaussians)} gaussians")
    background = torch.zeros(3, device=device)
    while state.step < options.steps:
        _step(state, scene, options, renderer, background)
        progress.advance(1, f"{len(state.gaussians)} gaussians")
        if state.step % options.keep_every == 0 or state.step == options.steps:
            states.save(checkpoint, state, digest)
    return Trained(state.gaussians.select(torch.arange(len(state.gaussians))), state.seconds, state.history)


def _step(
    state: states.State, scene: SplatScene, options: TrainOptions, renderer: Renderer, background: Tensor
) -> None:
    """One picture, one step of Adam, and what is due after it."""
    clock = time.perf_counter()
    share = options.rates.final ** (state.step / options.steps)
    _set_rate(state.adam, "means", options.rates.of(scene.extent)["means"] * share)
    view = scene.train[_turn(state.step, len(scene.train), options.seed)]
    rendering = renderer(state.gaussians, view.camera.to(background.device), background)
    state.adam.zero_grad()
    _loss(rendering.image, view, options.dissimilarity).backward()  # type: ignore[no-untyped-call]
    state.note(rendering)
    state.adam.step()
    state.step += 1
    if options.density.due(state.step, options.steps):
        seed = int(np.random.default_rng([options.seed, state.step]).integers(2**31))
        state.replace(next_generation(state.gaussians, state.mean_pull(), options.density, scene.extent, seed))
    state.seconds += time.perf_counter() - clock
    if state.step % max(1, options.steps // _JUDGED) == 0:
        scores = judge(state.gaussians, scene.held_out, renderer, background)
        state.history.append((state.step, *means(scores)))


def _loss(image: Tensor, view: SceneView, dissimilarity: float) -> Tensor:
    truth, mask = view.image.to(image.device), view.mask.to(image.device)
    distance = ((image - truth).abs() * mask).sum() / (mask.sum() * 3).clamp_min(1)
    return (1 - dissimilarity) * distance + dissimilarity * (1 - ssim(image, truth, mask))


def _turn(step: int, count: int, seed: int) -> int:
    """Whose turn it is: every picture once in an order of its own per round."""
    order = np.random.default_rng([seed, step // count]).permutation(count)
    return int(order[step % count])


def _set_rate(adam: torch.optim.Adam, name: str, rate: float) -> None:
    for group in adam.param_groups:
        if group["name"] == name:
            group["lr"] = rate


def _digest(scene: SplatScene, began: Gaussians, options: TrainOptions) -> str:
    """What a checkpoint belongs to: pictures, cameras, first gaussians and options."""
    hasher = hashlib.sha256()
    tensors = [t for view in (*scene.train, *scene.held_out) for t in (view.image, view.camera.K, view.camera.T_w2c)]
    for values in (*tensors, *began.tensors().values()):
        hasher.update(values.numpy().tobytes())
    chosen: Mapping[str, object] = asdict(options)
    return digest_of([VERSION, chosen, scene.extent, hasher.hexdigest()])
