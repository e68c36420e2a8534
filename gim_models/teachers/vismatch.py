"""Any matcher of the package ``vismatch`` (https://pypi.org/project/vismatch), which is not part of this project."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from gim_data.errors import GimError
from gim_data.masks import dropped_outside
from gim_data.types import Image, Mask, Matches

PACKAGE = "vismatch"
_INSTALL = (
    "pip install --no-deps vismatch torchvision && pip install huggingface_hub einops yacs transforms3d  (without "
    "vismatch's own list, which asks for an older kornia; torchvision of the build of your torch)"
)


def open_vismatch(model: str, device: str = "cpu") -> VismatchMatcher:
    """The matcher ``vismatch:<model>``.

    Args:
        model: as vismatch names it, such as ``superpoint-lightglue``.
        device: where it runs.

    Raises:
        GimError: vismatch is not installed, lacks a dependency, has no such model, or cannot load it.
    """
    package = _imported()
    if model not in package.available_models:
        known = ", ".join(sorted(package.available_models))
        raise GimError(f"vismatch {installed_version()} has no model {model!r}", f"use one of: {known}")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # it prints about downloads
            network = package.get_matcher(model, device=device)
    except Exception as error:  # whatever its models raise: a download that failed, a package that is not there
        raise GimError(f"vismatch cannot open {model}: {type(error).__name__}: {error}", _INSTALL) from error
    return VismatchMatcher(model, network)


class VismatchMatcher:
    """A model of vismatch behind the contract of ``gim_data.types.Matcher``.

    Attributes:
        name: ``vismatch:<model>``.

    Keypoints are taken as vismatch gives them, in pixels of the image passed in; where a model of it counts from the
    corner of a pixel, that half pixel stays in.
    """

    def __init__(self, model: str, network: Callable[[Any, Any], dict[str, Any]]) -> None:
        self.name = f"vismatch:{model}"
        self._network = network

    def match(self, image0: Image, image1: Image, mask0: Mask | None = None, mask1: Mask | None = None) -> Matches:
        """Match two images; matches that end where a mask forbids are dropped."""
        found = self._network(_planes(image0), _planes(image1))
        points0, points1 = (np.asarray(found[f"matched_kpts{i}"], np.float32).reshape(-1, 2) for i in (0, 1))
        given = found.get("matched_confidences")
        confidence = np.ones(len(points0)) if given is None else np.clip(np.asarray(given, np.float64), 0, 1)
        sizes = [(image.shape[1], image.shape[0]) for image in (image0, image1)]
        matches = Matches(points0, points1, confidence.astype(np.float32), sizes[0], sizes[1])
        return dropped_outside(matches, mask0, mask1)


def installed_version() -> str | None:
    """The version of vismatch that is installed, None where there is none."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return None


def _imported() -> Any:
    if find_spec(PACKAGE) is None:
        raise GimError("vismatch is not installed", _INSTALL)
    try:
        return import_module(PACKAGE)
    except Exception as error:  # a dependency may be missing, or be built for another torch: a RuntimeError
        raise GimError(f"vismatch cannot be imported: {type(error).__name__}: {error}", _INSTALL) from error


def _planes(image: Image) -> Any:
    """(H, W, 3) uint8 as the (3, H, W) tensor in [0, 1] that vismatch takes."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255
