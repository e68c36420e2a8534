"""ScanNet (Dai et al., CVPR 2017) as LoFTR and GIM lay it out.

root/index/scene_data/train/<scene>.npz   name (N, 4: scene, scan, frame, frame), score (N,)
root/index/intrinsics.npz                 <scene>: (3, 3); else <scene>/intrinsic/intrinsic_depth.txt
root/train/<scene>/color/<frame>.jpg, depth/<frame>.png (millimetres), pose/<frame>.txt (camera to world)
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from gim_data.errors import GimError
from gim_data.pixels import read_depth
from gim_data.posed.objects import read_objects
from gim_data.posed.scene import Matrix, pair_table, read_picture
from gim_data.types import Floats, Image

_INDEX = "index/scene_data/train"
_INTRINSICS = "index/intrinsics.npz"


class ScanNetScene:
    """One scan, a ``PosedScene``; frames go by their numbers.

    Args:
        root: of the data set.
        name: of the scan, ``scene0000_00``.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        self.folder = root / "train" / name

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """The pairs of the index whose poses were found: ScanNet writes infinities where tracking was lost."""
        path = self.root / _INDEX / f"{self.name}.npz"
        found = read_objects(path)
        if missing := sorted({"name", "score"} - set(found)):
            raise GimError(f"{path} is no index of ScanNet: it lacks {missing}", "fetch the index anew")
        frames = np.asarray(found["name"], np.int64)[:, 2:]
        tracked = {frame: bool(np.isfinite(self._pose(frame)).all()) for frame in np.unique(frames).tolist()}
        keep = np.array([tracked[a] and tracked[b] for a, b in frames.tolist()], bool)
        return pair_table(np.column_stack([frames, found["score"]])[keep])

    def image(self, i: int) -> Image:
        """RGB, of the size of the depth map."""
        height, width = self.depth(i).shape
        image = read_picture(self.image_path(i))
        if image.shape[:2] == (height, width):
            return image
        return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

    def image_path(self, i: int) -> Path:
        """The file of image ``i``."""
        return self.folder / "color" / f"{i}.jpg"

    def depth(self, i: int) -> Floats:
        """Depth in metres, 0 where unknown.

        Raises:
            BadInput: the file is missing or damaged.
        """
        return read_depth(self.folder / "depth" / f"{i}.png")

    def intrinsics(self, i: int) -> Matrix:
        """Of the whole scan."""
        return self._K

    def T_0to1(self, i: int, j: int) -> Matrix:  # noqa: N802 (the field's name)
        """From the poses, which are camera to world."""
        result: Matrix = np.linalg.inv(self._pose(j)) @ self._pose(i)
        return result

    @cached_property
    def _K(self) -> Matrix:  # noqa: N802 (the field's name)
        shared = self.root / _INTRINSICS
        if shared.exists() and self.name in (table := read_objects(shared)):
            return np.asarray(table[self.name], np.float64)[:3, :3]
        return _matrix(self.folder / "intrinsic" / "intrinsic_depth.txt")[:3, :3]

    def _pose(self, i: int) -> Matrix:
        return _matrix(self.folder / "pose" / f"{i}.txt")


def _matrix(path: Path) -> Matrix:
    try:
        found: Matrix = np.loadtxt(path, dtype=np.float64)
    except (OSError, ValueError) as error:
        raise GimError(f"{path} is missing or no matrix: {error}", "complete the data set") from error
    if found.ndim != 2 or min(found.shape) < 3:
        raise GimError(f"{path} holds no matrix", "complete the data set")
    return found


def scannet(root: Path) -> dict[str, ScanNetScene]:
    """The scans of a folder by name; none if it is no ScanNet."""
    found = sorted((root / _INDEX).glob("scene*.npz"))
    return {f"scannet-{path.stem}": ScanNetScene(root, path.stem) for path in found}
