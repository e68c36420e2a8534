"""Colours of ray hits: textures, sun with shadows, lamps, snow, fog; and the sky behind them.

Colours are linear with a gamma of 2, near enough to sRGB and cheap, and channel-first like all ray data.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.synthetic.atlas import Atlas, remap_points
from gim_data.synthetic.looks import Look
from gim_data.synthetic.patterns import octaves
from gim_data.synthetic.raytrace import Hits, Tracer
from gim_data.synthetic.scenes.geometry import Lamp, Scene
from gim_data.types import Floats

_DETAIL = 0.55  # how much the detail texture modulates the base texture
_LAMPS = 8  # lamps that light a frame: the nearest ones
_INDOOR_LAMPS = 0.6  # a room's lamps are never darker than this, whatever the look


class Shader:
    """Turns hits into colours.

    Args:
        scene: geometry, textures and lamps.
        tracer: for shadow rays.
        rng: seeds the clouds.
    """

    def __init__(self, scene: Scene, tracer: Tracer, rng: np.random.Generator) -> None:
        geometry = scene.geometry
        self._scene, self._tracer = scene, tracer
        self._clouds = cv2.GaussianBlur(octaves(rng, 512, first=3, count=5, decay=0.5), (0, 0), 3)
        self._normals = np.ascontiguousarray(geometry.normals.T, np.float32)
        self._tints = np.ascontiguousarray(geometry.tints.T / 255, np.float32)
        self._uv = np.ascontiguousarray(geometry.uv.transpose(1, 2, 0))  # (2, 4, F)
        self._detail_uv = np.ascontiguousarray(geometry.detail_uv.transpose(1, 2, 0))

    def surface(
        self, hits: Hits, origin: NDArray[np.float64], directions: Floats, across: NDArray[np.float64], look: Look
    ) -> Floats:
        """Linear RGB of hits.

        Args:
            hits: M of them.
            origin: (3,) camera centre.
            directions: (3, M) the rays that hit.
            across: (2, 3) world vectors by which a ray's direction changes over one pixel right and down.
            look: light and weather.

        Returns:
            (3, M) float32, about in [0, 1].
        """
        depth = hits.depth.astype(np.float32)
        points = directions * depth + _column(origin)
        normals = self._normals.take(hits.faces, 1)
        slope = _dot(normals, directions)
        toward = normals * -np.sign(slope)
        steps = [_on_plane(_column(vector), directions, normals, slope) * depth for vector in across]
        albedo = self._albedo(hits.faces, points, steps)
        outdoor = not self._scene.indoor
        if look.snow and outdoor:
            albedo = self._snowed(albedo, points, toward, look)
        colours = albedo * self._light(points, toward, origin, look)
        if look.fog and outdoor:
            clear = np.exp(np.float32(-look.fog * self._scene.haze) * depth * np.sqrt(_dot(directions, directions)))
            colours = colours * clear + (1 - clear) * _column(look.sky_low) ** 2
        return colours

    def sky(self, directions: Floats, look: Look) -> Floats:
        """Linear RGB (3, N) behind everything, by direction (3, N): a gradient and soft clouds at infinity."""
        x, y, z = directions / np.sqrt(_dot(directions, directions))
        up = np.clip(z, 0, 1)
        spread = 110 / (up + np.float32(0.25))
        noise = remap_points(self._clouds, x * spread + 256, y * spread + 256)
        gradient = _column(look.sky_low) * (1 - up) + _column(look.sky_top) * up
        shown: Floats = np.clip(gradient * (1 + np.float32(0.12) * noise), 0, 1) ** 2
        return shown

    def _albedo(self, faces: NDArray[np.int32], points: Floats, steps: list[Floats]) -> Floats:
        geometry, atlas = self._scene.geometry, self._scene.atlas
        base = _lookup(atlas, geometry.textures.take(faces), self._uv.take(faces, 2), points, steps)
        fine = _lookup(atlas, geometry.details.take(faces), self._detail_uv.take(faces, 2), points, steps)
        grey = fine.sum(0) * np.float32(_DETAIL / 3 / 128) + np.float32(1 - _DETAIL)
        colour = base * self._tints.take(faces, 1) * grey
        squared: Floats = colour * colour
        return squared

    def _light(self, points: Floats, toward: Floats, origin: NDArray[np.float64], look: Look) -> Floats:
        """(3, M) light that arrives: from the sky (more from above), the sun unless shadowed, and the lamps."""
        indoor = self._scene.indoor
        light = (np.float32(0.75) + _column((0.1, 0.06, 0.25))[:, 0] @ toward) * _column(look.ambient)
        if look.sun is not None and not indoor:
            sun = _column(look.sun)[:, 0] / np.float32(np.linalg.norm(look.sun))
            facing = np.maximum(sun @ toward, 0)
            lit = np.flatnonzero(facing > 0)
            shade = self._tracer.occluded(points.take(lit, 1), toward.take(lit, 1), sun)
            facing[lit[shade]] = 0
            light += facing * _column(look.sunlight)
        factor = max(look.lamps, _INDOOR_LAMPS) if indoor else look.lamps
        for lamp in nearest_lamps(self._scene.lamps, origin) if factor else ():
            light += np.float32(factor) * _lamp_light(lamp, points, toward)
        return light

    def _snowed(self, albedo: Floats, points: Floats, toward: Floats, look: Look) -> Floats:
        patchy = remap_points(self._clouds, *(np.abs(points[:2]) * 9 % 511))
        level = toward[2] + np.float32(0.5) * patchy + np.float32(look.snow - 1.3)
        cover = np.clip(level * np.float32(1.5), 0, np.float32(0.8))
        covered: Floats = albedo * (1 - cover) + cover * _column((0.6, 0.62, 0.66))
        return covered


def nearest_lamps(lamps: tuple[Lamp, ...], origin: NDArray[np.float64]) -> list[Lamp]:
    """The lamps that matter to a camera at ``origin`` (3,), at most eight."""
    return sorted(lamps, key=lambda lamp: float(np.linalg.norm(np.subtract(lamp.position, origin))))[:_LAMPS]


def _lamp_light(lamp: Lamp, points: Floats, toward: Floats) -> Floats:
    way = _column(lamp.position) - points
    square = _dot(way, way)
    facing = np.clip(_dot(way, toward) / np.sqrt(square + np.float32(1e-9)), 0, 1)
    fade = np.clip(1 - square / np.float32(lamp.reach**2), 0, 1) ** 2 / (1 + square)
    dim: Floats = (np.float32(0.2) + np.float32(0.8) * facing) * fade
    light: Floats = dim * _column(lamp.strength)
    return light


def _on_plane(vector: Floats, directions: Floats, normals: Floats, slope: Floats) -> Floats:
    """How a hit at unit depth moves on its plane when its ray's direction changes by ``vector`` (3, 1)."""
    steep: Floats = np.where(np.abs(slope) < 1e-6, np.float32(1e-6), slope)
    moved: Floats = vector - directions * (vector[:, 0] @ normals / steep)
    return moved


def _lookup(atlas: Atlas, ids: NDArray[np.int32], uv: Floats, points: Floats, steps: list[Floats]) -> Floats:
    place, dx, dy = (_linear(uv, vectors) for vectors in (points, *steps))
    return atlas.sample(ids, place + uv[:, 3], dx, dy)


def _linear(uv: Floats, vectors: Floats) -> Floats:
    """(2, M) texture coordinates of (3, M) vectors under (2, 4, M) maps, without their offsets."""
    x, y, z = vectors
    result: Floats = np.stack([row[0] * x + row[1] * y + row[2] * z for row in uv])
    return result


def _dot(a: Floats, b: Floats) -> Floats:
    result: Floats = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return result


def _column(values: object) -> Floats:
    return np.asarray(values, np.float32).reshape(3, 1)
