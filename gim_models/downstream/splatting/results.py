"""One scene learned, and everything that is written of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gim_data.files import write_json
from gim_data.plotting import save_picture, stack, write_caption
from gim_data.stage import Progress
from gim_data.types import Image
from gim_models.downstream.splatting.orbit import as_image, write_orbit
from gim_models.downstream.splatting.ply import write_ply
from gim_models.downstream.splatting.quality import ViewScore, judge, means, picture, score
from gim_models.downstream.splatting.render import open_renderer
from gim_models.downstream.splatting.scene import SplatScene
from gim_models.downstream.splatting.train import Trained, TrainOptions, train

SPLATS, METRICS, ORBIT, CHECKPOINT = "splats.ply", "metrics.json", "orbit.mp4", "work/checkpoint.safetensors"
_SHOWN = 480  # pixels that a picture of the pair is wide


@dataclass(frozen=True)
class SplatResult:
    """A learned scene, scored.

    Attributes:
        trained: gaussians, time, curve.
        held_out: scores of pictures that were not learned from.
        learned: scores of those that were.
        missing: names of held-out images that the map does not hold.
        pictures: name -> (photograph, rendering) of the held-out ones.
    """

    trained: Trained
    held_out: list[ViewScore]
    learned: list[ViewScore]
    missing: list[str]
    pictures: Mapping[str, tuple[Image, Image]]

    def as_json(self) -> dict[str, Any]:
        """Numbers, for ``metrics.json``."""
        (psnr, ssim), (train_psnr, train_ssim) = means(self.held_out), means(self.learned)
        return {
            "psnr": psnr,
            "ssim": ssim,
            "train_psnr": train_psnr,
            "train_ssim": train_ssim,
            "gaussians": len(self.trained.gaussians),
            "seconds": self.trained.seconds,
            "views": [asdict(one) for one in self.held_out],
            "not_in_the_map": self.missing,
            "history": [{"step": step, "psnr": p, "ssim": s} for step, p, s in self.trained.history],
        }

    def sentence(self) -> str:
        """For people."""
        facts = self.as_json()
        lost = f", {len(self.missing)} more not in the map" if self.missing else ""
        return (
            f"held-out PSNR {facts['psnr']:.2f} dB, SSIM {facts['ssim']:.3f} ({len(self.held_out)} images{lost}; "
            f"learned from: {facts['train_psnr']:.2f} dB); {facts['gaussians']} gaussians, "
            f"{facts['seconds']:.0f} s of training"
        )


def splat(
    scene: SplatScene,
    out: Path,
    options: TrainOptions,
    progress: Progress,
    *,
    renderer: str = "auto",
    device: str = "cpu",
    frames: int = 48,
    title: str = "splats",
) -> SplatResult:
    """Learn a scene, score it, and write ``splats.ply``, ``metrics.json``, ``views/`` and ``orbit.mp4`` to ``out``.

    Args:
        scene: from ``read_scene``.
        out: folder; a checkpoint in it is gone on from.
        options: of training.
        progress: where to report.
        renderer: one of ``RENDERERS``.
        device: torch device.
        frames: of the video; 0 for none.
        title: of the bar.

    Raises:
        GimError: see ``open_renderer``.
        BadInput: see ``initial``.
    """
    draw = open_renderer(renderer, device)
    trained = train(scene, options, draw, out / CHECKPOINT, progress, device=device, title=title)
    background = torch.zeros(3, device=device)
    drawn = {view.name: picture(trained.gaussians, view, draw, background) for view in scene.held_out}
    scores = [score(view.name, drawn[view.name], view) for view in scene.held_out]
    pictures = {view.name: (as_image(view.image), as_image(drawn[view.name])) for view in scene.held_out}
    learned = judge(trained.gaussians, scene.train, draw, background)
    found = SplatResult(trained, scores, learned, scene.missing, pictures)
    _write(out, found, options)
    if frames:
        cameras = [view.camera for view in scene.train]
        middle = np.median(scene.points, axis=0)
        write_orbit(out / ORBIT, trained.gaussians, cameras, middle, draw, background, progress, frames=frames)
    return found


def _write(out: Path, found: SplatResult, options: TrainOptions) -> None:
    write_ply(out / SPLATS, found.trained.gaussians)
    write_json(out / METRICS, {"options": asdict(options), **found.as_json()})
    for row, one in enumerate(found.held_out):
        truth, rendering = found.pictures[one.name]
        save_picture(out / "views" / f"{row:03d}.jpg", side_by_side([truth, rendering], ["photograph", _told(one)]))


def side_by_side(images: Sequence[Image], captions: Sequence[str]) -> Image:
    """Pictures of one size in a row, each enlarged and with its line of text."""
    return np.concatenate(
        [write_caption(stack([image], width=_SHOWN), text) for image, text in zip(images, captions, strict=True)],
        axis=1,
    )


def _told(one: ViewScore) -> str:
    return f"{one.name}: {one.psnr:.1f} dB, SSIM {one.ssim:.2f}"
