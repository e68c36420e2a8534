"""Rays against triangles: Embree finds the face, float64 plane arithmetic finds where on it.

Vectors of many rays are channel-first, ``(3, N)``: numpy is several times faster on them than on ``(N, 3)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from gim_data.synthetic.scenes.geometry import Geometry
from gim_data.types import Floats

_LIFT = np.float32(2e-3)  # metres a shadow ray starts above its surface


@dataclass(frozen=True)
class Hits:
    """Where rays first meet a surface.

    Attributes:
        rays: (M,) indices of the rays that hit anything.
        faces: (M,) int32 faces they hit.
        depth: (M,) float64 in units of the ray's direction: z-depth where the direction has z = 1 in the camera.
    """

    rays: NDArray[np.intp]
    faces: NDArray[np.int32]
    depth: NDArray[np.float64]


class Tracer:
    """A scene's acceleration structure."""

    def __init__(self, geometry: Geometry) -> None:
        self._scene = EmbreeScene()
        self._mesh = TriangleMesh(self._scene, geometry.corners.astype(np.float32))
        self._normals = np.ascontiguousarray(geometry.normals.T)
        self._offsets = np.einsum("fk,fk->f", geometry.normals, geometry.corners[:, 0])

    def first(self, origin: NDArray[np.float64], directions: NDArray[np.float64]) -> Hits:
        """First hits of rays from one (3,) ``origin`` along (3, N) ``directions``, which need not have unit length.

        Embree answers in float32 which face is hit; the depth is that of the face's plane in float64, so it is exact
        on the face and continuous across coplanar faces.
        """
        along = directions.T.astype(np.float32, order="C")
        found = self._scene.run(np.tile(origin.astype(np.float32), (len(along), 1)), along)
        rays = np.flatnonzero(found >= 0)
        faces = found.take(rays).astype(np.int32)
        heights = self._offsets - origin @ self._normals  # of the faces' planes above the camera
        x, y, z = self._normals.take(faces, 1) * directions.take(rays, 1)
        slope = x + y + z
        depth = heights.take(faces) / np.where(slope == 0, np.inf, slope)
        return Hits(rays, faces, depth)

    def occluded(self, points: Floats, normals: Floats, towards: Floats) -> NDArray[np.bool_]:
        """Whether anything lies between (3, N) surface ``points`` and infinity in direction ``towards`` (3,)."""
        origins = np.ascontiguousarray((points + _LIFT * normals).T)
        found = self._scene.run(origins, np.tile(towards, (len(origins), 1)), query="OCCLUDED")
        hit: NDArray[np.bool_] = found == 0
        return hit
