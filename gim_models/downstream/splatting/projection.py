"""Gaussians in space to gaussians in the picture (Zwicker et al., EWA Volume Splatting, 2001)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gim_models.downstream.splatting.camera import PinholeCamera
from gim_models.downstream.splatting.gaussians import Gaussians

BLUR = 0.3
"""Square pixels added to both variances: no splat falls between pixel centres (3DGS and gsplat add as much)."""
_MARGIN = 1.3  # beyond so many half pictures the projection is linearized at the border, where it still is sane


@dataclass(frozen=True)
class Splats:
    """M gaussians in the picture, nearest first.

    Attributes:
        rows: (M,) of the gaussians they are.
        means: (M, 2) pixels.
        conics: (M, 3) a, b, c: the inverse covariance [[a, b], [b, c]], 1/pixel^2.
        opacities: (M,) at the centre.
        colours: (M, C).
    """

    rows: Tensor
    means: Tensor
    conics: Tensor
    opacities: Tensor
    colours: Tensor


def project(gaussians: Gaussians, camera: PinholeCamera) -> Splats:
    """What a camera sees of the gaussians, those before its near plane left out, sorted by depth."""
    R, t = camera.T_w2c[:3, :3], camera.T_w2c[:3, 3]
    seen = gaussians.means @ R.T + t  # (N, 3) camera coordinates
    depths = seen[:, 2].detach()
    order = torch.argsort(depths, stable=True)
    rows = order[depths[order] > camera.near]
    seen = seen[rows]
    covariances = project_covariances(gaussians.covariances[rows], seen, camera)
    return Splats(
        rows,
        project_points(seen, camera.K),
        conics_of(covariances),
        gaussians.opacities[rows],
        gaussians.colours[rows],
    )


def project_points(points: Tensor, K: Tensor) -> Tensor:
    """(N, 3) camera coordinates to (N, 2) pixels."""
    return (points[:, :2] / points[:, 2:]) * torch.stack([K[0, 0], K[1, 1]]) + K[:2, 2]


def project_covariances(covariances: Tensor, points: Tensor, camera: PinholeCamera) -> Tensor:
    """(N, 3, 3) world covariances at (N, 3) camera coordinates to (N, 2, 2) square pixels, blurred by ``BLUR``."""
    map_to_picture = jacobians(points, camera) @ camera.T_w2c[:3, :3]  # (N, 2, 3)
    flat = map_to_picture @ covariances @ map_to_picture.transpose(1, 2)
    return flat + BLUR * torch.eye(2, dtype=flat.dtype, device=flat.device)


def jacobians(points: Tensor, camera: PinholeCamera) -> Tensor:
    """(N, 2, 3) derivatives of ``project_points``, taken not further out than a margin around the picture."""
    width, height = camera.size
    K = camera.K
    x, y, z = points.unbind(1)
    x = z * _bounded(x / z, K[0, 0], K[0, 2], width)
    y = z * _bounded(y / z, K[1, 1], K[1, 2], height)
    zero = torch.zeros_like(z)
    return torch.stack(
        [
            torch.stack([K[0, 0] / z, zero, -K[0, 0] * x / z**2], dim=1),
            torch.stack([zero, K[1, 1] / z, -K[1, 1] * y / z**2], dim=1),
        ],
        dim=1,
    )


def conics_of(covariances: Tensor) -> Tensor:
    """(N, 3) entries a, b, c of the inverses of (N, 2, 2) covariances."""
    a, b, c = covariances[:, 0, 0], covariances[:, 0, 1], covariances[:, 1, 1]
    return torch.stack([c, -b, a], dim=1) / (a * c - b * b)[:, None]


def _bounded(slope: Tensor, focal: Tensor, centre: Tensor, pixels: int) -> Tensor:
    """Slopes held within the picture and a margin around it."""
    margin = (_MARGIN - 1) * pixels / 2
    low, high = (-centre - margin) / focal, (pixels - 1 - centre + margin) / focal
    return slope.clamp(float(low), float(high))
