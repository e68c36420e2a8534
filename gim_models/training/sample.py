"""One training pair, fitted to the training size, and a batch of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gim_data.types import Floats, Image, Size


@dataclass(frozen=True)
class Geometry:
    """Exact geometry of a pair, at the training size.

    Attributes:
        depth0, depth1: (H, W) float32 z, 0 where nothing is known.
        K0, K1: (3, 3).
        T_0to1: (4, 4).
    """

    depth0: Floats
    depth1: Floats
    K0: NDArray[np.float64]
    K1: NDArray[np.float64]
    T_0to1: NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """One pair.

    Attributes:
        identifier: where it came from, for error messages.
        image0, image1: (H, W, 3) at the training size.
        box0, box1: x0, y0, x1, y1 of the part of the canvas that holds image.
        points0, points1: (N, 2) label points, maybe with one end off the canvas; empty where geometry is known.
        geometry: exact geometry, or None for a labelled pair.
    """

    identifier: str
    image0: Image
    image1: Image
    box0: NDArray[np.float32]
    box1: NDArray[np.float32]
    points0: Floats
    points1: Floats
    geometry: Geometry | None = None

    @property
    def whole_labels(self) -> int:
        """How many labels have both ends on the canvas."""
        return int((inside(self.points0, self.box0) & inside(self.points1, self.box1)).sum())


@dataclass(frozen=True)
class Fit:
    """An image brought to the training size by scale and shift.

    Attributes:
        image: (H, W, 3) or a depth map (H, W).
        box: the part of the canvas that holds image.
        A: (3, 3) float64, stored pixels to canvas pixels.
    """

    image: NDArray[np.generic]
    box: NDArray[np.float32]
    A: NDArray[np.float64]


@dataclass(frozen=True)
class Placement:
    """How an image is laid on the canvas: drawn once, applied to the image and to its depth.

    Attributes:
        zoom: 1 covers the canvas exactly; less leaves a black border.
        anchor: (2,) in [0, 1], which part stays where there is more than fits.
    """

    zoom: float
    anchor: tuple[float, float]


CENTRED = Placement(1.0, (0.5, 0.5))


def fit(image: NDArray[np.generic], size: Size, placement: Placement, *, smooth: bool = True) -> Fit:
    """Scale an image and cut or pad it to ``size``.

    Args:
        image: (h, w, ...) array.
        size: width and height of the canvas.
        placement: how.
        smooth: average pixels; False picks the nearest, for depth.
    """
    height, width = image.shape[:2]
    scale = placement.zoom * max(size[0] / width, size[1] / height)
    scaled = (max(1, round(width * scale)), max(1, round(height * scale)))
    area = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image, scaled, interpolation=area if smooth else cv2.INTER_NEAREST_EXACT)
    shift = [round((canvas - side) * a) for canvas, side, a in zip(size, scaled, placement.anchor, strict=True)]
    canvas = np.zeros((size[1], size[0], *image.shape[2:]), image.dtype)
    low = [max(0, s) for s in shift]
    high = [min(c, s + side) for c, s, side in zip(size, shift, scaled, strict=True)]
    canvas[low[1] : high[1], low[0] : high[0]] = resized[
        low[1] - shift[1] : high[1] - shift[1], low[0] - shift[0] : high[0] - shift[0]
    ]
    sx, sy = scaled[0] / width, scaled[1] / height
    A = np.array([[sx, 0, 0.5 * sx - 0.5 + shift[0]], [0, sy, 0.5 * sy - 0.5 + shift[1]], [0, 0, 1]])
    return Fit(canvas, np.array([*low, *high], np.float32), A)


def move(points: Floats, A: NDArray[np.float64]) -> Floats:
    """Apply the affine part of ``A`` to (N, 2) points."""
    return (points @ A[:2, :2].T + A[:2, 2]).astype(np.float32)


def inside(points: Floats, box: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of (N, 2) points lie in a box."""
    return np.asarray(((points >= box[:2]) & (points <= box[2:] - 1)).all(1))


@dataclass(frozen=True)
class Batch:
    """B samples as tensors; lists have one entry per sample.

    Attributes:
        identifiers: where they came from.
        images: (2B, 3, H, W) uint8, all images 0 and then all images 1.
        boxes: (2B, 4).
        points0, points1: label points (N_b, 2), maybe off the canvas, empty where geometry is known.
        exact: (B,) bool, where geometry is known; the rest of the fields are meaningless elsewhere.
        depths: (2B, H, W).
        K: (2B, 3, 3).
        T_0to1: (B, 4, 4).
    """

    identifiers: list[str]
    images: Tensor
    boxes: Tensor
    points0: list[Tensor]
    points1: list[Tensor]
    exact: Tensor
    depths: Tensor
    K: Tensor
    T_0to1: Tensor

    def __len__(self) -> int:
        return len(self.identifiers)

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        ends = [[end.to(device) for end in points] for points in (self.points0, self.points1)]
        return replace(self, points0=ends[0], points1=ends[1], **moved)  # type: ignore[arg-type]


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one size."""
    blank = np.zeros(samples[0].image0.shape[:2], np.float32)
    none = Geometry(blank, blank, np.eye(3), np.eye(3), np.eye(4))
    known = [sample.geometry or none for sample in samples]
    images = [s.image0 for s in samples] + [s.image1 for s in samples]
    return Batch(
        [s.identifier for s in samples],
        torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(),
        _stack([s.box0 for s in samples] + [s.box1 for s in samples]),
        [torch.from_numpy(s.points0) for s in samples],
        [torch.from_numpy(s.points1) for s in samples],
        torch.tensor([s.geometry is not None for s in samples]),
        _stack([g.depth0 for g in known] + [g.depth1 for g in known]),
        _stack([g.K0 for g in known] + [g.K1 for g in known]),
        _stack([g.T_0to1 for g in known]),
    )


def _stack(arrays: Sequence[NDArray[np.generic]]) -> Tensor:
    return torch.from_numpy(np.stack(arrays).astype(np.float32))
