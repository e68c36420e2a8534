"""The scene as gaussians: parameters that can be optimized, and where they start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from gim_data.errors import BadInput

Matrix = NDArray[np.float64]
SH_C0 = 0.28209479177387814
"""The constant spherical harmonic: a colour is ``0.5 + SH_C0 * coefficient``, as 3DGS files store it."""
START_OPACITY = 0.1
_NEIGHBOURS = 3
_SMALLEST = 1e-4  # smallest first standard deviation, as a share of the scene's extent
_LARGEST = 0.2  # and the largest: a lone far point would start as a ball around everything


@dataclass
class Gaussians:
    """N gaussians, as numbers without bounds that an optimizer may move anywhere.

    Attributes:
        means: (N, 3) centres in the world.
        log_scales: (N, 3) natural logarithm of the standard deviations along their own axes.
        quaternions: (N, 4) w, x, y, z of any length: own axes to world.
        logits: (N,) opacity before the sigmoid.
        harmonics: (N, 3) the constant harmonic of red, green, blue; colour does not depend on the direction.
    """

    means: Tensor
    log_scales: Tensor
    quaternions: Tensor
    logits: Tensor
    harmonics: Tensor

    def __len__(self) -> int:
        return len(self.means)

    @property
    def opacities(self) -> Tensor:
        """(N,) in 0 to 1."""
        return self.logits.sigmoid()

    @property
    def colours(self) -> Tensor:
        """(N, 3), 0 or more."""
        return (0.5 + SH_C0 * self.harmonics).clamp_min(0)

    @property
    def covariances(self) -> Tensor:
        """(N, 3, 3) in the world: R S S R^T."""
        axes = rotations(self.quaternions) * self.log_scales.exp()[:, None, :]
        return axes @ axes.transpose(1, 2)

    def tensors(self) -> dict[str, Tensor]:
        """The parameters by name."""
        return dict(vars(self))

    def select(self, rows: Tensor) -> Gaussians:
        """The gaussians at ``rows``, a mask or indices, detached."""
        return Gaussians(**{name: values.detach()[rows] for name, values in self.tensors().items()})


def join(first: Gaussians, second: Gaussians) -> Gaussians:
    """The gaussians of both, in this order."""
    more = second.tensors()
    return Gaussians(**{name: torch.cat([values, more[name]]) for name, values in first.tensors().items()})


def rotations(quaternions: Tensor) -> Tensor:
    """(N, 3, 3) rotation matrices of (N, 4) quaternions w, x, y, z of any length but zero."""
    w, x, y, z = torch.nn.functional.normalize(quaternions, dim=1).unbind(1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def from_points(points: Matrix, colours: NDArray[np.uint8], extent: float) -> Gaussians:
    """A round gaussian at every point, as wide as the mean distance to its three nearest neighbours.

    Args:
        points: (N, 3) world coordinates.
        colours: (N, 3).
        extent: of the scene; bounds the widths of lone and of doubled points.

    Raises:
        BadInput: fewer than two points.
    """
    if len(points) < 2:
        raise BadInput(
            f"the map holds {len(points)} point(s), too few to start from",
            "start at random (--init random), or make a better map: 'gim reconstruct' with another matcher",
        )
    distances = np.asarray(cKDTree(points).query(points, k=min(_NEIGHBOURS, len(points) - 1) + 1)[0])
    near = distances[:, 1:].mean(axis=1)  # the first is the point itself
    widths = np.clip(near, _SMALLEST * extent, _LARGEST * extent)
    count = len(points)
    return Gaussians(
        torch.tensor(points, dtype=torch.float32),
        torch.tensor(np.log(widths), dtype=torch.float32)[:, None].repeat(1, 3),
        torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        torch.full((count,), float(np.log(START_OPACITY / (1 - START_OPACITY)))),
        (torch.tensor(colours, dtype=torch.float32) / 255 - 0.5) / SH_C0,
    )


def at_random(low: Matrix, high: Matrix, count: int, extent: float, seed: int) -> Gaussians:
    """``count`` gaussians of random colours, evenly in the box from (3,) ``low`` to (3,) ``high``."""
    generator = np.random.default_rng(seed)
    points = generator.uniform(low, high, (count, 3))
    return from_points(points, generator.integers(0, 256, (count, 3)).astype(np.uint8), extent)
