"""Planted training pairs: textures, and the same under a known homography."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from gim_models.training.config import AugmentConfig
from gim_models.training.sample import Geometry, Sample

SIZE = (160, 128)
STILL = AugmentConfig(zoom=(1, 1), geometric=0, photometric=0, blur=0, noise=0)


def texture(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.zeros((SIZE[1], SIZE[0], 3), np.float32)
    for scale in (4, 8, 20):
        patch = rng.random((SIZE[1] // scale + 2, SIZE[0] // scale + 2, 3)).astype(np.float32)
        image += cv2.resize(patch, SIZE, interpolation=cv2.INTER_NEAREST)
    return (image * 80).astype(np.uint8)


def homography(seed: int) -> np.ndarray:
    rng = np.random.default_rng([9, seed])
    corners = np.float32([[0, 0], [159, 0], [159, 127], [0, 127]])
    return cv2.getPerspectiveTransform(corners, corners + rng.uniform(-14, 14, (4, 2)).astype(np.float32))


@dataclass(frozen=True)
class Planted:
    """Draws one of ``count`` fixed pairs, labelled by their homography on a grid."""

    count: int = 4

    def pair(self, seed: int) -> Sample:
        image, H = texture(seed), homography(seed)
        x, y = np.meshgrid(np.arange(10.0, 150, 6), np.arange(10.0, 118, 6))
        points = np.stack([x.ravel(), y.ravel()], -1).astype(np.float32)
        there = cv2.perspectiveTransform(points[None], H)[0]
        seen = ((there > 8) & (there < [151, 119])).all(1)
        box = np.float32([0, 0, *SIZE])
        return Sample(
            f"planted {seed}", image, cv2.warpPerspective(image, H, SIZE), box, box, points[seen], there[seen]
        )

    def draw(self, rng: np.random.Generator) -> Sample:
        return self.pair(int(rng.integers(self.count)))


def affinity(seed: int) -> np.ndarray:
    rng = np.random.default_rng([8, seed])
    A = np.eye(3)
    A[:2] = cv2.getRotationMatrix2D((80, 64), rng.uniform(-20, 20), rng.uniform(0.9, 1.1))
    A[:2, 2] += rng.uniform(-6, 6, 2)
    return A


class PlantedExact(Planted):
    """The same under an affinity, known everywhere: a camera whose K is the affinity sees a plane at depth 1."""

    def pair(self, seed: int) -> Sample:
        image, A = texture(seed), affinity(seed)
        flat, box, none = (
            np.ones((SIZE[1], SIZE[0]), np.float32),
            np.float32([0, 0, *SIZE]),
            np.zeros((0, 2), np.float32),
        )
        geometry = Geometry(flat, flat, np.eye(3), A, np.eye(4))
        return Sample(f"planted {seed}", image, cv2.warpPerspective(image, A, SIZE), box, box, none, none, geometry)


class Quiet:
    """Takes metrics and keeps them."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float]]] = []

    def metrics(self, values, step=0) -> None:
        self.rows.append((step, dict(values)))
