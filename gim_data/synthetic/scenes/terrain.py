"""Hills with houses, trees, fields and rocks, flown over."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.errors import GimError
from gim_data.synthetic import paths
from gim_data.synthetic.patterns import octaves
from gim_data.synthetic.scenes import props
from gim_data.synthetic.scenes.builder import SceneBuilder
from gim_data.synthetic.scenes.geometry import Points, Scene
from gim_data.synthetic.scenes.palette import PHOTOGRAPH, Palette
from gim_data.synthetic.spec import SyntheticSpec
from gim_data.synthetic.textures import TexturePool

_KINDS = {
    "soil": 5, "leaves": 3, "foliage": 3, "asphalt": 2, "stones": 3, "bricks": 3, "plaster": 2, "tiles": 3,
    "planks": 2, "pane": 4, "metal": 2, PHOTOGRAPH: 4,
}  # fmt: skip
_CELLS = 160
_HALF = 170.0  # metres


def build(spec: SyntheticSpec) -> Scene:
    """The terrain of a spec, seen from a drone.

    Raises:
        GimError: a path on the ground.
    """
    if spec.route not in ("drone", "orbit"):
        raise GimError(f"{spec}: terrain has no path {spec.route!r}", "use path=drone or path=orbit")
    rng = spec.rng("terrain")
    builder = SceneBuilder()
    palette = Palette(builder, TexturePool(spec.pool), _KINDS, spec.rng("textures"))
    heights = octaves(rng, _CELLS + 1, first=3, count=5, decay=0.42) * rng.uniform(3.5, 7)
    _ground(builder, palette, rng, heights)
    for _ in range(75):
        spot = _anywhere(rng, heights)
        props.house(builder, palette, rng, spot, yaw=rng.uniform(0, np.pi))
    for _ in range(170):
        props.tree(builder, palette, rng, _anywhere(rng, heights), height=rng.uniform(5, 11), detail=2)
    for _ in range(90):
        rock = props.lump(rng, _anywhere(rng, heights), rng.uniform(0.7, 3), roughness=0.3, subdivisions=2)
        builder.mesh(*rock, palette.pick("stones", size=3.0))
    for _ in range(40):
        props.car(builder, palette, rng, _anywhere(rng, heights), yaw=rng.uniform(0, 2 * np.pi))
    path_rng = spec.rng("path")
    if spec.route == "orbit":
        path = paths.orbit(path_rng, target=(0, 0, 4), radius=48, height=40, period=40)
    else:
        path = paths.drone(path_rng, floor=float(heights.max()), altitude=rng.uniform(24, 32), reach=55, speed=5)
    return builder.scene(path, indoor=False, haze=0.25)


def _ground(builder: SceneBuilder, palette: Palette, rng: np.random.Generator, heights: NDArray[np.float32]) -> None:
    """The height field, each of a few hundred irregular fields with a material of its own."""
    axis = np.linspace(-_HALF, _HALF, _CELLS + 1)
    x, y = np.meshgrid(axis, axis)
    vertices = np.stack([x, y, heights], -1).reshape(-1, 3)
    row, column = np.divmod(np.arange(_CELLS * _CELLS), _CELLS)
    first = row * (_CELLS + 1) + column
    quads = np.stack([first, first + 1, first + _CELLS + 2, first + _CELLS + 1], 1)
    fields = _fields(rng, 90)
    for field in range(fields.max() + 1):
        chosen = quads[fields.ravel() == field]
        if len(chosen):
            faces = np.concatenate([chosen[:, [0, 1, 2]], chosen[:, [0, 2, 3]]])
            ground = palette.pick(
                "soil", "leaves", "asphalt", "foliage", "stones", "tiles", size=rng.uniform(14, 30), tone=0.35
            )
            builder.mesh(vertices, faces, ground)


def _fields(rng: np.random.Generator, count: int) -> NDArray[np.intp]:
    """(cells, cells) labels of Voronoi fields with wavy borders."""
    seeds = rng.uniform(0, _CELLS, (count, 2)).astype(np.float32)
    bend = np.stack([octaves(rng, _CELLS, first=6, count=2), octaves(rng, _CELLS, first=6, count=2)], -1) * 3
    y, x = np.mgrid[:_CELLS, :_CELLS].astype(np.float32)
    places = np.stack([x, y], -1) + bend
    nearest: NDArray[np.intp] = ((places[:, :, None] - seeds) ** 2).sum(-1).argmin(-1)
    return nearest


def _anywhere(rng: np.random.Generator, heights: NDArray[np.float32]) -> Points:
    """A random (3,) point on the ground."""
    x, y = rng.uniform(-0.93, 0.93, 2) * _HALF
    at = (np.array([[x, y]], np.float32) + _HALF) / (2 * _HALF) * _CELLS
    z = cv2.remap(heights, at[:, 0], at[:, 1], cv2.INTER_LINEAR)[0, 0]
    return np.array([x, y, float(z)])
