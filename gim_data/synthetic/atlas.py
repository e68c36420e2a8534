"""Textures with their mip levels in one image, sampled at many points by a few calls of ``cv2.remap``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.types import Floats, Image

_ROW = 512  # remap works on 2D maps whose sides stay below 32768
_TAPS = 4  # samples along the long axis of a stretched footprint
_STRETCHED = 2.2  # long over short axis from which a footprint counts as stretched
_SHARPEN = 0.3  # mip levels by which sampling errs on the sharp side, as cameras do


@dataclass(frozen=True)
class Atlas:
    """Square textures, one below the other; the mip levels of each side by side.

    Attributes:
        pixels: (count * size, about 2 * size, 3) uint8.
        size: side of a texture at level 0.
        offsets: (levels,) column where each level begins.
    """

    pixels: Image
    size: int
    offsets: NDArray[np.float32]

    @classmethod
    def build(cls, textures: Sequence[Image]) -> Atlas:
        """Stack (size, size, 3) textures; texture ids are their positions.

        Raises:
            ValueError: textures of different sizes, or too many of them for ``cv2.remap``.
        """
        size = textures[0].shape[0]
        if any(texture.shape != (size, size, 3) for texture in textures) or len(textures) * size > 32_000:
            raise ValueError("textures must be square, of one size, and fewer than 32000 rows in all")
        widths = [size >> level for level in range(int(np.log2(size)) - 1)]
        offsets = np.concatenate([[0], np.cumsum(widths)[:-1]])
        pixels = np.zeros((len(textures) * size, sum(widths), 3), np.uint8)
        for row, texture in enumerate(textures):
            level = texture
            for width, offset in zip(widths, offsets, strict=True):
                level = level if width == size else cv2.resize(level, (width, width), interpolation=cv2.INTER_AREA)
                pixels[row * size : row * size + width, offset : offset + width] = level
        return cls(pixels, size, offsets.astype(np.float32))

    def sample(self, ids: NDArray[np.int32], place: Floats, dx: Floats, dy: Floats) -> Floats:
        """Filtered colours.

        Args:
            ids: (N,) texture ids.
            place: (2, N) texture coordinates, one unit per texture; outside [0, 1] the texture is mirrored.
            dx, dy: (2, N) change of ``place`` over one pixel to the right and down: the pixel's footprint.

        Returns:
            (3, N) float32 in [0, 255]. Round footprints are interpolated between mip levels; long ones average
            samples along their long axis.
        """
        square_x, square_y = dx[0] * dx[0] + dx[1] * dx[1], dy[0] * dy[0] + dy[1] * dy[1]
        square = np.maximum(square_x, square_y)
        stretched = square > _STRETCHED * np.abs(dx[0] * dy[1] - dx[1] * dy[0])
        level = np.log2(np.maximum(square, 1e-12)) * np.float32(0.5) + np.float32(np.log2(self.size) - _SHARPEN)
        result = np.empty((3, len(ids)), np.float32)
        chosen = np.flatnonzero(~stretched)
        result[:, chosen] = self._between_levels(ids.take(chosen), place.take(chosen, 1), self._clipped(level[chosen]))
        chosen = np.flatnonzero(stretched)
        level = np.rint(self._clipped(level.take(chosen) - np.float32(np.log2(_TAPS) - 0.5)))
        axis = np.where(square_x > square_y, dx, dy).take(chosen, 1)
        result[:, chosen] = self._along(ids.take(chosen), place.take(chosen, 1), axis, level)
        return result

    def _clipped(self, level: Floats) -> Floats:
        return np.clip(level, 0, len(self.offsets) - 1)

    def _between_levels(self, ids: NDArray[np.int32], place: Floats, level: Floats) -> Floats:
        low = np.floor(level)
        first = self._fetch(ids, place, low)
        return first + (level - low) * (self._fetch(ids, place, self._clipped(low + 1)) - first)

    def _along(self, ids: NDArray[np.int32], place: Floats, axis: Floats, level: Floats) -> Floats:
        total = np.zeros((3, len(ids)), np.float32)
        for k in range(_TAPS):
            total += self._fetch(ids, place + axis * np.float32((k + 0.5) / _TAPS - 0.5), level)
        return total / np.float32(_TAPS)

    def _fetch(self, ids: NDArray[np.int32], place: Floats, level: Floats) -> Floats:
        whole, half = level.astype(np.int32), np.float32(0.5)
        side = (self.size >> whole).astype(np.float32)
        mirrored = np.abs(place - 2 * np.rint(place * half))  # into [0, 1]
        x, y = np.minimum(np.maximum(mirrored * side - half, 0), side - 1)
        x += self.offsets.take(whole)
        y += ids.astype(np.float32) * np.float32(self.size)
        return remap_points(self.pixels, x, y).T.astype(np.float32, order="C")


def remap_points(image: NDArray[Any], x: Floats, y: Floats) -> NDArray[Any]:
    """``image`` at N pixel positions, bilinear, mirrored outside; (N,) or (N, channels) of the image's type."""
    rows = max(1, -(-len(x) // _ROW))
    maps = np.zeros((2, rows * _ROW), np.float32)
    maps[0, : len(x)], maps[1, : len(x)] = x, y
    first, second = maps.reshape(2, rows, _ROW)
    found = cv2.remap(image, first, second, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    result: NDArray[Any] = found.reshape(-1, *image.shape[2:])[: len(x)]
    return result
