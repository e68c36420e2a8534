"""A furnished room: shelves, tables, cupboards, sofas, plants, carpets, pictures on every wall."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gim_data.errors import GimError
from gim_data.synthetic import paths
from gim_data.synthetic.scenes import props, solids
from gim_data.synthetic.scenes.builder import SceneBuilder
from gim_data.synthetic.scenes.geometry import Lamp, Material, Scene
from gim_data.synthetic.scenes.palette import PHOTOGRAPH, Palette
from gim_data.synthetic.spec import SyntheticSpec
from gim_data.synthetic.textures import TexturePool

_KINDS = {
    "plaster": 3, "bricks": 1, "planks": 4, "tiles": 2, "carpet": 4, "pane": 3, "poster": 5, "metal": 3,
    "leaves": 4, "foliage": 2, "stones": 1, PHOTOGRAPH: 10,
}  # fmt: skip
_HEIGHT = 2.8
Place = Callable[[float, float, float], tuple[float, float, float]]


def build(spec: SyntheticSpec) -> Scene:
    """The room of a spec; its camera walks a ring around the middle table.

    Raises:
        GimError: a path that does not fit into a room.
    """
    if spec.route not in ("walk", "orbit"):
        raise GimError(f"{spec}: a room has no path {spec.route!r}", "use path=walk or path=orbit")
    rng = spec.rng("room")
    builder = SceneBuilder()
    palette = Palette(builder, TexturePool(spec.pool), _KINDS, spec.rng("textures"))
    a, b = rng.uniform(4.2, 5.5), rng.uniform(3.8, 4.8)  # half sizes
    _shell(builder, palette, rng, a, b)
    for side in range(4):
        _wall(builder, palette, rng, side, a, b)
    _middle(builder, palette, rng)
    for x, y in ((-a / 2, -b / 2), (a / 2, b / 2), (-a / 2, b / 2), (a / 2, -b / 2)):
        red, green, blue = (float(v) for v in rng.uniform(0.8, 1.2, 3) * (3.2, 2.9, 2.3))
        builder.lamps.append(Lamp((x, y, _HEIGHT - 0.4), (red, green, blue), 9.0))
    outward = spec.route == "walk"
    path = paths.orbit(
        spec.rng("path"), target=(0, 0, 0.9), radius=2.15, height=1.5, period=rng.uniform(40, 60), outward=outward
    )
    return builder.scene(path, indoor=True)


def _shell(builder: SceneBuilder, palette: Palette, rng: np.random.Generator, a: float, b: float) -> None:
    floor = [(-a, -b, 0), (a, -b, 0), (a, b, 0), (-a, b, 0)]
    builder.quad(floor, palette.pick("planks", "tiles", size=2.6))
    builder.quad([(x, y, _HEIGHT) for x, y, _ in floor], palette.pick("planks", "plaster", size=3.0))
    for k in range(4):
        (x0, y0, _), (x1, y1, _) = floor[k], floor[(k + 1) % 4]
        wall = palette.pick("plaster", "bricks", "planks", "stones", size=3.2)
        builder.quad([(x0, y0, 0), (x1, y1, 0), (x1, y1, _HEIGHT), (x0, y0, _HEIGHT)], wall)
    for x in np.linspace(-a + 0.7, a - 0.7, 5):
        builder.box((x - 0.08, -b, _HEIGHT - 0.2), (x + 0.08, b, _HEIGHT), palette.pick("planks", size=1.3))
    for _ in range(4):
        x, y = rng.uniform(-a + 1, a - 1), rng.uniform(-b + 1, b - 1)
        w, h = rng.uniform(0.7, 1.3, 2)
        z = rng.uniform(0.004, 0.02)
        rug = [(x - w, y - h, z), (x + w, y - h, z), (x + w, y + h, z), (x - w, y + h, z)]
        builder.quad(rug, palette.pick("carpet"), window=(0, 0, 1, 1))


def _wall(builder: SceneBuilder, palette: Palette, rng: np.random.Generator, side: int, a: float, b: float) -> None:
    """Furniture along one of four walls and pictures above it; the walls are built in a frame of their own."""
    length, distance = (a, b) if side % 2 == 0 else (b, a)

    def place(u: float, v: float, z: float) -> tuple[float, float, float]:
        """``u`` along the wall, ``v`` metres away from it, ``z`` up -> world."""
        quarter = ((u, v - distance), (distance - v, u), (-u, distance - v), (v - distance, -u))[side]
        return (*quarter, z)

    u = -length + 0.2
    while u < length - 0.5:
        width = min(rng.uniform(0.7, 1.9), length - u - 0.1)
        make = (_shelf, _cupboard, _sofa, _plant)[int(rng.choice(4, p=[0.35, 0.35, 0.15, 0.15]))]
        top = make(builder, palette, rng, place, (u, u + width))
        if top < 1.5:
            low, tall = max(top, 0.9) + rng.uniform(0.15, 0.3), rng.uniform(0.5, 0.9)
            edges = ((u + width - 0.1, low), (u + 0.1, low), (u + 0.1, low + tall), (u + width - 0.1, low + tall))
            corners = [place(x, 0.01, z) for x, z in edges]
            art = palette.pick(PHOTOGRAPH, "poster", detail="plaster", tone=0.05)
            props.picture(builder, corners, art, palette.pick("planks", "metal", size=0.8))
        u += width + rng.uniform(0.05, 0.5)


def _block(
    builder: SceneBuilder,
    place: Place,
    span: tuple[float, float],
    out: tuple[float, float],
    z: tuple[float, float],
    material: Material,
) -> None:
    corners = np.array([place(span[0], out[0], z[0]), place(span[1], out[1], z[1])])
    builder.box(corners.min(0), corners.max(0), material)


def _shelf(
    builder: SceneBuilder, palette: Palette, rng: np.random.Generator, place: Place, span: tuple[float, float]
) -> float:
    wood, deep, top = palette.pick("planks", size=1.2), rng.uniform(0.28, 0.4), rng.uniform(1.2, 2.3)
    for z in np.arange(0.05, top, 0.38):
        _block(builder, place, span, (0, deep), (z, z + 0.03), wood)
        at = span[0] + 0.04
        while at < span[1] - 0.08:
            thick = rng.uniform(0.03, 0.12)
            book = palette.pick("poster", "leaves", "metal", PHOTOGRAPH, size=rng.uniform(0.2, 0.5), tone=0.5)
            if rng.random() < 0.85:
                _block(
                    builder,
                    place,
                    (at, at + thick),
                    (0.02, deep * rng.uniform(0.6, 0.95)),
                    (z + 0.03, z + rng.uniform(0.18, 0.33)),
                    book,
                )
            at += thick + 0.01
    for u in span:
        _block(builder, place, (u - 0.02, u + 0.02), (0, deep), (0, top), wood)
    return float(top)


def _cupboard(
    builder: SceneBuilder, palette: Palette, rng: np.random.Generator, place: Place, span: tuple[float, float]
) -> float:
    top, deep = rng.uniform(0.6, 1.3), rng.uniform(0.4, 0.6)
    _block(builder, place, span, (0, deep), (0.08, top), palette.pick("planks", "metal", size=1.1))
    for k in range(2):
        edge = span[0] + (span[1] - span[0]) * k / 2
        door = (edge + 0.04, edge + (span[1] - span[0]) / 2 - 0.04)
        _block(
            builder,
            place,
            door,
            (deep, deep + 0.03),
            (0.15, top - 0.08),
            palette.pick("planks", "leaves", "carpet", size=0.9),
        )
    for _ in range(int(rng.integers(2, 6))):
        u, size = rng.uniform(span[0] + 0.15, span[1] - 0.15), rng.uniform(0.06, 0.16)
        thing = palette.pick("poster", "metal", "leaves", PHOTOGRAPH, size=0.4, tone=0.5)
        _block(
            builder,
            place,
            (u - size, u + size),
            (deep / 2 - size, deep / 2 + size),
            (top, top + rng.uniform(0.1, 0.5)),
            thing,
        )
    return float(top + 0.3)


def _sofa(
    builder: SceneBuilder, palette: Palette, rng: np.random.Generator, place: Place, span: tuple[float, float]
) -> float:
    cloth = palette.pick("carpet", "leaves", size=rng.uniform(0.8, 1.5))
    _block(builder, place, span, (0.05, 0.85), (0.1, 0.42), cloth)
    _block(builder, place, span, (0.05, 0.3), (0.42, 0.85), cloth)
    for _ in range(3):
        centre = np.array(place(rng.uniform(*span), 0.42, 0.55))
        builder.mesh(
            *props.lump(rng, centre, 0.2, roughness=0.15, subdivisions=3),
            palette.pick("carpet", "leaves", PHOTOGRAPH, size=0.6),
        )
    return 0.9


def _plant(
    builder: SceneBuilder, palette: Palette, rng: np.random.Generator, place: Place, span: tuple[float, float]
) -> float:
    middle = (span[0] + span[1]) / 2
    pot, faces = solids.cylinder(20)
    stand = pot * np.array([0.22, 0.22, 0.4]) + np.array(place(middle, 0.45, 0.0))
    builder.mesh(stand, faces, palette.pick("stones", "tiles", size=0.6))
    for _ in range(5):
        centre = np.array(place(middle + rng.normal(0, 0.12), 0.45 + rng.normal(0, 0.08), rng.uniform(0.6, 1.3)))
        builder.mesh(
            *props.lump(rng, centre, rng.uniform(0.12, 0.25), roughness=0.3, subdivisions=3),
            palette.pick("foliage", size=0.6),
        )
    return 1.6


def _middle(builder: SceneBuilder, palette: Palette, rng: np.random.Generator) -> None:
    """A table with things on it, and chairs, inside the ring the camera walks."""
    wood = palette.pick("planks", size=1.3)
    w, d, top = rng.uniform(0.6, 0.9), rng.uniform(0.45, 0.7), rng.uniform(0.65, 0.78)
    builder.box((-w, -d, top - 0.05), (w, d, top), wood)
    for x in (-w + 0.06, w - 0.06):
        for y in (-d + 0.06, d - 0.06):
            builder.box((x - 0.04, y - 0.04, 0), (x + 0.04, y + 0.04, top - 0.05), wood)
    for _ in range(9):
        x, y = rng.uniform(-w + 0.12, w - 0.12), rng.uniform(-d + 0.12, d - 0.12)
        size = rng.uniform(0.05, 0.15, 3)
        thing = palette.pick("poster", "carpet", "metal", PHOTOGRAPH, size=0.35, tone=0.4)
        builder.box(
            (x - size[0], y - size[1], top), (x + size[0], y + size[1], top + 2 * size[2]), thing, yaw=rng.uniform(0, 3)
        )
    for k in range(4):
        angle = k * np.pi / 2 + rng.normal(0, 0.2)
        x, y = (w + 0.25) * np.cos(angle), (d + 0.35) * np.sin(angle)
        seat = palette.pick("carpet", "planks", size=0.6)
        builder.box((x - 0.2, y - 0.2, 0.4), (x + 0.2, y + 0.2, 0.46), seat, yaw=angle)
        builder.box((x - 0.03, y - 0.2, 0.0), (x + 0.03, y + 0.2, 0.95), seat, yaw=angle)
