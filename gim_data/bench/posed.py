"""Posed image folders: ``images/``, ``pairs.json`` and, where there is one, a camera per image.

``pairs.json`` holds ``{"pairs": [{"image0", "image1", "K0", "K1", "T_0to1", "overlap"?}, ...]}``; images are relative
to ``images/``. ``frames.json`` (one K for all, ``T_w2c`` per frame) or ``cameras.json`` (K and ``T_w2c`` per image)
allow pairs that nobody listed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gim_data.bench.checks import check_intrinsics, check_name, check_pose
from gim_data.errors import BadInput
from gim_data.types import TwoViewPair

PAIRS_FILE = "pairs.json"
_REMEDY = "a pair has image0, image1, K0, K1, T_0to1 and, where known, overlap"


@dataclass(frozen=True)
class Camera:
    """One image and its camera: K (3, 3) in pixels, T_w2c (4, 4)."""

    image: Path
    K: NDArray[np.float64]
    T_w2c: NDArray[np.float64]


def is_posed(folder: Path) -> bool:
    """Whether a folder holds image pairs with relative poses (and not, say, homographies)."""
    path = folder / PAIRS_FILE
    if not path.is_file():
        return False
    raw = _read(path)
    entries = raw.get("pairs") if isinstance(raw, dict) else None
    return bool(entries) and isinstance(entries, list) and "T_0to1" in entries[0]


def find_posed(root: Path) -> Iterator[Path]:
    """Every posed folder at or below ``root``, in order of name."""
    for path in sorted(root.rglob(PAIRS_FILE)):
        if is_posed(path.parent):
            yield path.parent


def read_posed(folder: Path) -> list[TwoViewPair]:
    """Read and check the listed pairs of a posed folder; an overlap that is not given comes back as NaN.

    Raises:
        BadInput: not JSON, a missing or impossible field, an image that is missing, or a pair listed twice. The error
            names file, pair and field.
    """
    path = folder / PAIRS_FILE
    entries = _read(path).get("pairs", [])
    pairs = [_pair(folder, entry, f"{path}, pair {i}") for i, entry in enumerate(entries)]
    if not pairs:
        raise BadInput(f"{path} lists no pair", "remove the folder from the sources, or list pairs")
    seen: set[str] = set()
    for i, pair in enumerate(pairs):
        if pair.identifier in seen:
            raise BadInput(f"{path}, pair {i}, image0: {pair.identifier} is listed twice", "remove one of the two")
        seen.add(pair.identifier)
    return pairs


def read_cameras(folder: Path) -> list[Camera]:
    """Every image with its camera, from ``frames.json`` or ``cameras.json``; empty where there is neither.

    Raises:
        BadInput: a missing or impossible field, or an image that is missing.
    """
    path = folder / "frames.json"
    if path.is_file():
        raw = _read(path)
        rows = [(frame, raw.get("K")) for frame in raw.get("frames", [])]
        return [_camera(folder, f.get("image", ""), K, f.get("T_w2c"), path) for f, K in rows]
    path = folder / "cameras.json"
    if path.is_file():
        cameras = _read(path).get("cameras", {})
        return [_camera(folder, name, c.get("K"), c.get("T_w2c"), path) for name, c in sorted(cameras.items())]
    return []


def make_pair(scene: str, first: Camera, second: Camera, overlap: float) -> TwoViewPair:
    """The posed pair of two cameras of one world."""
    identifier = f"{scene}#{first.image.stem}#{second.image.stem}"
    T_0to1 = second.T_w2c @ np.linalg.inv(first.T_w2c)
    return TwoViewPair(identifier, first.image, second.image, first.K, second.K, T_0to1, overlap)


def _pair(folder: Path, entry: Mapping[str, Any], where: str) -> TwoViewPair:
    images = [_image(folder, entry.get(field), f"{where}, {field}") for field in ("image0", "image1")]
    overlap = entry.get("overlap")
    if overlap is not None and not (isinstance(overlap, int | float) and 0 <= overlap <= 1):
        raise BadInput(f"{where}, overlap: {overlap!r} is not in 0 to 1", "leave it out where it is unknown")
    return TwoViewPair(
        f"{folder.name}#{images[0].stem}#{images[1].stem}",
        images[0],
        images[1],
        check_intrinsics(_matrix(entry.get("K0"), 3, f"{where}, K0"), f"{where}, K0"),
        check_intrinsics(_matrix(entry.get("K1"), 3, f"{where}, K1"), f"{where}, K1"),
        check_pose(_matrix(entry.get("T_0to1"), 4, f"{where}, T_0to1"), f"{where}, T_0to1"),
        float("nan") if overlap is None else float(overlap),
    )


def _camera(folder: Path, name: str, K: Any, T: Any, path: Path) -> Camera:
    where = f"{path}, image {name}"
    return Camera(
        _image(folder, name, f"{where}, image"),
        check_intrinsics(_matrix(K, 3, f"{where}, K"), f"{where}, K"),
        check_pose(_matrix(T, 4, f"{where}, T_w2c"), f"{where}, T_w2c"),
    )


def _image(folder: Path, name: Any, where: str) -> Path:
    if not isinstance(name, str):
        raise BadInput(f"{where}: missing", _REMEDY)
    path = folder / "images" / check_name(name, where)
    if not path.is_file():
        raise BadInput(f"{where}: image {path} does not exist", "restore it, or remove its pairs")
    return path


def _matrix(value: Any, size: int, where: str) -> NDArray[np.float64]:
    if value is None:
        raise BadInput(f"{where}: missing", _REMEDY)
    try:
        matrix = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadInput(f"{where}: not a matrix of numbers", _REMEDY) from None
    if matrix.shape != (size, size):
        raise BadInput(f"{where}: shape {matrix.shape} instead of ({size}, {size})", _REMEDY)
    return matrix


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadInput(f"{path} is not JSON: {error}", "restore the file") from None
    if not isinstance(raw, dict):
        raise BadInput(f"{path} does not hold an object", "write {'pairs': [...]}") from None
    return raw
