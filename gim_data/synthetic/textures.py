"""Texture pools: photographs that scikit-image ships, and procedural patterns; no texture is in two pools.

Training worlds, demo videos and evaluation sequences draw from ``train``, ``demo`` and ``eval``. Photographs are
divided by file; procedural ones by the generator's stream, which starts from the pool (``SyntheticSpec.rng``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from gim_data.errors import GimError
from gim_data.synthetic import patterns
from gim_data.synthetic.spec import PoolName
from gim_data.types import Image

TEXTURE_SIZE = 512

PHOTOGRAPHS: dict[PoolName, tuple[str, ...]] = {
    "train": (
        "astronaut.png",
        "chelsea.png",
        "coffee.png",
        "brick.png",
        "hubble_deep_field.jpg",
        "page.png",
        "coins.png",
    ),
    "demo": ("rocket.jpg", "grass.png", "ihc.png", "clock_motion.png", "color.png", "moon.png"),
    "eval": ("motorcycle_left.png", "camera.png", "gravel.png", "retina.jpg", "text.png", "cell.png"),
}


@dataclass(frozen=True)
class TexturePool:
    """The textures one kind of world may use.

    Attributes:
        name: of the pool.
        size: side of the square textures in pixels.
    """

    name: PoolName
    size: int = TEXTURE_SIZE

    def photograph(self, rng: np.random.Generator) -> Image:
        """A random crop of one of the pool's photographs, (size, size, 3), with its contrast stretched."""
        source = read_photograph(str(rng.choice(list(PHOTOGRAPHS[self.name]))))
        height, width = source.shape[:2]
        side = int(min(height, width) * rng.uniform(0.55, 1))
        top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
        crop = source[top : top + side, left : left + side]
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        resized = cv2.resize(
            crop, (self.size, self.size), interpolation=cv2.INTER_AREA if side > self.size else cv2.INTER_CUBIC
        )
        return _stretched(resized, rng)

    def pattern(self, kind: str, rng: np.random.Generator) -> Image:
        """A procedural texture (size, size, 3); ``kind`` names a function of ``patterns``."""
        make: patterns.Pattern = getattr(patterns, kind)
        return make(rng, self.size)


@lru_cache(maxsize=32)
def read_photograph(name: str) -> Image:
    """(H, W, 3) RGB photograph from the installed scikit-image package.

    Raises:
        GimError: the package or the file is missing.
    """
    found = find_spec("skimage")
    path = Path(found.origin or "").parent / "data" / name if found else Path(name)
    remedy = "reinstall scikit-image: pip install --force-reinstall scikit-image"
    try:
        with PIL.Image.open(path) as picture:
            return np.array(picture.convert("RGB"))
    except OSError as error:
        raise GimError(f"texture {path} cannot be read: {error}", remedy) from None


def _stretched(image: Image, rng: np.random.Generator) -> Image:
    low, high = np.percentile(image, (2, 98))
    gain = rng.uniform(170, 215) / max(float(high - low), 30)
    result: Image = np.clip((image - low) * gain * rng.uniform(0.85, 1.1, 3) + 25, 0, 255).astype(np.uint8)
    return result
