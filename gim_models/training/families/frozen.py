"""Where RoMa starts: its coarse features are frozen, XFeat's at the demo size, DINOv2's at the published one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import torch

from gim_data.errors import GimError
from gim_data.files import from_home
from gim_models.dense.roma import RoMa, RomaEncoder, RomaShape, demo_roma, seeded_roma
from gim_models.official.importer import DINOV2, read_dinov2
from gim_models.sparse.weights import FOLDER_VARIABLE
from gim_models.training.config import Student

_FILE = f"{DINOV2}_pretrain.pth"


def start_roma(student: Student, seed: int) -> RoMa:
    """A RoMa with random weights over frozen ones.

    Raises:
        GimError: the frozen weights are not installed.
    """
    if student.size == "demo":
        return seeded_roma(demo_roma(), seed)
    state = read_dinov2(dinov2_file(), "roma")
    network = seeded_roma(RomaShape(), seed)
    encoder = cast(RomaEncoder, network.encoder)
    encoder.dinov2.load_state_dict(state)
    encoder.dinov2.requires_grad_(False)
    return network


def dinov2_file() -> Path:
    """DINOv2's own file, in torch's cache or in ``$GIM_WEIGHTS``.

    Raises:
        GimError: it is in neither.
    """
    folders = [Path(torch.hub.get_dir()) / "checkpoints", from_home(os.environ.get(FOLDER_VARIABLE) or ".")]
    for folder in folders:
        if (folder / _FILE).is_file():
            return folder / _FILE
    raise GimError(
        f"RoMa of the size paper stands on DINOv2, and there is no {_FILE} in {folders[0]}",
        f"download it from DINOv2's publisher and set {FOLDER_VARIABLE} to its folder, or set size: demo",
    )
