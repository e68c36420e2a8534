"""A camera as tensors: what rendering needs, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gim_data.types import Size


@dataclass(frozen=True)
class PinholeCamera:
    """An undistorted camera.

    Attributes:
        K: (3, 3) intrinsics, centre of the top-left pixel at (0, 0).
        T_w2c: (4, 4).
        size: (width, height) in pixels.
        near: what is nearer than this depth is not drawn.
    """

    K: Tensor
    T_w2c: Tensor
    size: Size
    near: float

    def to(self, device: torch.device | str) -> PinholeCamera:
        """The camera on a device."""
        return PinholeCamera(self.K.to(device), self.T_w2c.to(device), self.size, self.near)
