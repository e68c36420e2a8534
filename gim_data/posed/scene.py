"""Posed images with depth that someone else made: what a scene of MegaDepth or ScanNet is to training."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gim_data.errors import GimError
from gim_data.types import Floats, Image

Matrix = NDArray[np.float64]


class PosedScene(Protocol):
    """Images with exact depth and pose; a ``TruthStore`` is one."""

    @property
    def pairs(self) -> pd.DataFrame:
        """Columns frame0, frame1 (int), overlap (float)."""
        ...

    def image(self, i: int) -> Image:
        """(H, W, 3) RGB uint8."""
        ...

    def depth(self, i: int) -> Floats:
        """(H, W) float32 z-depth, 0 where unknown; of the size of the image."""
        ...

    def intrinsics(self, i: int) -> Matrix:
        """(3, 3), the centre of the top-left pixel at (0, 0)."""
        ...

    def T_0to1(self, i: int, j: int) -> Matrix:  # noqa: N802 (the field's name)
        """(4, 4) from camera ``i`` to camera ``j``."""
        ...


def pair_table(rows: Any) -> pd.DataFrame:
    """(N, 3) rows of frame0, frame1, overlap as a table."""
    table = pd.DataFrame(np.asarray(rows, np.float64).reshape(-1, 3), columns=["frame0", "frame1", "overlap"])
    return table.astype({"frame0": "int32", "frame1": "int32", "overlap": "float32"})


def below(root: Path, name: str) -> Path:
    """A path that a data set names, if it stays inside ``root``.

    Raises:
        GimError: it leads elsewhere.
    """
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise GimError(f"the data set in {root} names the file {name!r}, which lies outside", "fetch its index anew")
    return path


def read_picture(path: Path) -> Image:
    """An RGB image.

    Raises:
        GimError: it is missing or damaged.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise GimError(f"{path} is missing or no image", "complete the data set, or leave its folder out of 'posed'")
    return np.ascontiguousarray(image[..., ::-1])
