"""Posed data sets by what is in their folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gim_data.errors import GimError
from gim_data.posed.megadepth import megadepth
from gim_data.posed.scannet import scannet
from gim_data.posed.scene import PosedScene


def open_posed(root: Path) -> Mapping[str, PosedScene]:
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
