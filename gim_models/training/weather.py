"""Fog, rain and snow: a veil of light between the camera and the scene, which hides much and moves nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from kornia.filters import gaussian_blur2d, motion_blur
from torch import Tensor
from torch.nn import functional as F

from gim_models.training.config import AugmentConfig

_CLOUDS = (3, 4)  # rows and columns of the noise that fog drifts in
_DENSITY = (0.002, 0.01)  # drops, and flakes, per pixel
_LENGTH = 21  # of a drop's streak in pixels; odd
_SLANT = 25.0  # degrees that rain falls off the vertical, at most
_OPAQUE = 0.75  # no veil hides more than this share of the light


def weather(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Put fog, rain or snow before some of the images, each a blend with one light of its own.

    Args:
        images: (N, 3, H, W) in [0, 1].
        config: ``weather``. At 0 nothing is drawn, so that a recipe without weather keeps its random numbers.
        generator: a CPU generator.
    """
    if config.weather == 0:
        return images
    out = []
    for image in images:
        chosen, kind, brightness = torch.rand(3, generator=generator).tolist()
        if chosen >= config.weather:
            out.append(image)
            continue
        veil = VEILS[int(kind * len(VEILS))]((image.shape[-2], image.shape[-1]), generator)
        out.append(torch.lerp(image, torch.full_like(image, 0.6 + 0.35 * brightness), veil.to(image)))
    return torch.stack(out)


def fog(size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """How much of each pixel (1, H, W) is fog: drifting, and denser towards the top, where an upright view is far."""
    clouds = F.interpolate(torch.rand(1, 1, *_CLOUDS, generator=generator), size, mode="bilinear")[0]
    up = torch.linspace(1, 0, size[0])[:, None]
    return _OPAQUE * (0.4 + 0.6 * _uniform(generator)) * (0.3 + 0.4 * clouds + 0.3 * up)


def rain(size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """How much of each pixel (1, H, W) is rain: streaks of one slant over a thin haze."""
    drops = _specks(size, generator)
    angle = 90 + _SLANT * (2 * _uniform(generator) - 1)
    streaks = motion_blur(drops, _LENGTH, angle, 0.0, border_type="constant", mode="bilinear")[0]
    return _veil(streaks * _LENGTH * (0.3 + 0.4 * _uniform(generator)), 0.2 * _uniform(generator))


def snow(size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """How much of each pixel (1, H, W) is snow: round flakes, few of them near and large, over a thin haze."""
    near = 1.0 + 1.5 * _uniform(generator)
    flakes = torch.zeros(1, *size)
    for sigma, share in ((0.7, 1.0), (near, 0.3)):
        kept = _specks(size, generator) * (torch.rand(1, 1, *size, generator=generator) < share)
        side = 2 * int(3 * sigma) + 1
        peak = 2 * torch.pi * sigma**2  # of a Gaussian of unit volume, so that each flake is white in its middle
        flakes = torch.maximum(
            flakes, gaussian_blur2d(kept, (side, side), (sigma, sigma), border_type="constant")[0] * peak
        )
    return _veil(flakes, 0.25 * _uniform(generator))


VEILS: tuple[Callable[[tuple[int, int], torch.Generator], Tensor], ...] = (fog, rain, snow)


def _specks(size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Single pixels (1, 1, H, W) that are 1."""
    low, high = _DENSITY
    density = low + (high - low) * _uniform(generator)
    return (torch.rand(1, 1, *size, generator=generator) < density).float()


def _veil(cover: Tensor, haze: float) -> Tensor:
    return (haze + (1 - haze) * cover).clamp(0, _OPAQUE)


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))
