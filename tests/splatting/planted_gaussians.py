"""Gaussians of known place, and cameras that look at them."""

from __future__ import annotations

import numpy as np
import torch

from gim_models.downstream.splatting.camera import PinholeCamera
from gim_models.downstream.splatting.gaussians import SH_C0, Gaussians
from gim_models.downstream.splatting.orbit import look_at


def camera_at(T_w2c=None, size=(41, 31), focal=40.0, dtype=torch.float32, near=0.01):
    """A camera whose optical axis goes through the middle of the middle pixel."""
    K = torch.tensor([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1]], dtype=dtype)
    pose = torch.eye(4, dtype=dtype) if T_w2c is None else torch.tensor(T_w2c, dtype=dtype)
    return PinholeCamera(K, pose, size, near)


def gaussians_of(means, scales, opacities, colours, quaternions=None, dtype=torch.float32):
    """From what one means: standard deviations (scalar or three each), opacities and colours of 0 to 1."""
    means = torch.tensor(means, dtype=dtype)
    count = len(means)
    scales = torch.tensor(scales, dtype=dtype)
    scales = scales[:, None].repeat(1, 3) if scales.ndim == 1 else scales
    turned = torch.tensor([[1.0, 0, 0, 0]], dtype=dtype).repeat(count, 1)
    turned = turned if quaternions is None else torch.tensor(quaternions, dtype=dtype)
    colours = (torch.tensor(colours, dtype=dtype) - 0.5) / SH_C0
    return Gaussians(means, scales.log(), turned, torch.logit(torch.tensor(opacities, dtype=dtype)), colours)


def scattered(count, seed=0, dtype=torch.float32, size=0.15):
    """Gaussians of every shape in a box before a camera at the origin, some of them outside the picture."""
    rng = np.random.default_rng(seed)
    return gaussians_of(
        rng.uniform([-1.5, -1.2, 1], [1.5, 1.2, 4], (count, 3)),
        rng.uniform(0.1 * size, size, (count, 3)),
        rng.uniform(0.1, 0.95, count),
        rng.uniform(0, 1, (count, 3)),
        rng.normal(size=(count, 4)),
        dtype,
    )


def ring(count, radius=3.0, height=0.4):
    """(count, 4, 4) poses around the origin that look at it."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    eyes = np.stack([radius * np.cos(angles), height * np.sin(3 * angles), radius * np.sin(angles)], axis=1)
    return np.stack([look_at(eye, np.zeros(3), np.array([0, 1.0, 0])) for eye in eyes])
