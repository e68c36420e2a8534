"""Small posed sets for what better matches are for: photographs of a walk, pictures of planes, scans of a drive.

All of pool ``eval``: no texture and no scene of them is in a training world or a built-in video. Seconds to make.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.bench.checks import save_image
from gim_data.files import write_json
from gim_data.synthetic.lidar import Lidar, write_scans
from gim_data.synthetic.render import open_world
from gim_data.synthetic.spec import SyntheticSpec
from gim_data.synthetic.textures import TexturePool
from gim_data.types import Image, Size

WALK = "street?seed=921&seconds=8&fov=75&width=400&height=300&pool=eval"
DRIVE = "street?seed=922&seconds=10&path=drive&pool=eval"
_PLANE: Size = (320, 240)
_QUAD = np.array([[0.2, 0.25], [0.8, 0.25], [0.8, 0.75], [0.2, 0.75]])
"""What a view shows of a picture, as shares of its side, before its corners are moved."""
_SHAKE = 0.13


def write_walk(folder: Path, images: int = 7) -> None:
    """Photographs along a walk of nine metres: ``images/`` and ``cameras.json``.

    Args:
        folder: where to write.
        images: how many, evenly over the walk.
    """
    world = open_world(WALK)
    cameras = {}
    for i, t in enumerate(np.linspace(0, world.duration, images, endpoint=False)):
        view = world.render(float(t))
        save_image(folder / "images" / f"{i:04d}.png", view.image)
        cameras[f"{i:04d}.png"] = {"K": view.K.tolist(), "T_w2c": view.T_w2c.tolist()}
    write_json(folder / "cameras.json", {"source": WALK, "cameras": cameras})


def write_planes(folder: Path, pairs: int = 4) -> None:
    """Two views each of pictures on planes, with exact homographies: ``images/`` and ``pairs.json``."""
    pool, rng = TexturePool("eval", size=512), np.random.default_rng(921)
    rows = []
    for i in range(pairs):
        picture = pool.photograph(rng)
        names, maps = [f"{i}{side}.png" for side in "ab"], [_view_of(picture, rng) for _ in range(2)]
        for name, H in zip(names, maps, strict=True):
            save_image(folder / "images" / name, _warped(picture, H))
        rows.append({"image0": names[0], "image1": names[1], "H_0to1": (maps[1] @ np.linalg.inv(maps[0])).tolist()})
    write_json(folder / "pairs.json", {"pairs": rows})


def write_drive(folder: Path, scans: int = 4) -> None:
    """Lidar scans along a drive of 77 metres: ``000000.bin`` and so on, and ``poses.json``."""
    spec = SyntheticSpec.parse(DRIVE)
    times = np.linspace(0, spec.seconds, scans, endpoint=False)
    write_scans(folder, spec, times, Lidar(steps=720))


def _view_of(picture: Image, rng: np.random.Generator) -> NDArray[np.float64]:
    """A homography (3, 3) from pixels of a square picture to a view of its middle under a random perspective."""
    side = picture.shape[0] - 1
    quad = ((_QUAD + rng.uniform(-_SHAKE, _SHAKE, (4, 2))) * side).astype(np.float32)
    width, height = _PLANE[0] - 1, _PLANE[1] - 1
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(quad, corners), np.float64)


def _warped(picture: Image, H: NDArray[np.float64]) -> Image:
    return np.asarray(cv2.warpPerspective(picture, H, _PLANE, flags=cv2.INTER_AREA), np.uint8)
