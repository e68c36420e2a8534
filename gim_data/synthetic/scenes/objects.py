"""A table full of things in a room corner, orbited: close range, strong parallax, self-occlusion."""

from __future__ import annotations

import numpy as np

from gim_data.errors import GimError
from gim_data.synthetic import paths
from gim_data.synthetic.scenes import props, solids
from gim_data.synthetic.scenes.builder import SceneBuilder, turned
from gim_data.synthetic.scenes.geometry import Lamp, Material, Scene
from gim_data.synthetic.scenes.palette import PHOTOGRAPH, Palette
from gim_data.synthetic.spec import SyntheticSpec
from gim_data.synthetic.textures import TexturePool

_KINDS = {
    "carpet": 4, "planks": 2, "plaster": 2, "tiles": 3, "stones": 3, "poster": 6, "metal": 3, "leaves": 4, "foliage": 2,
    "bricks": 2, "pane": 2, PHOTOGRAPH: 10,
}  # fmt: skip

_ROUND = {3: (solids.cylinder, (0.6, 0.6, 2.2)), 4: (solids.cone, (0.8, 0.8, 2.4)), 5: (solids.torus, (0.8, 0.8, 0.8))}


def build(spec: SyntheticSpec) -> Scene:
    """The table of a spec.

    Raises:
        GimError: a path other than an orbit.
    """
    if spec.route != "orbit":
        raise GimError(f"{spec}: objects have no path {spec.route!r}", "use path=orbit")
    rng = spec.rng("objects")
    builder = SceneBuilder()
    palette = Palette(builder, TexturePool(spec.pool), _KINDS, spec.rng("textures"))
    _surroundings(builder, palette, rng)
    cloth = [(-1.1, -1.1, 0.002), (1.1, -1.1, 0.002), (1.1, 1.1, 0.002), (-1.1, 1.1, 0.002)]
    builder.box((-1.25, -1.25, -0.12), (1.25, 1.25, 0.0), palette.pick("planks", size=1.2))
    builder.quad(cloth, palette.pick("carpet", PHOTOGRAPH), window=(0, 0, 1, 1))
    for _ in range(22):
        _thing(builder, palette, rng)
    for x, y in ((2.0, 1.0), (-1.5, 2.0), (0.5, -2.2)):
        builder.lamps.append(Lamp((x, y, 2.2), (4.0, 3.6, 3.0), 8.0))
    path = paths.orbit(spec.rng("path"), target=(0, 0, 0.18), radius=1.75, height=1.15, period=rng.uniform(26, 36))
    return builder.scene(path, indoor=True)


def _surroundings(builder: SceneBuilder, palette: Palette, rng: np.random.Generator) -> None:
    half, low, high = 4.2, -0.8, 2.6
    builder.quad(
        [(-half, -half, low), (half, -half, low), (half, half, low), (-half, half, low)],
        palette.pick("planks", "tiles", size=2.0),
    )
    builder.quad(
        [(-half, -half, high), (half, -half, high), (half, half, high), (-half, half, high)],
        palette.pick("plaster", size=3.0),
    )
    for k in range(4):
        turn = k * np.pi / 2
        wall = turned(
            np.array([(-half, half, low), (half, half, low), (half, half, high), (-half, half, high)]), turn, (0, 0, 0)
        )
        builder.quad(wall, palette.pick("plaster", "bricks", "planks", size=2.5))
        for u in np.arange(-half + 0.4, half - 1, 1.3):
            w, z, h = rng.uniform(0.5, 1.0), rng.uniform(-0.5, 0.8), rng.uniform(0.5, 1.1)
            square = np.array(
                [(u, half - 0.01, z), (u + w, half - 0.01, z), (u + w, half - 0.01, z + h), (u, half - 0.01, z + h)]
            )
            art = palette.pick(PHOTOGRAPH, "poster", "leaves", detail="plaster", tone=0.1)
            props.picture(builder, turned(square, turn, (0, 0, 0)), art, palette.pick("planks", "metal", size=0.6))


def _thing(builder: SceneBuilder, palette: Palette, rng: np.random.Generator) -> None:
    """One random solid somewhere on the table."""
    x, y = rng.uniform(-0.95, 0.95, 2)
    size = rng.uniform(0.1, 0.24)
    look = palette.pick(
        "poster",
        "metal",
        "leaves",
        "stones",
        "tiles",
        "foliage",
        PHOTOGRAPH,
        "carpet",
        size=rng.uniform(0.35, 0.7),
        tone=0.4,
    )
    kind, yaw = int(rng.integers(6)), rng.uniform(0, np.pi)
    if kind == 0:
        builder.mesh(*props.lump(rng, (x, y, size), size, roughness=0.25, subdivisions=4), look)
    elif kind == 1:
        _stack(builder, palette, rng, x, y, size)
    elif kind == 2:
        builder.box((x - size * 0.65, y - size * 0.4, 0), (x + size * 0.65, y + size * 0.4, 2.4 * size), look, yaw=yaw)
    else:
        make, scale = _ROUND[kind]
        vertices, faces = make(40)
        builder.mesh(turned(vertices * np.array(scale) * size, yaw, (0, 0, 0)) + np.array([x, y, 0]), faces, look)


def _stack(builder: SceneBuilder, palette: Palette, rng: np.random.Generator, x: float, y: float, size: float) -> None:
    z = 0.0
    for _ in range(int(rng.integers(3, 7))):
        thick, yaw = rng.uniform(0.02, 0.06), rng.uniform(0, np.pi)
        cover: Material = palette.pick("poster", PHOTOGRAPH, "metal", "leaves", size=0.5, tone=0.4)
        builder.box((x - size, y - size * 0.7, z), (x + size, y + size * 0.7, z + thick), cover, yaw=yaw)
        z += thick
