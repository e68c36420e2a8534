"""The global matcher of DKM and RoMa: a Gaussian process that regresses where a feature is (Edstedt et al., CVPR 2023).

The training points are the cells of image 1, their inputs features, their outputs embedded coordinates. The posterior
mean at the features of image 0 says where each is; several peaks may be superposed in it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gim_models.dense.grid import centres

_TINY = 1e-6


class GaussianProcess(nn.Module):
    """Posterior mean under an exponential cosine kernel.

    Args:
        dim: of the embedded coordinates.
        temperature: of the kernel, ``exp((cos - 1) / temperature)``.
        noise: variance of the observations.
    """

    def __init__(self, dim: int, *, temperature: float = 0.2, noise: float = 0.1) -> None:
        super().__init__()
        self.pos_conv = nn.Conv2d(2, dim, 1)
        self.temperature = temperature
        self.noise = noise

    def forward(self, features0: Tensor, features1: Tensor) -> Tensor:
        """(B, C, h, w) and (B, C, h', w') -> (B, dim, h, w)."""
        count, _, height, width = features0.shape
        x, y = (features.float().flatten(2).transpose(1, 2) for features in (features0, features1))
        embedded = self.embed(features1).flatten(2).transpose(1, 2).expand(count, -1, -1)
        covariance = self.kernel(y, y) + self.noise * torch.eye(y.shape[1], device=y.device)
        weights = torch.cholesky_solve(embedded, torch.linalg.cholesky(covariance))
        mean = self.kernel(x, y) @ weights
        return mean.transpose(1, 2).reshape(count, -1, height, width)

    def embed(self, features: Tensor) -> Tensor:
        """Coordinates of the cells of ``features`` in a learnt cosine basis, (1, dim, h, w)."""
        grid = centres((features.shape[-2], features.shape[-1]), features.device)
        return torch.cos(8 * math.pi * self.pos_conv(grid[None]))

    def kernel(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, n, C) and (B, m, C) -> (B, n, m) covariances in (0, 1]."""
        norms = x.norm(dim=-1)[:, :, None] * y.norm(dim=-1)[:, None]
        covariance: Tensor = ((x @ y.transpose(1, 2) / (norms + _TINY) - 1) / self.temperature).exp()
        return covariance
