"""Things that stand in several scenes: trees, cars, houses, lamp posts, framed pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gim_data.synthetic.scenes import solids
from gim_data.synthetic.scenes.builder import SceneBuilder, turned
from gim_data.synthetic.scenes.geometry import Lamp, Material
from gim_data.synthetic.scenes.palette import Palette

Vector = NDArray[np.float64]


def tree(
    builder: SceneBuilder,
    palette: Palette,
    rng: np.random.Generator,
    foot: ArrayLike,
    *,
    height: float,
    detail: int = 3,
) -> None:
    """A trunk and a crown of several lumps of ``detail`` subdivisions, standing at ``foot`` (3,)."""
    base = np.asarray(foot, np.float64)
    column, faces = solids.cylinder(10)
    builder.mesh(base + column * np.array([0.03, 0.03, 0.6]) * height, faces, palette.pick("planks", size=0.8))
    leaf = palette.pick("foliage", size=0.45 * height)
    for _ in range(int(rng.integers(3, 7))):
        centre = base + np.array([*rng.normal(0, 0.1 * height, 2), height * rng.uniform(0.5, 0.9)])
        builder.mesh(*lump(rng, centre, height * rng.uniform(0.13, 0.24), roughness=0.22, subdivisions=detail), leaf)


def lump(
    rng: np.random.Generator, centre: ArrayLike, radius: float, *, roughness: float, subdivisions: int
) -> tuple[Vector, NDArray[np.int64]]:
    """Vertices (V, 3) and faces (F, 3) of a sphere with smooth random bumps of relative height ``roughness``."""
    ball, faces = solids.sphere(subdivisions)
    waves, phases = rng.normal(0, 3.0, (8, 3)), rng.uniform(0, 2 * np.pi, 8)
    bumps = np.sin(ball @ waves.T + phases).mean(1) * 2
    return np.asarray(centre) + ball * (radius * (1 + roughness * bumps))[:, None], faces


def car(builder: SceneBuilder, palette: Palette, rng: np.random.Generator, foot: ArrayLike, *, yaw: float) -> None:
    """A parked car: body, cabin with windows, wheels, lights, at ``foot`` (3,), facing ``yaw``."""
    paint = palette.pick("metal", size=2.5, tone=0.6)
    glass, rubber = palette.pick("pane", size=1.0), palette.pick("asphalt", size=0.7, tone=0.5)
    length, width = rng.uniform(3.8, 4.6), rng.uniform(1.65, 1.85)
    x, y, z = np.asarray(foot, np.float64)
    parts = [
        ((-length / 2, -width / 2, 0.3), (length / 2, width / 2, 0.85), paint),
        ((-length * 0.32, -width * 0.45, 0.85), (length * 0.22, width * 0.45, 1.3), glass),
        ((-length * 0.3, -width * 0.43, 1.3), (length * 0.2, width * 0.43, 1.42), paint),
        ((length / 2, -width * 0.4, 0.4), (length / 2 + 0.08, width * 0.4, 0.6), rubber),
        ((-length / 2 - 0.08, -width * 0.4, 0.4), (-length / 2, width * 0.4, 0.6), rubber),
    ]
    for low, high, material in parts:
        builder.box(*_placed(low, high, (x, y, z), yaw), material, yaw=yaw)
    for along in (-0.32, 0.32):
        for side in (-1, 1):
            offset = _rotated((along * length, side * width / 2), yaw)
            disc, faces = solids.cylinder(18)
            upright = ((disc - [0, 0, 0.5]) * [0.31, 0.31, 0.2])[:, [0, 2, 1]]  # its axis from z to y
            hub = np.array([x + offset[0], y + offset[1], z + 0.31])
            builder.mesh(turned(upright, yaw, (0, 0, 0)) + hub, faces, rubber)


def lamp_post(builder: SceneBuilder, palette: Palette, foot: ArrayLike, *, height: float, reach: float) -> None:
    """A pole at ``foot`` (3,) with an arm towards y = 0 and a lamp that reaches ``reach`` metres."""
    x, y, z = np.asarray(foot, np.float64)
    iron = palette.pick("metal", size=0.7)
    inward = -np.sign(y) * 1.2
    builder.box((x - 0.07, y - 0.07, z), (x + 0.07, y + 0.07, z + height), iron)
    builder.box((x - 0.12, y - 0.12, z), (x + 0.12, y + 0.12, z + 0.8), iron)
    builder.box((x - 0.05, min(y, y + inward), z + height), (x + 0.05, max(y, y + inward), z + height + 0.1), iron)
    builder.box((x - 0.18, y + inward - 0.2, z + height - 0.12), (x + 0.18, y + inward + 0.2, z + height), iron)
    builder.lamps.append(Lamp((x, y + inward, z + height - 0.3), (24.0, 19.0, 12.0), reach))


def picture(
    builder: SceneBuilder, corners: ArrayLike, material: Material, frame: Material, *, depth: float = 0.05
) -> None:
    """A framed picture: (4, 3) corners in circular order on a wall, raised by ``depth`` metres towards its front."""
    square = np.asarray(corners, np.float64)
    out = np.cross(square[1] - square[0], square[3] - square[0])
    out *= depth / np.linalg.norm(out)
    centre = square.mean(0)
    rim = centre + (square - centre) * 1.1
    builder.quad(rim + out * 0.9, frame)
    for k in range(4):
        a, b = rim[k], rim[(k + 1) % 4]
        builder.quad([a, b, b + out * 0.9, a + out * 0.9], frame)
    builder.quad(square + out, material, window=(0, 0, 1, 1))


def house(builder: SceneBuilder, palette: Palette, rng: np.random.Generator, foot: ArrayLike, *, yaw: float) -> None:
    """A house with windows, a door, a gable roof and a chimney, its floor centre at ``foot`` (3,)."""
    width, depth, height = rng.uniform(8, 15), rng.uniform(7, 11), rng.uniform(3.5, 8)
    base = np.asarray(foot, np.float64)
    wall, roof = (
        palette.pick("bricks", "plaster", "stones", size=5.0),
        palette.pick("tiles", "planks", "bricks", size=5.0, tone=0.4),
    )

    def place(point: ArrayLike) -> Vector:
        x, y, z = np.asarray(point, np.float64)
        moved: Vector = base + np.array([*_rotated((x, y), yaw), z])
        return moved

    builder.box(*_placed((-width / 2, -depth / 2, -3), (width / 2, depth / 2, height), base, yaw), wall, yaw=yaw)
    rise, eave = depth * rng.uniform(0.3, 0.5), 0.5
    a, b = width / 2 + eave, depth / 2 + eave
    ridge = [(-a, 0, height + rise), (a, 0, height + rise)]
    for side in (-1, 1):
        builder.quad(
            [place(p) for p in ((-a, side * b, height - 0.2), (a, side * b, height - 0.2), ridge[1], ridge[0])], roof
        )
    for end in (-1, 1):
        gable = [
            (end * width / 2, -depth / 2, height),
            (end * width / 2, depth / 2, height),
            (end * width / 2, 0, height + rise),
        ]
        builder.mesh([place(p) for p in gable], [[0, 1, 2]], wall)
    chimney = rng.uniform(-0.3, 0.3) * width
    builder.box(
        *_placed((chimney - 0.4, 0.8, height), (chimney + 0.4, 1.6, height + rise + 0.8), base, yaw), wall, yaw=yaw
    )
    _house_openings(builder, palette, rng, place, (width, depth, height))


def _house_openings(
    builder: SceneBuilder,
    palette: Palette,
    rng: np.random.Generator,
    place: Callable[[ArrayLike], Vector],
    size: tuple[float, float, float],
) -> None:
    width, depth, height = size
    for side in (-1, 1):
        for along in np.arange(-width / 2 + 1.2, width / 2 - 1.2, 2.4):
            for floor in np.arange(0.9, height - 1.5, 2.8):
                y = side * (depth / 2 + 0.04)
                corners = [
                    (along, y, floor),
                    (along + 1.2, y, floor),
                    (along + 1.2, y, floor + 1.5),
                    (along, y, floor + 1.5),
                ]
                builder.quad([place(p) for p in corners], palette.pick("pane"), window=(0, 0, 1, 1))


def _rotated(offset: ArrayLike, yaw: float) -> Vector:
    x, y = np.asarray(offset, np.float64)
    return np.array([x * np.cos(yaw) - y * np.sin(yaw), x * np.sin(yaw) + y * np.cos(yaw)])


def _placed(low: ArrayLike, high: ArrayLike, foot: ArrayLike, yaw: float) -> tuple[Vector, Vector]:
    """World corners of a box given in its object's frame, to be turned by ``yaw`` about the box's own centre."""
    a, b = np.asarray(low, np.float64), np.asarray(high, np.float64)
    middle = (a + b) / 2
    centre = np.asarray(foot, np.float64) + np.array([*_rotated(middle[:2], yaw), middle[2]])
    return centre - (b - a) / 2, centre + (b - a) / 2
