"""A synthetic world: open it by its spec, render what the camera sees at any second, with exact depth and pose."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.synthetic.looks import Look, look_at_instant
from gim_data.synthetic.paths import Pose, position_of
from gim_data.synthetic.raytrace import Hits, Tracer
from gim_data.synthetic.scenes import build_scene
from gim_data.synthetic.scenes.geometry import Scene
from gim_data.synthetic.shading import Shader
from gim_data.synthetic.spec import SyntheticSpec
from gim_data.types import Floats, Image, Size

# Where the extra rays of pixels on edges go: one to each side of the centre.
_SUBPIXELS = np.array([(-0.3, -0.35), (0.35, 0.3)])[..., None]
_CREASE = 0.35  # change of normal (sum over axes) between neighbours that makes an edge
_STEP = 0.05  # relative change of inverse depth that makes an edge


@dataclass(frozen=True)
class View:
    """What one camera sees.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) float32 z-depth in metres along the view axis at the pixel's centre, 0 where nothing is hit.
        K: (3, 3) float64 intrinsics (the centre of the top-left pixel is (0, 0)).
        T_w2c: (4, 4) float64 world to camera.
    """

    image: Image
    depth: Floats
    K: NDArray[np.float64]
    T_w2c: Pose


def open_world(spec: SyntheticSpec | str) -> World:
    """The world of a spec or of its text.

    Raises:
        GimError: the text is no valid spec.
    """
    parsed = SyntheticSpec.parse(spec) if isinstance(spec, str) else spec
    return World(parsed, build_scene(parsed))


def intrinsics(size: Size, fov: float) -> NDArray[np.float64]:
    """(3, 3) intrinsics of square pixels for (width, height) and a horizontal field of view in degrees."""
    width, height = size
    focal = width / 2 / np.tan(np.radians(fov) / 2)
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


class World:
    """A scene, a camera path and a look; every frame is a function of time alone.

    Attributes:
        spec: what it was opened with.
        size: (width, height) of its frames.
        fps: frames per second of its video; frame k shows ``k / fps`` seconds.
        duration: seconds.
        K: (3, 3) float64 intrinsics.
    """

    def __init__(self, spec: SyntheticSpec, scene: Scene) -> None:
        self.spec = spec
        self.size: Size = spec.size
        self.fps = spec.fps
        self.duration = spec.frames / spec.fps
        self.K = intrinsics(spec.size, spec.fov)
        self._scene = scene
        self._tracer = Tracer(scene.geometry)
        self._shader = Shader(scene, self._tracer, spec.rng("clouds"))

    def pose(self, t: float) -> Pose:
        """(4, 4) T_w2c of the camera at ``t`` seconds."""
        return self._scene.path(t)

    def render(self, t: float, *, look: Look | None = None) -> View:
        """What the camera sees at ``t`` seconds, in the world's look or another."""
        return self.render_pose(self.pose(t), instant=round(t * 1e6), look=look)

    def render_pose(self, T_w2c: Pose, *, instant: int = 0, look: Look | None = None) -> View:
        """What a camera anywhere in the world sees.

        Args:
            T_w2c: (4, 4) pose.
            instant: microseconds; seeds the sensor noise and the rain.
            look: light and weather; None for the spec's.
        """
        seen = look or look_at_instant(self.spec.look, self.spec.seed, instant)
        width, height = self.size
        pixels = _grid(self.size)
        hits, colours = self._colours(pixels, T_w2c, seen)
        depth = np.zeros(width * height, np.float32)
        depth[hits.rays] = hits.depth
        edges = self._edges(hits, depth)
        extra = [self._colours(pixels[:, edges] + offset, T_w2c, seen)[1] for offset in _SUBPIXELS]
        colours[:, edges] = (colours[:, edges] + sum(extra)) / (1 + len(extra))
        shot = np.ascontiguousarray(colours.T).reshape(height, width, 3)
        rng = np.random.default_rng([self.spec.seed, abs(instant), 0])
        return View(_exposed(shot, seen, rng, self._scene.indoor), depth.reshape(height, width), self.K, T_w2c)

    def _colours(self, pixels: NDArray[np.float64], T_w2c: Pose, look: Look) -> tuple[Hits, Floats]:
        """Hits and linear colours (3, N) at (2, N) pixel positions."""
        origin, rotation = position_of(T_w2c), T_w2c[:3, :3]
        x, y = (pixels - self.K[:2, 2:]) / self.K[0, 0]
        directions = rotation[0][:, None] * x + rotation[1][:, None] * y + rotation[2][:, None]
        hits = self._tracer.first(origin, directions)
        rough = directions.astype(np.float32)
        shown = self._shader.surface(hits, origin, rough.take(hits.rays, 1), rotation[:2] / self.K[0, 0], look)
        if len(hits.rays) == len(x):
            return hits, shown
        colours = self._shader.sky(rough, look)
        colours[:, hits.rays] = shown
        return hits, colours

    def _edges(self, hits: Hits, depth: Floats) -> NDArray[np.intp]:
        """Flat indices of pixels where the surface, its direction or its texture changes."""
        geometry = self._scene.geometry
        kind = np.full((4, len(depth)), 9, np.float32)
        kind[:3, hits.rays] = geometry.normals.T.astype(np.float32).take(hits.faces, 1)
        kind[3, hits.rays] = geometry.textures.take(hits.faces)
        near = np.divide(1, depth, out=np.zeros_like(depth), where=depth > 0)
        edge = np.zeros(len(depth), bool)
        for step in (1, self.size[0]):  # the pair across the right border compares two rows; harmless
            x, y, z, texture = np.abs(kind[:, step:] - kind[:, :-step])
            jump = x + y + z + texture > _CREASE
            jump |= np.abs(near[step:] - near[:-step]) > _STEP * np.maximum(near[step:], near[:-step])
            edge[:-step] |= jump
            edge[step:] |= jump
        return np.flatnonzero(edge)


def _grid(size: Size) -> NDArray[np.float64]:
    width, height = size
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return np.stack([x.ravel(), y.ravel()])


def _exposed(linear: Floats, look: Look, rng: np.random.Generator, indoor: bool) -> Image:
    """Vignette, gamma, saturation, rain streaks and sensor noise."""
    height, width = linear.shape[:2]
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    vignette = (1 - 0.12 * (x * x + y * y)).astype(np.float32)[..., None]
    image = np.sqrt(np.maximum(linear * vignette * np.float32(look.exposure), 0)) * 255
    grey = image.mean(2, keepdims=True)
    image = grey + np.float32(look.saturation) * (image - grey)
    if look.rain and not indoor:
        image += _streaks(rng, height, width, look.rain)
    image += rng.standard_normal(image.shape, dtype=np.float32) * np.float32(look.noise)
    result: Image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return result


def _streaks(rng: np.random.Generator, height: int, width: int, share: float) -> Floats:
    drops = (rng.random((height, width), dtype=np.float32) < share / 15).astype(np.float32) * 36
    kernel = np.zeros((15, 15), np.float32)
    cv2.line(kernel, (9, 0), (5, 14), 1.0, 1)
    streaks: Floats = cv2.filter2D(drops, -1, kernel)[..., None]
    return np.minimum(streaks, 45)
