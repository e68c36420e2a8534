"""How near a rendering is to the photograph: PSNR and SSIM over the pixels that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from kornia.metrics import ssim as ssim_map
from torch import Tensor

from gim_models.downstream.splatting.gaussians import Gaussians
from gim_models.downstream.splatting.render import Renderer
from gim_models.downstream.splatting.scene import SceneView

WINDOW = 11
"""Pixels of SSIM's gaussian window (Wang et al. 2004)."""


@dataclass(frozen=True)
class ViewScore:
    """One picture: its name, PSNR in dB, SSIM up to 1."""

    name: str
    psnr: float
    ssim: float


def psnr(image: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of (H, W, 3) pictures of 0 to 1, where the (H, W, 1) mask is 1."""
    squares = ((image - truth) ** 2 * mask).sum() / (mask.sum() * image.shape[-1]).clamp_min(1)
    return -10 * torch.log10(squares.clamp_min(1e-12))


def ssim(image: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Mean structural similarity of (H, W, 3) pictures of 0 to 1, where the (H, W, 1) mask is 1; differentiable."""
    first, second = (values.permute(2, 0, 1)[None] for values in (image * mask, truth * mask))
    similarity = ssim_map(first, second, WINDOW)[0].permute(1, 2, 0)
    weighted: Tensor = (similarity * mask).sum() / (mask.sum() * image.shape[-1]).clamp_min(1)
    return weighted


@torch.no_grad()
def picture(gaussians: Gaussians, view: SceneView, renderer: Renderer, background: Tensor) -> Tensor:
    """(H, W, 3) rendering of 0 to 1 from where a photograph was taken."""
    return renderer(gaussians, view.camera.to(background.device), background).image.clamp(0, 1)


def score(name: str, image: Tensor, view: SceneView) -> ViewScore:
    """Score one rendering against its photograph."""
    truth, mask = view.image.to(image.device), view.mask.to(image.device)
    return ViewScore(name, float(psnr(image, truth, mask)), float(ssim(image, truth, mask)))


def judge(gaussians: Gaussians, views: Sequence[SceneView], renderer: Renderer, background: Tensor) -> list[ViewScore]:
    """Score every view."""
    return [score(view.name, picture(gaussians, view, renderer, background), view) for view in views]


def means(scores: Sequence[ViewScore]) -> tuple[float, float]:
    """Mean PSNR and mean SSIM."""
    return float(np.mean([one.psnr for one in scores])), float(np.mean([one.ssim for one in scores]))
