"""What a world is made of: triangles with texture coordinates that are linear in position, lights, and camera room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gim_data.synthetic.atlas import Atlas
from gim_data.synthetic.paths import Path

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    Attributes:
        texture: id of the base texture.
        detail: id of the fine texture that modulates it, so that surfaces stay sharp near the camera.
        size: metres that one base texture covers, where the surface has no coordinates of its own.
        tint: (r, g, b) factors.
        detail_size: metres that one detail texture covers.
    """

    texture: int
    detail: int
    size: float = 4.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    detail_size: float = 1.3


@dataclass(frozen=True)
class Geometry:
    """Triangles and, per triangle, everything that shading needs.

    Attributes:
        corners: (F, 3, 3) float64 metres, z up.
        normals: (F, 3) float64 unit normals.
        textures, details: (F,) int32 texture ids.
        uv: (F, 2, 4) float32; ``uv[..., :3] @ position + uv[..., 3]`` are base texture coordinates.
        detail_uv: (F, 2, 4) float32, likewise for the detail texture.
        tints: (F, 3) float32.
    """

    corners: Points
    normals: Points
    textures: NDArray[np.int32]
    details: NDArray[np.int32]
    uv: NDArray[np.float32]
    detail_uv: NDArray[np.float32]
    tints: NDArray[np.float32]


@dataclass(frozen=True)
class Lamp:
    """A point light: position in metres, (r, g, b) strength at one metre, and the reach beyond which it is dark."""

    position: tuple[float, float, float]
    strength: tuple[float, float, float]
    reach: float


@dataclass(frozen=True)
class Scene:
    """A built scene: triangles, textures, lights, and the path its camera takes.

    Attributes:
        geometry, atlas: what is seen.
        lamps: point lights; always lit indoors, outdoors only by looks that ask for them.
        indoor: no sun, no sky, no weather.
        haze: factor on a look's fog; below 1 where one sees far.
        path: where the camera is at which second.
    """

    geometry: Geometry
    atlas: Atlas
    lamps: tuple[Lamp, ...]
    indoor: bool
    path: Path
    haze: float = 1.0
