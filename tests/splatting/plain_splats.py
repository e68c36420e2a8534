"""The rasterizer again, as one reads it in the papers: every pixel, every gaussian, one after the other."""

from __future__ import annotations

import numpy as np

from gim_models.downstream.splatting.projection import BLUR
from gim_models.downstream.splatting.raster import DENSEST, FAINTEST


def render_plainly(gaussians, camera, background):
    """(H, W, 3) float64, pixel by pixel."""
    K, T = camera.K.double().numpy(), camera.T_w2c.double().numpy()
    width, height = camera.size
    flat = [_flat(gaussians, row, K, T, camera.size) for row in range(len(gaussians))]
    order = sorted((g for g in flat if g["depth"] > camera.near), key=lambda g: g["depth"])
    image = np.zeros((height, width, 3))
    for y in range(height):
        for x in range(width):
            left = 1.0
            for g in order:
                d = np.array([x, y]) - g["mean"]
                alpha = min(DENSEST, g["opacity"] * np.exp(-0.5 * d @ np.linalg.inv(g["cov"]) @ d))
                if alpha >= FAINTEST:
                    image[y, x] += left * alpha * g["colour"]
                    left *= 1 - alpha
            image[y, x] += left * np.asarray(background)
    return image


def _flat(gaussians, row, K, T, size):
    w, x, y, z = gaussians.quaternions[row].double().numpy() / np.linalg.norm(gaussians.quaternions[row].numpy())
    R = np.array(
        [
            [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
        ]
    )
    S = np.diag(np.exp(2 * gaussians.log_scales[row].double().numpy()))
    at = T[:3, :3] @ gaussians.means[row].double().numpy() + T[:3, 3]
    mean = (K @ at)[:2] / at[2]
    J = _jacobian(at, K, size) @ T[:3, :3]
    return {
        "depth": at[2],
        "mean": mean,
        "cov": J @ R @ S @ R.T @ J.T + BLUR * np.eye(2),
        "opacity": 1 / (1 + np.exp(-float(gaussians.logits[row]))),
        "colour": gaussians.colours[row].double().numpy(),
    }


def _jacobian(at, K, size):
    """Linearized at the centre, or at the border of 1.3 pictures where the centre is further out."""
    slope = at[:2] / at[2]
    for axis in range(2):
        margin = 0.15 * size[axis]
        low, high = (-K[axis, 2] - margin), (size[axis] - 1 - K[axis, 2] + margin)
        slope[axis] = np.clip(slope[axis], low / K[axis, axis], high / K[axis, axis])
    return np.array([[K[0, 0], 0, -K[0, 0] * slope[0]], [0, K[1, 1], -K[1, 1] * slope[1]]]) / at[2]
