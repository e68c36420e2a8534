"""What a dense network says, and what every dense network can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from torch import Tensor

from gim_models.dense.grid import resized

Pyramid = Mapping[int, Tensor]
"""Pixels per cell -> features (B, C, h, w)."""


class Warp(NamedTuple):
    """Where the cells of image 0 are in image 1.

    Attributes:
        flow: (B, 2, h, w) normalised x and y in image 1.
        certainty: (B, 1, h, w) logits that the cell is seen there.
    """

    flow: Tensor
    certainty: Tensor


def carried(warp: Warp, features: Tensor) -> Warp:
    """The warp at the size of ``features`` (B, C, h, w), without its history: every scale learns for itself."""
    return Warp(*(resized(part.detach(), (features.shape[-2], features.shape[-1])) for part in warp))


class DenseNetwork(Protocol):
    """DKM and RoMa, as ``DenseMatcher`` and training see them."""

    def pyramid(self, images: Tensor, coarsest: int) -> Pyramid:
        """Features of (B, 3, H, W) images in [0, 1], up to ``coarsest`` pixels per cell."""
        ...

    def decode(self, pyramid0: Pyramid, pyramid1: Pyramid) -> dict[int, Warp]:
        """The warp after every scale, coarse to fine; supervision wants them all, use the one at 1."""
        ...

    def sharpen(self, pyramid0: Pyramid, pyramid1: Pyramid, warp: Warp, zoom: float) -> dict[int, Warp]:
        """Refine the warp of smaller images on the finer scales of larger ones.

        Args:
            pyramid0, pyramid1: of the larger images, up to ``SHARP``.
            warp: at scale 1 of the smaller images.
            zoom: side of the larger images over that of the smaller ones.
        """
        ...


COARSEST = 32
SHARP = 8  # where the second, larger pass starts
