"""Training sequences with exact depth and pose: rendered once, stored compactly, read at random."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gim_data.errors import BadInput, GimError
from gim_data.files import read_json, write_json
from gim_data.pixels import decode, encode_jpeg
from gim_data.stage import Job, Params, Summary
from gim_data.synthetic import correspondence
from gim_data.synthetic.config import SyntheticConfig
from gim_data.synthetic.looks import relit
from gim_data.synthetic.paths import Pose
from gim_data.synthetic.render import View, World, open_world
from gim_data.synthetic.spec import LookName, SyntheticSpec
from gim_data.types import Floats, Image, Size

_LOOKS: tuple[LookName, ...] = ("day", "overcast", "dusk", "winter", "fog", "rain", "night")
_CODES = 65_535  # steps of the stored inverse depth


@dataclass(frozen=True)
class Frame:
    """Depth and camera of one stored frame (see ``correspondence.Posed``)."""

    depth: Floats
    K: NDArray[np.float64]
    T_w2c: Pose


def world_keys(params: Params, root: object) -> list[str]:
    """Names of the training worlds, ``street-0``, ``room-1``, ..."""
    config: SyntheticConfig = params["synthetic"]
    return [f"{config.scenes[n % len(config.scenes)]}-{n}" for n in range(config.worlds)]


def world_spec(key: str, config: SyntheticConfig) -> SyntheticSpec:
    """The spec of a training world: pool ``train``, with a path, a look and a field of view of its own.

    Raises:
        GimError: ``key`` is not one of ``world_keys``.
    """
    scene, _, number = key.rpartition("-")
    if not number.isdigit() or config.scenes[int(number) % len(config.scenes)] != scene:
        raise GimError(f"no training world {key!r}", f"worlds are named after synthetic.scenes: {config.scenes}")
    rng = np.random.default_rng([config.seed, int(number)])
    values = {
        "scene": scene,
        "seed": config.seed * 100_003 + int(number),
        "seconds": config.seconds,
        "width": config.width,
        "height": config.height,
        "fov": round(float(rng.uniform(50, 85)), 1),
        "look": _LOOKS[int(number) % len(_LOOKS)],
        "pool": "train",
    }
    return SyntheticSpec.model_validate(values)


def make_world(job: Job) -> Summary:
    """Stage ``worlds``: render one training world into a ``TruthStore``.

    Raises:
        BadInput: no pair of its frames overlaps within the limits.
    """
    config: SyntheticConfig = job.params["synthetic"]
    spec = world_spec(job.unit, config)
    world = open_world(spec)
    rng = np.random.default_rng(job.seed)
    job.progress.start(f"render {job.unit}", config.frames)
    views = []
    for view in sampled_views(world, config, rng):
        views.append(view)
        job.progress.advance()
    pairs = overlapping_pairs(views, low=config.min_overlap, high=config.max_overlap)
    if not len(pairs):
        raise BadInput(
            f"world {job.unit}: no two of its frames overlap", "raise synthetic.frames or lower synthetic.seconds"
        )
    write_truth(job.out, views, pairs, quality=config.jpeg_quality)
    sheet = contact_sheet([view.image for view in views[:: max(1, len(views) // 6)][:6]])
    cv2.imwrite(str(job.out / "frames.png"), sheet[..., ::-1])
    return {
        "world": str(spec),
        "frames": len(views),
        "pairs": len(pairs),
        "median_overlap": round(float(pairs["overlap"].median()), 3),
        "figures": ["frames.png"],
    }


def sampled_views(world: World, config: SyntheticConfig, rng: np.random.Generator) -> list[View]:
    """Frames along the camera path with jittered times and rotations, in some worlds each in a light of its own."""
    times = (np.arange(config.frames) + rng.uniform(0, 1, config.frames)) / config.frames * world.duration
    relight = rng.random() < config.relight
    views = []
    for t in times:
        pose = tilted(world.pose(float(t)), rng, degrees=config.jitter_degrees)
        look = relit(rng) if relight else None
        views.append(world.render_pose(pose, instant=round(t * 1e6), look=look))
    return views


def tilted(pose: Pose, rng: np.random.Generator, *, degrees: float) -> Pose:
    """A (4, 4) T_w2c whose camera is turned about its own centre by a random rotation, ``degrees`` per axis."""
    vector = np.radians(np.clip(rng.normal(0, degrees, 3), -2.5 * degrees, 2.5 * degrees))
    turn = np.eye(4)
    turn[:3, :3] = cv2.Rodrigues(vector)[0]
    result: Pose = turn @ pose
    return result


def overlapping_pairs(views: Sequence[correspondence.Posed], *, low: float, high: float) -> pd.DataFrame:
    """All pairs of views with ``low <= overlap <= high``: columns frame0, frame1 (int32), overlap (float32)."""
    rows = [
        (i, j, share)
        for i, j in itertools.combinations(range(len(views)), 2)
        if low <= (share := correspondence.overlap(views[i], views[j])) <= high
    ]
    table = pd.DataFrame(rows, columns=["frame0", "frame1", "overlap"])
    return table.astype({"frame0": "int32", "frame1": "int32", "overlap": "float32"})


def write_truth(folder: Path, views: Sequence[View], pairs: pd.DataFrame, *, quality: int = 95) -> None:
    """Write a ``TruthStore``.

    Depth is kept as 16-bit inverse depth relative to each frame's nearest point: its step is 1/65535 of the largest
    parallax in the frame, a few thousandths of a pixel.
    """
    encoded = [encode_jpeg(view.image, quality) for view in views]
    (folder / "images.bin").write_bytes(b"".join(encoded))
    nearest = [float(view.depth[view.depth > 0].min()) if (view.depth > 0).any() else 1.0 for view in views]
    codes = [_encoded(view.depth, unit) for view, unit in zip(views, nearest, strict=True)]
    np.save(folder / "inverse_depth.npy", np.stack(codes))
    pairs.to_parquet(folder / "pairs.parquet", index=False)
    meta = {
        "K": views[0].K.tolist(),
        "T_w2c": [view.T_w2c.tolist() for view in views],
        "nearest": nearest,
        "ends": np.cumsum([len(data) for data in encoded]).tolist(),
    }
    write_json(folder / "truth.json", meta)


class TruthStore:
    """A stored sequence with exact ground truth; reads lazily and can be pickled.

    Attributes:
        folder: where it is.
        K: (3, 3) float64 intrinsics of all frames.
        T_w2c: (F, 4, 4) float64 world to camera.
        pairs: columns frame0, frame1, overlap: all pairs within the overlap limits it was made with.
        size: (width, height).
    """

    def __init__(self, folder: Path) -> None:
        try:
            meta: dict[str, Any] = read_json(folder / "truth.json")
            self.pairs = pd.read_parquet(folder / "pairs.parquet")
        except (OSError, ValueError) as error:
            raise GimError(f"{folder} holds no synthetic sequence: {error}", "make it with: gim run worlds") from None
        self.folder = folder
        self.K = np.array(meta["K"], np.float64)
        self.T_w2c = np.array(meta["T_w2c"], np.float64)
        self._nearest: list[float] = meta["nearest"]
        self._ends: list[int] = meta["ends"]

    @classmethod
    def open(cls, folder: Path) -> TruthStore:
        """The sequence in ``folder``.

        Raises:
            GimError: there is none, or it cannot be read.
        """
        return cls(folder)

    def __len__(self) -> int:
        return len(self.T_w2c)

    @property
    def size(self) -> Size:
        """(width, height) of all frames."""
        height, width = self._codes.shape[1:]
        return int(width), int(height)

    def image(self, i: int) -> Image:
        """(H, W, 3) RGB uint8.

        Raises:
            GimError: the file is damaged.
        """
        start = self._ends[i - 1] if i else 0
        data: NDArray[np.uint8] = np.fromfile(
            self.folder / "images.bin", np.uint8, count=self._ends[i] - start, offset=start
        )
        image = decode(data)
        if image is None:
            raise GimError(f"{self.folder / 'images.bin'}: frame {i} does not decode", "run the stage worlds again")
        return image

    def depth(self, i: int) -> Floats:
        """(H, W) float32 z-depth in metres, 0 where nothing was hit."""
        codes = self._codes[i].astype(np.float64)
        with np.errstate(divide="ignore"):
            return np.where(codes > 0, self._nearest[i] * _CODES / codes, 0).astype(np.float32)

    def intrinsics(self, i: int) -> NDArray[np.float64]:
        """(3, 3) of frame ``i``: one camera took them all."""
        return self.K

    def frame(self, i: int) -> Frame:
        """Depth and camera of frame ``i``."""
        return Frame(self.depth(i), self.K, self.T_w2c[i])

    def correspond(self, i: int, j: int, points: NDArray[np.floating]) -> tuple[Floats, NDArray[np.bool_]]:
        """Where (N, 2) pixels of frame ``i`` are in frame ``j``: (N, 2) float32 pixels, (N,) visible there."""
        moved, visible = correspondence.project(self.frame(i), self.frame(j), points)
        return moved.astype(np.float32), visible

    def T_0to1(self, i: int, j: int) -> Pose:  # noqa: N802 (the field's name)
        """(4, 4) from camera ``i`` to camera ``j``."""
        result: Pose = self.T_w2c[j] @ np.linalg.inv(self.T_w2c[i])
        return result

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_codes"}

    @cached_property
    def _codes(self) -> NDArray[np.uint16]:
        codes: NDArray[np.uint16] = np.load(self.folder / "inverse_depth.npy", mmap_mode="r")
        return codes


def contact_sheet(images: Sequence[Image], *, columns: int = 3) -> Image:
    """Images of one size side by side, ``columns`` in a row."""
    blank = np.zeros_like(images[0])
    padded = [*images, *[blank] * (-len(images) % columns)]
    return np.vstack([np.hstack(padded[k : k + columns]) for k in range(0, len(padded), columns)])


def _encoded(depth: Floats, nearest: float) -> NDArray[np.uint16]:
    near = np.divide(nearest, depth, out=np.zeros_like(depth), where=depth > 0)
    codes = np.rint(near.astype(np.float64) * _CODES)
    return np.where(depth > 0, np.maximum(codes, 1), 0).astype(np.uint16)
