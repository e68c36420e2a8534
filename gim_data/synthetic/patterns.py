"""Procedural textures: ``(rng, size) -> (size, size, 3)`` uint8, each with structure at many scales.

Every pattern is aperiodic on purpose: a repeated motif has no single right match, so it would punish a matcher for
being right.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.types import Image

Pattern = Callable[[np.random.Generator, int], Image]
Colour = NDArray[np.float64]

_LETTERS = "ABCDEFGHKLMNPRSTUVXYZ0123456789&?"


def octaves(
    rng: np.random.Generator, size: int, *, first: int = 4, count: int = 6, decay: float = 0.6
) -> NDArray[np.float32]:
    """(size, size) noise of mean 0 and standard deviation 1: smooth random grids of doubling resolution, summed."""
    total = np.zeros((size, size), np.float32)
    for k in range(count):
        cells = min(first * 2**k, size)
        grid = rng.standard_normal((cells, cells)).astype(np.float32)
        total += decay**k * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
    result: NDArray[np.float32] = (total - total.mean()) / max(float(total.std()), 1e-6)
    return result


def colour(rng: np.random.Generator, *, low: float = 60, high: float = 215, saturation: float = 0.22) -> Colour:
    """A random (3,) RGB colour of moderate saturation."""
    grey, warmth, tint = rng.uniform(low, high), rng.uniform(-0.7, 1), rng.uniform(-0.3, 0.3)
    hue = np.array([warmth, tint, -warmth]) + rng.uniform(-0.2, 0.2, 3)
    return np.clip(grey * (1 + saturation * hue), 15, 245)


def weathered(image: NDArray[np.floating], rng: np.random.Generator, *, strength: float = 0.1) -> Image:
    """Add stains (coarse, multiplicative) and grain (fine, additive), so that equal parts stop being equal."""
    size = len(image)
    stains = 1 + strength * octaves(rng, size, first=3, count=4)
    grain = octaves(rng, size, first=64, count=3, decay=0.8) * 100 * strength
    result: Image = np.clip(image * stains[..., None] + grain[..., None], 0, 255).astype(np.uint8)
    return result


def plaster(rng: np.random.Generator, size: int) -> Image:
    """A wall with stains, drips and scratches."""
    base = np.empty((size, size, 3))
    base[:] = colour(rng, low=110)
    canvas = _scratches(base, rng, count=60, length=size // 6)
    return weathered(canvas, rng, strength=0.16)


def stones(rng: np.random.Generator, size: int) -> Image:
    """Irregular stones: Voronoi cells with joints."""
    count = int(rng.integers(60, 260))
    seeds = np.full((size, size), 255, np.uint8)
    seeds[rng.integers(0, size, count), rng.integers(0, size, count)] = 0
    distance, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    base = colour(rng)
    palette = np.clip(
        base * rng.normal(1, 0.22, (labels.max() + 1, 1)) + rng.normal(0, 8, (labels.max() + 1, 3)), 0, 255
    )
    canvas = palette[labels] * (1.15 - 0.4 * distance / distance.max())[..., None]
    joints = cv2.morphologyEx(labels.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    canvas[joints] = base * rng.choice([0.4, 1.5])
    return weathered(canvas, rng, strength=0.12)


def bricks(rng: np.random.Generator, size: int) -> Image:
    """Courses of bricks, each of its own length and shade."""
    base, mortar = colour(rng), colour(rng, low=120)
    canvas = np.empty((size, size, 3))
    canvas[:] = mortar
    height, joint = int(rng.integers(14, 30)), int(rng.integers(2, 4))
    for top in range(0, size, height):
        left = -int(rng.integers(0, 3 * height))
        while left < size:
            width = int(height * rng.uniform(1.6, 3.2))
            shade = np.clip(base * rng.normal(1, 0.18) + rng.normal(0, 8, 3), 0, 255)
            canvas[top + joint : top + height, max(left + joint, 0) : max(left + width, 0)] = shade
            left += width
    return weathered(canvas, rng, strength=0.12)


def planks(rng: np.random.Generator, size: int) -> Image:
    """Boards with grain and knots."""
    base = colour(rng, low=80, high=180) * np.array([1.15, 0.95, 0.7])
    grain = cv2.resize(
        rng.standard_normal((size // 2, 12)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
    )
    canvas = base * (1 + 0.14 * grain[..., None])
    edge = 0
    while edge < size:
        width = int(rng.integers(size // 14, size // 6))
        canvas[edge : edge + width] *= rng.normal(1, 0.2)
        canvas[edge : edge + 3] *= 0.4
        for _ in range(int(rng.integers(0, 4))):
            centre = (int(rng.integers(0, size)), int(edge + rng.integers(4, width + 4)))
            cv2.ellipse(
                canvas,
                centre,
                (int(rng.integers(4, 14)), int(rng.integers(3, 8))),
                0,
                0,
                360,
                (base * 0.45).tolist(),
                -1,
            )
        edge += width
    return weathered(canvas, rng, strength=0.09)


def asphalt(rng: np.random.Generator, size: int) -> Image:
    """A road: grain, cracks, patches, spots and worn paint."""
    canvas = np.empty((size, size, 3))
    canvas[:] = colour(rng, low=70, high=130, saturation=0.08)
    for _ in range(int(rng.integers(5, 12))):
        corner, extent = rng.integers(0, size, 2), rng.integers(size // 16, size // 4, 2)
        canvas[corner[0] : corner[0] + extent[0], corner[1] : corner[1] + extent[1]] *= rng.uniform(0.65, 1.35)
    canvas = _spots(canvas, rng, count=220, largest=9)
    canvas = _scratches(canvas, rng, count=40, length=size // 3)
    return weathered(canvas, rng, strength=0.2)


def tiles(rng: np.random.Generator, size: int) -> Image:
    """Floor tiles, each with a shade and some with a motif of their own."""
    cells = int(rng.integers(5, 11))
    edges = np.linspace(0, size, cells + 1).astype(int)
    first, second = colour(rng), colour(rng)
    canvas = np.empty((size, size, 3))
    for i in range(cells):
        for j in range(cells):
            shade = (first if (i + j) % 2 else second) * rng.normal(1, 0.15)
            canvas[edges[i] : edges[i + 1], edges[j] : edges[j + 1]] = np.clip(shade, 10, 245)
            if rng.random() < 0.4:
                middle = (int(edges[j] + edges[j + 1]) // 2, int(edges[i] + edges[i + 1]) // 2)
                _motif(canvas, rng, middle, size / cells * 0.35)
    canvas[edges[:-1]] *= 0.55
    canvas[:, edges[:-1]] *= 0.55
    return weathered(canvas, rng, strength=0.1)


def leaves(rng: np.random.Generator, size: int, *, tint: tuple[float, float, float] | None = None) -> Image:
    """Dead leaves: overlapping ellipses with sizes on a power law, the statistics of natural images."""
    base = np.asarray(tint) if tint is not None else colour(rng, low=50, high=170, saturation=0.3)
    canvas = np.empty((size, size, 3))
    canvas[:] = base * 0.5
    radii = np.sort(np.clip(size / 200 / rng.random(1400) ** 0.5, 2, size / 8))[::-1]
    for radius in radii:
        shade = np.clip(base * rng.normal(1, 0.35) + rng.normal(0, 14, 3), 0, 255).tolist()
        axes = (int(radius) + 1, int(radius * rng.uniform(0.3, 1)) + 1)
        centre = _spot(rng, size)
        cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, shade, -1, cv2.LINE_AA)
    return weathered(canvas, rng, strength=0.08)


def foliage(rng: np.random.Generator, size: int) -> Image:
    """Green dead leaves."""
    return leaves(rng, size, tint=(rng.uniform(80, 140), rng.uniform(110, 165), rng.uniform(50, 95)))


def soil(rng: np.random.Generator, size: int) -> Image:
    """Earth or meadow: dead leaves in dull colours under coarse stains."""
    tint = colour(rng, low=80, high=140, saturation=0.1) * np.array([1.05, 1.0, 0.7])
    return weathered(leaves(rng, size, tint=tuple(tint)).astype(float), rng, strength=0.2)


def poster(rng: np.random.Generator, size: int) -> Image:
    """A sign: shapes and letters on a ground."""
    canvas = np.empty((size, size, 3))
    canvas[:] = colour(rng, low=90, saturation=0.4)
    for _ in range(int(rng.integers(4, 9))):
        _motif(canvas, rng, _spot(rng, size), size * rng.uniform(0.05, 0.25))
    for line in range(int(rng.integers(2, 6))):
        word = "".join(rng.choice(list(_LETTERS), int(rng.integers(3, 9))))
        scale = float(rng.uniform(0.8, 3.2)) * size / 512
        place = (int(rng.integers(0, size // 3)), int((line + 1) * size / 6 + rng.integers(0, 30)))
        _write(canvas, word, place, scale, rng)
    return weathered(canvas, rng, strength=0.07)


def pane(rng: np.random.Generator, size: int) -> Image:
    """A window: bars, curtains or blinds, things behind the glass, a reflection."""
    canvas = np.empty((size, size, 3))
    canvas[:] = colour(rng, low=25, high=90)
    for _ in range(int(rng.integers(5, 12))):
        _motif(canvas, rng, _spot(rng, size), size * rng.uniform(0.05, 0.2))
    side = int(size * rng.uniform(0, 0.45))
    canvas[:, :side] = colour(rng, low=120) * (1 + 0.2 * np.sin(np.arange(side) / rng.uniform(4, 12)))[None, :, None]
    canvas[: int(size * rng.uniform(0, 0.4))] = colour(rng, low=100)
    for at in rng.integers(size // 4, 3 * size // 4, int(rng.integers(1, 4))):
        canvas[:, at : at + size // 28] = 215
    at = int(rng.integers(size // 4, 3 * size // 4))
    canvas[at : at + size // 28] = 215
    return weathered(np.clip(canvas, 0, 255), rng, strength=0.08)


def carpet(rng: np.random.Generator, size: int) -> Image:
    """Woven motifs inside frames."""
    canvas = np.empty((size, size, 3))
    canvas[:] = colour(rng, saturation=0.4)
    for inset in np.sort(rng.integers(4, size // 2, 6)):
        cv2.rectangle(
            canvas,
            (int(inset), int(inset)),
            (size - int(inset), size - int(inset)),
            colour(rng, saturation=0.4).tolist(),
            int(rng.integers(3, 16)),
        )
    for _ in range(70):
        _motif(canvas, rng, _spot(rng, size), size * rng.uniform(0.015, 0.06))
    return weathered(canvas, rng, strength=0.1)


def metal(rng: np.random.Generator, size: int) -> Image:
    """Painted sheet: panels, rivets, dents, scratches, a label."""
    canvas = np.empty((size, size, 3))
    canvas[:] = colour(rng, low=50, high=230, saturation=0.4)
    for at in rng.integers(0, size, 7):
        canvas[int(at) : int(at) + 4] *= 0.5
        canvas[:, (int(at) * 7) % size : (int(at) * 7) % size + 4] *= 0.6
    canvas = _spots(canvas, rng, count=90, largest=8)
    canvas = _scratches(canvas, rng, count=50, length=size // 5)
    word = "".join(rng.choice(list(_LETTERS), 5))
    _write(canvas, word, (int(rng.integers(0, size // 2)), size // 2), size / 250, rng)
    return weathered(canvas, rng, strength=0.12)


def _spot(rng: np.random.Generator, size: int) -> tuple[int, int]:
    x, y = rng.integers(0, size, 2)
    return int(x), int(y)


def _motif(canvas: NDArray[np.float64], rng: np.random.Generator, centre: tuple[int, int], radius: float) -> None:
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
    reach = radius * rng.uniform(0.4, 1.2, len(angles))
    corners = np.stack([centre[0] + reach * np.cos(angles), centre[1] + reach * np.sin(angles)], 1)
    cv2.fillPoly(
        canvas, [corners.astype(np.int32)], colour(rng, low=20, high=240, saturation=0.4).tolist(), cv2.LINE_AA
    )


def _write(
    canvas: NDArray[np.float64], word: str, place: tuple[int, int], scale: float, rng: np.random.Generator
) -> None:
    letters = np.zeros(canvas.shape[:2], np.uint8)  # OpenCV writes on 8 bits only
    cv2.putText(letters, word, place, int(rng.integers(0, 8)), scale, 255, int(rng.integers(2, 8)), cv2.LINE_AA)
    cover = letters[..., None] / 255
    canvas += cover * (colour(rng, low=10, high=245) - canvas)


def _spots(canvas: NDArray[np.float64], rng: np.random.Generator, *, count: int, largest: int) -> NDArray[np.float64]:
    size = len(canvas)
    for _ in range(count):
        y, x = (int(v) for v in rng.integers(0, size, 2))
        shade = np.clip(canvas[y, x] * rng.choice([0.45, 1.6]), 0, 255).tolist()
        cv2.circle(canvas, (x, y), int(rng.integers(1, largest)), shade, -1, cv2.LINE_AA)
    return canvas


def _scratches(
    canvas: NDArray[np.float64], rng: np.random.Generator, *, count: int, length: int
) -> NDArray[np.float64]:
    size = len(canvas)
    for _ in range(count):
        steps = rng.normal(0, length / 8, (8, 2)) + rng.normal(0, length / 12, 2)
        line = rng.integers(0, size, 2) + np.cumsum(steps, 0)
        shade = np.clip(canvas[size // 2, size // 2] * rng.choice([0.45, 0.6, 1.4]), 0, 255).tolist()
        cv2.polylines(canvas, [line.astype(np.int32)], False, shade, int(rng.integers(1, 4)), cv2.LINE_AA)
    return canvas
