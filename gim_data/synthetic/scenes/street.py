"""A street between façades with relief, with kerbs, parked cars, trees and lamps; walked or driven along +x."""

from __future__ import annotations

import numpy as np

from gim_data.errors import GimError
from gim_data.synthetic import paths
from gim_data.synthetic.scenes import props
from gim_data.synthetic.scenes.builder import SceneBuilder
from gim_data.synthetic.scenes.geometry import Material, Scene
from gim_data.synthetic.scenes.palette import PHOTOGRAPH, Palette
from gim_data.synthetic.spec import SyntheticSpec
from gim_data.synthetic.textures import TexturePool

_KINDS = {
    "plaster": 4, "bricks": 4, "stones": 3, "asphalt": 3, "tiles": 2, "planks": 2,
    "pane": 7, "poster": 6, "metal": 3, "foliage": 3, "soil": 1, PHOTOGRAPH: 6,
}  # fmt: skip
_SPEED = {"walk": 1.3, "drive": 6.0, "drone": 4.0}
_ROAD = 3.6  # half width, metres
_FACADE = 6.5  # distance of the façades from the middle


def build(spec: SyntheticSpec) -> Scene:
    """The street of a spec, as long as its camera needs.

    Raises:
        GimError: an orbit was asked for.
    """
    if spec.route not in _SPEED:
        raise GimError(f"{spec}: a street has no path {spec.route!r}", f"use path= one of {sorted(_SPEED)}")
    rng = spec.rng("street")
    builder = SceneBuilder()
    palette = Palette(builder, TexturePool(spec.pool), _KINDS, spec.rng("textures"))
    end = min(spec.seconds * _SPEED[spec.route], 600.0) + 60
    _ground(builder, palette, rng, end)
    for side in (-1, 1):
        _row(builder, palette, rng, side, end)
        _furniture(builder, palette, rng, side, end)
    _closing(builder, palette, rng, end)
    if spec.route == "drone":
        _fields(builder, palette, end)
    return builder.scene(_path(spec, end - 60), indoor=False)


def _path(spec: SyntheticSpec, length: float) -> paths.Path:
    rng = spec.rng("path")
    if spec.route == "walk":
        return paths.walk(rng, speed=_SPEED["walk"])
    if spec.route == "drive":
        return paths.drive(rng, speed=_SPEED["drive"])
    reach = min(25.0, length / 2 + 5)
    return paths.drone(rng, floor=15.0, altitude=10.0, reach=reach, speed=_SPEED["drone"], centre=(length / 2 + 10, 0))


def _ground(builder: SceneBuilder, palette: Palette, rng: np.random.Generator, end: float) -> None:
    for start in np.arange(-20, end + 20, 9.0):
        builder.quad(_floor(start, start + 9, -_ROAD, _ROAD, 0), palette.pick("asphalt", size=5.0))
        for side in (-1, 1):
            low, high = sorted((side * _ROAD, side * (_FACADE + 12)))
            builder.box(
                (start, low, -0.2), (start + 9, high, 0.14), palette.pick("tiles", "stones", "asphalt", size=3.0)
            )
        if rng.random() < 0.8:
            builder.quad(
                _floor(start + 2, start + 4.5, -0.08, 0.08, 0.006), palette.pick("plaster", size=1.0, tone=0.05)
            )
    for _ in range(int(end / 1.5)):
        x, y = rng.uniform(-10, end), rng.uniform(-_ROAD, _ROAD)
        a, b = rng.uniform(0.2, 1.1, 2)
        kind = palette.pick("metal", "asphalt", "stones", "soil", size=1.0, tone=0.4)
        builder.quad(_floor(x - a, x + a, y - b, y + b, rng.uniform(0.003, 0.005)), kind, window=(0, 0, 1, 1))


def _fields(builder: SceneBuilder, palette: Palette, end: float) -> None:
    """Land behind the houses, which only a drone sees."""
    for x in np.arange(-100, end + 100, 25.0):
        for y in np.arange(-150, 150, 25.0):
            kind = palette.pick("soil", "stones", "tiles", size=6.0, tone=0.3)
            builder.quad(_floor(x, x + 25, y, y + 25, -0.3), kind)


def _floor(x0: float, x1: float, y0: float, y1: float, z: float) -> list[tuple[float, float, float]]:
    return [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]


def _row(builder: SceneBuilder, palette: Palette, rng: np.random.Generator, side: int, end: float) -> None:
    """Buildings along one side: each its own width, height, setback and façade."""
    x = -25.0
    while x < end:
        width, height, setback = rng.uniform(6, 13), rng.uniform(6, 15), rng.uniform(0, 1.6)
        front = side * (_FACADE + setback)
        low, high = sorted((front, side * (_FACADE + 11)))
        wall = palette.pick("bricks", "plaster", "stones", "planks", size=rng.uniform(3.5, 6.5))
        builder.box((x, low, 0), (x + width, high, height), wall)
        _relief(builder, palette, rng, (x, x + width), front, side, height)
        x += width + (rng.uniform(1.5, 4) if rng.random() < 0.25 else 0)


