"""Unit solids, made once: vertices (V, 3) and faces (F, 3) to be scaled, turned and moved."""

from __future__ import annotations

from functools import cache

import numpy as np
import trimesh
from numpy.typing import NDArray

from gim_data.synthetic.scenes.geometry import Points

Solid = tuple[Points, NDArray[np.int64]]


@cache
def sphere(subdivisions: int) -> Solid:
    """Of radius 1 about the origin; each subdivision quadruples the 20 faces."""
    return _arrays(trimesh.creation.icosphere(subdivisions=subdivisions))


@cache
def cylinder(sections: int) -> Solid:
    """Of radius 1 about the z axis, from z = 0 to 1."""
    vertices, faces = _arrays(trimesh.creation.cylinder(radius=1.0, height=1.0, sections=sections))
    return vertices + np.array([0, 0, 0.5]), faces


@cache
def cone(sections: int) -> Solid:
    """Of radius 1 about the z axis, its tip at z = 1."""
    return _arrays(trimesh.creation.cone(radius=1.0, height=1.0, sections=sections))


@cache
def torus(sections: int) -> Solid:
    """Lying around the z axis, radii 1 and 0.35, its lowest point at z = 0."""
    vertices, faces = _arrays(trimesh.creation.torus(1.0, 0.35, major_sections=sections, minor_sections=sections // 2))
    return vertices + np.array([0, 0, 0.35]), faces


def _arrays(mesh: trimesh.Trimesh) -> Solid:
    return np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
