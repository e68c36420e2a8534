"""Posed image folders: ``images/``, ``pairs.json`` and, where there is one, a camera per image.

``pairs.json`` holds ``{"pairs": [{"image0", "image1", "K0", "K1", "T_0to1", "overlap"?, "scene"?}, ...]}``; images are
relative to ``images/``, the scene is the folder's name where none is given. ``frames.json`` (one K for all, ``T_w2c``
per frame) or ``cameras.json`` (K and ``T_w2c`` per image) allow pairs that nobody listed, and ``depth_mm/`` (16-bit
PNGs in millimetres, named as the images) allows to measure their overlaps.

A pair is named ``scene#name0#name1``, by its images' names without folder and suffix; where two images of a scene share
one, by both their folders too (``s1_a`` for ``s1/a.png``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gim_data.bench.checks import (
    check_decodable,
    check_intrinsics,
    check_no_skew,
    check_pose,
    check_principal,
    check_scene,
    image_size,
)
from gim_data.bench.listing import PAIRS_FILE, Entry, array_field, image_field, read_listing, read_object
from gim_data.errors import BadInput
from gim_data.types import TwoViewPair

DEPTH_FOLDER = "depth_mm"
_REMEDY = "a pair has image0, image1, K0, K1, T_0to1 and, where known, overlap"


@dataclass(frozen=True)
class Camera:
    """One image and its camera: K (3, 3) in pixels, T_w2c (4, 4); and the file of its depth map, where there is one."""

    image: Path
    K: NDArray[np.float64]
    T_w2c: NDArray[np.float64]
    depth: Path | None = None


def is_posed(folder: Path) -> bool:
    """Whether a folder holds image pairs with relative poses (and not, say, homographies).

    A list that cannot be read counts as one: reading it as such tells what is wrong, passing it by would hide it.
    """
    path = folder / PAIRS_FILE
    if not path.is_file():
        return False
    try:
        return "T_0to1" in read_listing(path)[0][1]
    except BadInput:
        return True


def find_posed(root: Path) -> Iterator[Path]:
    """Every posed folder at or below ``root``, in order of name."""
    for path in sorted(root.rglob(PAIRS_FILE)):
        if is_posed(path.parent):
            yield path.parent


def read_posed(folder: Path) -> list[TwoViewPair]:
    """Read and check the listed pairs of a posed folder; an overlap that is not given comes back as NaN.

    Raises:
        BadInput: not JSON, a missing or impossible field, an image that is missing or does not decode, or a pair listed
            twice. The error names file, line, pair and field.
    """
    path = folder / PAIRS_FILE
    entries = read_listing(path)
    pairs = _named(folder, [_pair(folder, entry, where) for where, entry in entries])
    seen: set[str] = set()
    images: dict[Path, str] = {}
    for (where, _), pair in zip(entries, pairs, strict=True):
        if pair.identifier in seen:
            raise BadInput(f"{where}, image0: {pair.identifier} is listed twice", "remove one of the two")
        seen.add(pair.identifier)
        images.setdefault(pair.image0, f"{where}, image0")
        images.setdefault(pair.image1, f"{where}, image1")
    check_decodable(images)
    return pairs


def read_cameras(folder: Path) -> list[Camera]:
    """Every image with its camera, from ``frames.json`` or ``cameras.json``; empty where there is neither.

    Raises:
        BadInput: a missing or impossible field, or an image that is missing or none.
    """
    found, unreadable = sort_cameras(folder)
    for error in unreadable.values():
        raise error
    return found


def sort_cameras(folder: Path) -> tuple[list[Camera], dict[Path, BadInput]]:
    """Every image with its camera as ``read_cameras``, and what is wrong with those files that are no image.

    Raises:
        BadInput: a missing or impossible field, or an image that is missing.
    """
    unreadable: dict[Path, BadInput] = {}
    found = [_camera(folder, row, path, unreadable) for path, row in _camera_rows(folder)]
    return found, unreadable


def _camera_rows(folder: Path) -> list[tuple[Path, Entry]]:
    """The file that describes an image and its entry, for every image."""
    path = folder / "frames.json"
    if path.is_file():
        raw = read_object(path)
        return [(path, {**frame, "K": raw.get("K")}) for frame in _objects(raw, "frames", path)]
    path = folder / "cameras.json"
    if path.is_file():
        cameras = read_object(path).get("cameras")
        if not isinstance(cameras, dict) or not all(isinstance(camera, dict) for camera in cameras.values()):
            raise BadInput(f"{path}, cameras: not an object with a camera per image", "restore the file")
        return [(path, {**camera, "image": name}) for name, camera in sorted(cameras.items())]
    return []


def image_names(folder: Path, images: Iterable[Path]) -> dict[Path, str]:
    """What the images of one scene, below ``folder/images``, are called in the names of pairs.

    Raises:
        BadInput: two are called the same, with their folders as well.
    """
    by_stem: defaultdict[str, set[Path]] = defaultdict(set)
    for image in images:
        by_stem[image.stem].add(image)
    names = {image: stem for stem, found in by_stem.items() for image in found if len(found) == 1}
    taken = {name: image for image, name in names.items()}
    for image in sorted(image for found in by_stem.values() if len(found) > 1 for image in found):
        names[image] = "_".join(image.relative_to(folder / "images").with_suffix("").parts)
        if taken.setdefault(names[image], image) != image:
            raise BadInput(f"{image} and {taken[names[image]]} are both called {names[image]}", "rename one of them")
    return names


def make_pair(scene: str, first: Camera, second: Camera, overlap: float, names: Mapping[Path, str]) -> TwoViewPair:
    """The posed pair of two cameras of one world; ``names`` as ``image_names`` gives them."""
    identifier = f"{scene}#{names[first.image]}#{names[second.image]}"
    T_0to1 = second.T_w2c @ np.linalg.inv(first.T_w2c)
    return TwoViewPair(identifier, first.image, second.image, first.K, second.K, T_0to1, overlap)


def _named(folder: Path, pairs: Iterable[tuple[str, TwoViewPair]]) -> list[TwoViewPair]:
    """Pairs with their identifiers, from (scene, pair)."""
    listed = list(pairs)
    images: defaultdict[str, set[Path]] = defaultdict(set)
    for scene, pair in listed:
        images[scene] |= {pair.image0, pair.image1}
    names = {scene: image_names(folder, found) for scene, found in images.items()}
    return [
        replace(pair, identifier=f"{scene}#{names[scene][pair.image0]}#{names[scene][pair.image1]}")
        for scene, pair in listed
    ]


def _pair(folder: Path, entry: Entry, where: str) -> tuple[str, TwoViewPair]:
    """Scene and pair, the latter without its name, which depends on the others."""
    first, second = (_view(folder, entry, i, where) for i in (0, 1))
    overlap = entry.get("overlap")
    if overlap is not None and not (isinstance(overlap, int | float) and 0 <= overlap <= 1):
        raise BadInput(f"{where}, overlap: {overlap!r} is not in 0 to 1", "leave it out where it is unknown")
    scene = entry.get("scene", folder.name)
    if not isinstance(scene, str):
        raise BadInput(f"{where}, scene: {scene!r} is not a text", "leave it out, or name the scene")
    return check_scene(scene, f"{where}, scene"), TwoViewPair(
        "",
        first[0],
        second[0],
        first[1],
        second[1],
        check_pose(array_field(entry, "T_0to1", (4, 4), where, _REMEDY), f"{where}, T_0to1"),
        float("nan") if overlap is None else float(overlap),
    )


def _view(folder: Path, entry: Entry, index: int, where: str) -> tuple[Path, NDArray[np.float64]]:
    """Image file and intrinsics of one side of a pair."""
    image = image_field(folder, entry, f"image{index}", where, _REMEDY)
    size = image_size(image, f"{where}, image{index}")
    K = check_intrinsics(array_field(entry, f"K{index}", (3, 3), where, _REMEDY), f"{where}, K{index}")
    check_principal(check_no_skew(K, f"{where}, K{index}"), size, f"{where}, K{index}")
    return image, K


def _objects(raw: Entry, field: str, path: Path) -> list[Entry]:
    rows = raw.get(field)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInput(f"{path}, {field}: not a list of objects", "restore the file")
    return rows


def _camera(folder: Path, row: Entry, path: Path, unreadable: dict[Path, BadInput]) -> Camera:
    """One camera; an image that is none is added to ``unreadable``, and its K is not compared with its size."""
    where = f"{path}, image {row.get('image')}"
    image = image_field(folder, row, "image", where, _REMEDY)
    K = check_intrinsics(array_field(row, "K", (3, 3), where, _REMEDY), f"{where}, K")
    check_no_skew(K, f"{where}, K")
    try:
        size = image_size(image, f"{where}, image")
    except BadInput as error:
        unreadable[image] = error
    else:
        check_principal(K, size, f"{where}, K")
    T_w2c = check_pose(array_field(row, "T_w2c", (4, 4), where, _REMEDY), f"{where}, T_w2c")
    depth = (folder / DEPTH_FOLDER / image.relative_to(folder / "images")).with_suffix(".png")
    return Camera(image, K, T_w2c, depth if depth.is_file() else None)
