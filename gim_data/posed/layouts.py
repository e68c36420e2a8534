"""Posed data sets by what is in their folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gim_data.errors import GimError
from gim_data.posed.megadepth import MegaDepthScene, megadepth
from gim_data.posed.scannet import ScanNetScene, scannet


def posed_images(root: Path) -> list[Path]:
    """Every image file that the pairs of a MegaDepth or ScanNet folder name, in order; some may be missing.

    Raises:
        GimError: it is neither.
    """
    scenes = open_posed(root).values()
    return sorted({scene.image_path(int(i)) for scene in scenes for i in np.unique(scene.pairs[["frame0", "frame1"]])})


def open_posed(root: Path) -> Mapping[str, MegaDepthScene] | Mapping[str, ScanNetScene]:
    """The scenes of a MegaDepth or ScanNet folder.

    Raises:
        GimError: it is neither.
    """
    if scenes := megadepth(root):
        return scenes
    if scans := scannet(root):
        return scans
    raise GimError(
        f"{root} holds neither MegaDepth nor ScanNet in LoFTR's layout",
        "see docs/how-to/train.md for the files that are needed",
    )
