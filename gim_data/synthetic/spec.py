"""What a synthetic video is, as one line of text: ``street?seed=1&seconds=12&look=night``."""

from __future__ import annotations

import zlib
from typing import Any, Literal
from urllib.parse import parse_qsl

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gim_data.errors import GimError
from gim_data.synthetic.config import SceneName

LookName = Literal["day", "overcast", "dusk", "night", "fog", "rain", "winter", "mixed"]
PathName = Literal["walk", "drive", "drone", "orbit"]
PoolName = Literal["train", "demo", "eval"]

DEFAULT_PATHS: dict[str, PathName] = {"street": "walk", "room": "walk", "terrain": "drone", "objects": "orbit"}
POOLS: tuple[PoolName, ...] = ("train", "demo", "eval")


class SyntheticSpec(BaseModel):
    """One synthetic video; equal specs give equal bytes.

    ``look=mixed`` gives every instant a light and weather of its own (for stills, not for videos). ``path`` left out
    means the scene's own (``DEFAULT_PATHS``). ``pool`` chooses the textures: photographs and procedural seeds of
    ``train``, ``demo`` and ``eval`` are disjoint.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scene: SceneName
    seed: int = Field(0, ge=0, lt=2**32)
    seconds: float = Field(12.0, gt=0, le=36_000)
    fps: float = Field(8.0, gt=0, le=240)
    width: int = Field(480, ge=64, le=4096, multiple_of=2)
    height: int = Field(360, ge=64, le=4096, multiple_of=2)
    fov: float = Field(70.0, ge=10, le=140, description="Horizontal field of view in degrees.")
    look: LookName = "day"
    path: PathName | None = None
    pool: PoolName = "demo"

    @classmethod
    def parse(cls, text: str) -> SyntheticSpec:
        """Read ``NAME?key=value&...``.

        Args:
            text: scene name and any of this class's fields; a leading ``synthetic:`` is allowed.

        Raises:
            GimError: an unknown scene or key, a repeated key, or a value out of its range.
        """
        scene, _, query = text.removeprefix("synthetic:").partition("?")
        remedy = f"write SCENE?key=value&key=value with the keys {sorted(set(cls.model_fields) - {'scene'})}"
        try:
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        except ValueError as error:
            raise GimError(f"synthetic source {text!r}: {error}", remedy) from None
        values: dict[str, Any] = dict(pairs)
        if len(values) < len(pairs) or "scene" in values:
            raise GimError(f"synthetic source {text!r}: a key is given twice", remedy)
        try:
            return cls(scene=scene, **values)  # type: ignore[arg-type]
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise GimError(f"synthetic source {text!r}: {problems}", remedy) from None

    def __str__(self) -> str:
        """The shortest text that ``parse`` reads back as this spec."""
        given = self.model_dump(exclude={"scene"}, exclude_defaults=True)
        query = "&".join(f"{key}={_plain(value)}" for key, value in given.items())
        return f"{self.scene}?{query}" if query else self.scene

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height

    @property
    def route(self) -> PathName:
        """The camera path: the one asked for, or the scene's own."""
        return self.path or DEFAULT_PATHS[self.scene]

    @property
    def frames(self) -> int:
        """Number of frames of the video; frame k is shown at ``k / fps`` seconds."""
        return max(1, round(self.seconds * self.fps))

    def rng(self, purpose: str) -> np.random.Generator:
        """A generator of its own per (pool, scene, seed, purpose): adding a purpose changes no other stream."""
        return np.random.default_rng(
            [POOLS.index(self.pool), self.seed, zlib.crc32(self.scene.encode()), zlib.crc32(purpose.encode())]
        )


def _plain(value: object) -> str:
    return repr(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
