"""Puts a scene together from textures, meshes, quads, boxes and lamps."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gim_data.synthetic.atlas import Atlas
from gim_data.synthetic.paths import Path
from gim_data.synthetic.scenes.geometry import Geometry, Lamp, Material, Points, Scene
from gim_data.types import Image

Window = tuple[float, float, float, float]

_HALVES = np.array([[0, 1, 2], [0, 2, 3]])  # of a quad
_CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float64)
_SIDES = np.array([[0, 4, 6, 2], [1, 3, 7, 5], [0, 1, 5, 4], [2, 6, 7, 3], [0, 2, 3, 1], [4, 5, 7, 6]])
_CUBE_FACES = _SIDES[:, _HALVES].reshape(-1, 3)


class SceneBuilder:
    """Collects textures, meshes and lamps; texture coordinates are worked out for all at once, at the end."""

    def __init__(self) -> None:
        self.lamps: list[Lamp] = []
        self._textures: list[Image] = []
        self._corners: list[Points] = []
        self._places: list[Points] = []  # texture coordinates of the corners, NaN where the main axis decides
        self._materials: list[Material] = []

    def texture(self, image: Image) -> int:
        """Add a square texture; returns its id."""
        self._textures.append(image)
        return len(self._textures) - 1

    def mesh(self, vertices: ArrayLike, faces: ArrayLike, material: Material) -> None:
        """Add (V, 3) vertices with (F, 3) faces, textured along the axis each face looks along."""
        corners = np.asarray(vertices, np.float64)[np.asarray(faces)]
        self._append(corners, np.full((len(corners), 3, 2), np.nan), material)

    def quad(self, corners: ArrayLike, material: Material, *, window: Window | None = None) -> None:
        """Add a planar quad given by (4, 3) corners in circular order.

        Args:
            corners: metres; the first is the texture window's lower left, the second its lower right.
            material: its look.
            window: (u0, v0, u1, v1) part of the texture to show; None maps by ``material.size`` instead.
        """
        u0, v0, u1, v1 = window or (np.nan,) * 4
        places = np.array([[u0, v1], [u1, v1], [u1, v0], [u0, v0]])
        self._append(np.asarray(corners, np.float64)[_HALVES], places[_HALVES], material)

    def box(self, low: ArrayLike, high: ArrayLike, material: Material, *, yaw: float = 0.0) -> None:
        """Add a closed box between two (3,) corners, turned by ``yaw`` radians about its vertical axis."""
        a, b = np.asarray(low, np.float64), np.asarray(high, np.float64)
        self.mesh(turned(a + _CUBE * (b - a), yaw, (a + b) / 2), _CUBE_FACES, material)

    def geometry(self) -> Geometry:
        """Everything added so far, without triangles that have no area."""
        corners, places = np.concatenate(self._corners), np.concatenate(self._places)
        owner = np.repeat(np.arange(len(self._materials)), [len(part) for part in self._corners])
        normals = face_normals(corners)
        solid = np.abs(normals).sum(1) > 0.5
        corners, places, owner, normals = corners[solid], places[solid], owner[solid], normals[solid]
        sizes, details = (np.array([getattr(m, key) for m in self._materials]) for key in ("size", "detail_size"))
        uv = axis_coordinates(corners, sizes[owner])
        given = np.flatnonzero(~np.isnan(places[:, 0, 0]))
        uv[given] = corner_coordinates(corners[given], places[given])
        return Geometry(
            corners,
            normals,
            np.array([m.texture for m in self._materials], np.int32)[owner],
            np.array([m.detail for m in self._materials], np.int32)[owner],
            uv,
            axis_coordinates(corners, details[owner]),
            np.array([m.tint for m in self._materials], np.float32)[owner],
        )

    def scene(self, path: Path, *, indoor: bool, haze: float = 1.0) -> Scene:
        """The finished scene."""
        return Scene(self.geometry(), Atlas.build(self._textures), tuple(self.lamps), indoor, path, haze)

    def _append(self, corners: Points, places: Points, material: Material) -> None:
        self._corners.append(corners)
        self._places.append(places)
        self._materials.append(material)


def turned(points: Points, yaw: float, centre: ArrayLike) -> Points:
    """(N, 3) points turned by ``yaw`` radians about the vertical axis through ``centre`` (3,)."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    about = np.asarray(centre, np.float64)
    result: Points = (points - about) @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) + about
    return result


def axis_coordinates(corners: Points, size: ArrayLike) -> NDArray[np.float32]:
    """(F, 2, 4) texture coordinates that project (F, 3, 3) triangles along their main axes, ``size`` metres a unit."""
    main = np.abs(face_normals(corners)).argmax(1)
    across = np.array([[1, 2], [0, 2], [0, 1]])[main]
    uv = np.zeros((len(corners), 2, 4), np.float32)
    scale = np.broadcast_to(1.0 / np.asarray(size, np.float64), (len(corners),))
    rows = np.arange(len(corners))
    uv[rows, 0, across[:, 0]] = scale
    uv[rows, 1, across[:, 1]] = -scale  # v grows downwards, as image rows do
    return uv


def corner_coordinates(corners: Points, places: Points) -> NDArray[np.float32]:
    """(F, 2, 4) texture coordinates that take the values ``places`` (F, 3, 2) at the corners (F, 3, 3)."""
    system = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], face_normals(corners)], 1)
    steps = np.stack([places[:, 1] - places[:, 0], places[:, 2] - places[:, 0], np.zeros_like(places[:, 0])], 1)
    gradient = np.linalg.solve(system, steps)  # (F, 3, 2)
    offset = places[:, 0] - np.einsum("fk,fkc->fc", corners[:, 0], gradient)
    return np.concatenate([gradient.transpose(0, 2, 1), offset[..., None]], 2).astype(np.float32)


def face_normals(corners: Points) -> Points:
    """(F, 3) unit normals of (F, 3, 3) triangles."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    result: Points = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return result
