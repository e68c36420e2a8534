"""The textures of one world, drawn from its pool, and materials made of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gim_data.synthetic.scenes.builder import SceneBuilder
from gim_data.synthetic.scenes.geometry import Material
from gim_data.synthetic.textures import TexturePool

PHOTOGRAPH = "photograph"


class Palette:
    """Hands out materials by kind of texture.

    Args:
        builder: receives the textures.
        pool: where they come from.
        counts: kind (a function of ``patterns``, or ``photograph``) -> how many different ones to make.
        rng: decides which, and later which of them a material gets.
    """

    def __init__(
        self, builder: SceneBuilder, pool: TexturePool, counts: Mapping[str, int], rng: np.random.Generator
    ) -> None:
        self._rng = rng
        self._ids = {
            kind: [
                builder.texture(pool.photograph(rng) if kind == PHOTOGRAPH else pool.pattern(kind, rng))
                for _ in range(count)
            ]
            for kind, count in counts.items()
        }

    def pick(self, *kinds: str, size: float = 4.0, detail: str | None = None, tone: float = 0.2) -> Material:
        """A material with a random texture of one of ``kinds``.

        Args:
            kinds: of texture; one is drawn.
            size: metres per texture.
            detail: kind of the fine texture; None draws from ``kinds`` too.
            tone: how far the tint strays from white.
        """
        base = self._draw(str(self._rng.choice(kinds)))
        fine = self._draw(detail or str(self._rng.choice(kinds)))
        brightness, hue = self._rng.uniform(1 - tone, 1 + tone / 2), self._rng.uniform(-tone, tone, 3) / 4
        red, green, blue = (float(v) for v in brightness * (1 + hue))
        return Material(base, fine, size, (red, green, blue), size * float(self._rng.uniform(0.2, 0.35)))

    def _draw(self, kind: str) -> int:
        ids = self._ids[kind]
        return ids[int(self._rng.integers(len(ids)))]
