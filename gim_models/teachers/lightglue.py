"""The teachers ``aliked+lightglue`` and ``disk+lightglue`` (Lindenberger et al., ICCV 2023) with published weights."""

from __future__ import annotations

import re
from typing import Any

from gim_models.sparse.lightglue import GlueNet, GlueShape
from gim_models.sparse.matcher import SparseGlueMatcher
from gim_models.sparse.weights import load_strictly, read_pickle, weights_file
from gim_models.teachers.detectors import DESCRIPTOR_DIM, published_aliked, published_disk

SHAPE = GlueShape(input_dim=DESCRIPTOR_DIM, descriptor_dim=256, n_layers=9, num_heads=4)
_UNUSED = re.compile(r"log_assignment\.\d+\.r")  # in DISK's file only; no network has it
_OLD_NAME = re.compile(r"^(self_attn|cross_attn)\.(\d+)\.")


def published_lightglue(name: str) -> GlueNet:
    """LightGlue with its authors' weights for one detector, in evaluation mode.

    Args:
        name: ``aliked_lightglue`` or ``disk_lightglue``.

    Raises:
        GimError: the weights are not there or do not fit.
    """
    net, path = GlueNet(SHAPE), weights_file(name)
    published = {key: value for key, value in read_pickle(path).items() if not _UNUSED.fullmatch(key)}
    state = {_OLD_NAME.sub(r"transformers.\2.\1.", key): value for key, value in published.items()}
    derived: dict[str, Any] = {"confidence_thresholds": net.confidence_thresholds}
    load_strictly(net, state | derived, path)
    net.eval()
    return net


def aliked_lightglue(device: str = "cpu", *, max_keypoints: int = 2048) -> SparseGlueMatcher[GlueNet]:
    """The teacher ``aliked+lightglue``.

    Raises:
        GimError: the weights are not there.
    """
    net = published_lightglue("aliked_lightglue")
    return SparseGlueMatcher("aliked+lightglue", published_aliked(), net, max_keypoints=max_keypoints, device=device)


def disk_lightglue(device: str = "cpu", *, max_keypoints: int = 2048) -> SparseGlueMatcher[GlueNet]:
    """The teacher ``disk+lightglue``.

    Raises:
        GimError: the weights are not there.
    """
    net = published_lightglue("disk_lightglue")
    return SparseGlueMatcher("disk+lightglue", published_disk(), net, max_keypoints=max_keypoints, device=device)