def _relief(
    builder: SceneBuilder, palette: Palette, rng: np.random.Generator,
    span: tuple[float, float], front: float, side: int, height: float,
) -> None:  # fmt: skip
    """Windows with frames and sills, balconies, ledges, doors, shop signs and posters on one façade."""
    trim, storey, bay = palette.pick("plaster", "stones", size=1.5), rng.uniform(2.7, 3.4), rng.uniform(1.9, 2.8)
    wide, tall = rng.uniform(0.9, 1.3), rng.uniform(1.2, 1.8)

    def slab(x0: float, x1: float, z0: float, z1: float, out: float, material: Material) -> None:
        low, high = sorted((front, front - side * out))
        builder.box((x0, low, z0), (x1, high, z1), material)

    for floor, z in enumerate(np.arange(0.9, height - tall, storey)):
        slab(*span, z + tall + 0.5, z + tall + 0.65, rng.uniform(0.05, 0.25), trim)
        for x in np.arange(span[0] + 0.6, span[1] - wide - 0.3, bay):
            if rng.random() < 0.12:
                _sign(builder, palette, rng, x, z, front, side)
                continue
            slab(x - 0.12, x + wide + 0.12, z - 0.12, z + tall + 0.12, 0.09, trim)
            low = front - side * 0.1
            builder.quad(
                _upright(x, x + wide, low, z, z + tall, side), palette.pick("pane", tone=0.4), window=(0, 0, 1, 1)
            )
            slab(x - 0.2, x + wide + 0.2, z - 0.2, z - 0.1, 0.25, trim)
            if floor and rng.random() < 0.2:
                slab(x - 0.5, x + wide + 0.5, z - 0.3, z - 0.15, 0.9, trim)
                slab(x - 0.5, x + wide + 0.5, z + 0.55, z + 0.62, 0.9, palette.pick("metal", size=1.0))
    _sign(builder, palette, rng, rng.uniform(span[0], span[1] - 2.2), rng.uniform(0.5, 2.6), front, side)
    if rng.random() < 0.4:
        slab(span[0] + 0.5, span[1] - 0.5, 2.7, 2.85, 1.1, palette.pick("poster", "metal", size=2.0))


def _sign(
    builder: SceneBuilder, palette: Palette, rng: np.random.Generator, x: float, z: float, front: float, side: int
) -> None:
    width, height = rng.uniform(0.9, 2.2), rng.uniform(0.8, 1.7)
    corners = _upright(x, x + width, front, z, z + height, side)
    picture = palette.pick("poster", PHOTOGRAPH, detail="plaster", tone=0.1)
    props.picture(builder, corners, picture, palette.pick("metal", "planks", size=1.0), depth=rng.uniform(0.04, 0.2))


def _upright(x0: float, x1: float, y: float, z0: float, z1: float, side: int) -> list[tuple[float, float, float]]:
    """Corners of a rectangle on the façade of ``side``, ordered such that it faces the street and reads rightly."""
    left, right = (x0, x1) if side > 0 else (x1, x0)
    return [(left, y, z0), (right, y, z0), (right, y, z1), (left, y, z1)]


def _furniture(builder: SceneBuilder, palette: Palette, rng: np.random.Generator, side: int, end: float) -> None:
    """Cars at the kerb, and on the pavement trees, lamps, bins and boxes."""
    for x in np.arange(-8, end, 5.6):
        if rng.random() < 0.5:
            props.car(
                builder,
                palette,
                rng,
                (x + rng.uniform(-0.4, 0.4), side * (_ROAD - 1.05), 0),
                yaw=rng.choice([0, np.pi]) + rng.normal(0, 0.03),
            )
    for x in np.arange(-12 + 3 * side, end, 11.0):
        props.lamp_post(builder, palette, (x, side * (_ROAD + 0.4), 0.14), height=4.6, reach=14)
        if rng.random() < 0.6:
            props.tree(
                builder, palette, rng, (x + rng.uniform(3, 7), side * (_ROAD + 0.9), 0.14), height=rng.uniform(3.5, 6)
            )
    for x in rng.uniform(-10, end, int(end / 4)):
        extent = rng.uniform(0.25, 0.7, 3)
        foot = np.array([x, side * (_FACADE - 0.6), 0.14])
        builder.box(
            foot - [extent[0], 0.3, 0],
            foot + np.array([extent[0], 0.3, 2 * extent[2]]),
            palette.pick("poster", "metal", "planks", size=1.2),
            yaw=rng.normal(0, 0.2),
        )


def _closing(builder: SceneBuilder, palette: Palette, rng: np.random.Generator, end: float) -> None:
    """What stands at both ends, so that the street does not run into the void."""
    for x, reach in ((end, 6.0), (-26.0, -6.0)):
        low, high = sorted((x, x + reach))
        builder.box((low, -22, 0), (high, 22, rng.uniform(9, 16)), palette.pick("bricks", "stones", size=6.0))
    for y in rng.uniform(-14, 14, 6):
        builder.box(
            (end + 20, y - 6, 0), (end + 30, y + 6, rng.uniform(14, 30)), palette.pick("bricks", "plaster", size=9.0)
        )
