"""MegaDepth (Li and Snavely, CVPR 2018) as LoFTR and GIM lay it out: one index of pairs per scene.

root/index/**/<scene>_<low>_<high>.npz   image_paths, depth_paths, intrinsics, poses, pair_infos
root/<image path>                        undistorted images
root/<depth path>                        HDF5 with ``depth``
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gim_data.errors import GimError
from gim_data.posed.objects import read_objects
from gim_data.posed.scene import Matrix, below, pair_table, read_picture
from gim_data.types import Floats, Image

_FIELDS = {"image_paths", "depth_paths", "intrinsics", "poses", "pair_infos"}
_HALF = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])  # COLMAP counts from the corner of the top-left pixel


class MegaDepthScene:
    """One index file of MegaDepth, a ``PosedScene``.

    Args:
        root: of the data set.
        index: the scene's ``.npz``.
    """

    def __init__(self, root: Path, index: Path) -> None:
        self.root, self.index = root, index

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """All pairs of the index."""
        return pair_table([(i, j, overlap) for (i, j), overlap, *_ in self._info["pair_infos"]])

    def image(self, i: int) -> Image:
        """RGB, of the size of the depth map."""
        image, depth = read_picture(self.image_path(i)), self.depth(i)
        if image.shape[:2] != depth.shape:
            image = np.asarray(cv2.resize(image, depth.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
        return image

    def depth(self, i: int) -> Floats:
        """Depth in the scene's own unit, 0 where unknown.

        Raises:
            GimError: the file is missing or damaged, or h5py is not installed.
        """
        path = below(self.root, str(self._info["depth_paths"][i]))
        try:
            import h5py
        except ImportError:
            raise GimError("MegaDepth's depth maps are HDF5 files", "pip install 'gim[posed]'") from None
        try:
            with h5py.File(path) as file:
                return np.asarray(file["depth"], np.float32)
        except (OSError, KeyError) as error:
            raise GimError(f"{path} is missing or no depth map: {error}", "complete the data set") from error

    def intrinsics(self, i: int) -> Matrix:
        """Of image ``i``."""
        return np.asarray(np.asarray(self._info["intrinsics"][i], np.float64) - _HALF)

    def T_0to1(self, i: int, j: int) -> Matrix:  # noqa: N802 (the field's name)
        """From the poses, which are world to camera."""
        poses = [np.asarray(self._info["poses"][k], np.float64) for k in (i, j)]
        result: Matrix = poses[1] @ np.linalg.inv(poses[0])
        return result

    def image_path(self, i: int) -> Path:
        """The path of the index, or where MegaDepth's own archives have the same image."""
        named = str(self._info["image_paths"][i])
        path = below(self.root, named)
        parts = Path(named).parts
        if path.exists() or len(parts) < 4:
            return path
        return below(self.root, f"phoenix/S6/zl548/MegaDepth_v1/{parts[1]}/dense0/imgs/{parts[-1]}")

    @cached_property
    def _info(self) -> Mapping[str, NDArray[Any]]:
        found = read_objects(self.index)
        if missing := sorted(_FIELDS - set(found)):
            raise GimError(f"{self.index} is no index of MegaDepth: it lacks {missing}", "fetch the index anew")
        return found


def megadepth(root: Path) -> dict[str, MegaDepthScene]:
    """The scenes of a folder by name; none if it is no MegaDepth."""
    found = sorted(path for path in (root / "index").rglob("*.npz") if "scene_info" in str(path.relative_to(root)))
    return {f"megadepth-{path.stem}": MegaDepthScene(root, path) for path in found}
