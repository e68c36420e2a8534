"""Small worlds, built once per session."""

import cv2
import numpy as np
import pytest

from gim_data.synthetic.paths import camera
from gim_data.synthetic.render import World, open_world
from gim_data.synthetic.scenes.builder import SceneBuilder
from gim_data.synthetic.scenes.geometry import Material, Scene
from gim_data.synthetic.spec import SyntheticSpec

SIZE = "width=160&height=120"


@pytest.fixture(scope="session")
def small_worlds() -> dict[str, World]:
    return {scene: open_world(f"{scene}?seed=3&{SIZE}") for scene in ("street", "room", "terrain", "objects")}


def smooth_texture(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, (64, 64, 3)).astype(np.float32)
    return np.clip(cv2.resize(noise, (512, 512), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def wall_scene(*, occluder: bool = False) -> Scene:
    """A wall in the plane x = 10, a floor at z = 0, and optionally a board at x = 6 in front of the wall's middle."""
    builder = SceneBuilder()
    builder.texture(np.full((512, 512, 3), 128, np.uint8))
    looks = [Material(builder.texture(smooth_texture(k)), 0, 6.0) for k in range(3)]
    builder.quad([(10, 20, 0), (10, -20, 0), (10, -20, 20), (10, 20, 20)], looks[0], window=(0, 0, 6, 3))
    builder.quad([(-5, -20, 0), (10, -20, 0), (10, 20, 0), (-5, 20, 0)], looks[1])
    if occluder:
        builder.quad([(6, 0.5, 1), (6, -0.5, 1), (6, -0.5, 2), (6, 0.5, 2)], looks[2])

    def path(t: float) -> np.ndarray:
        return camera([0.5 * t, 0.6 * t, 1.5], yaw=0.05 * t, pitch=0.02 * t, roll=0.1 * t)

    return builder.scene(path, indoor=True)


@pytest.fixture(scope="session")
def wall() -> World:
    return World(SyntheticSpec(scene="room", width=160, height=120), wall_scene())


@pytest.fixture(scope="session")
def board() -> World:
    return World(SyntheticSpec(scene="room", width=160, height=120), wall_scene(occluder=True))
