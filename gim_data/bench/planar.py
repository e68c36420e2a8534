"""Image pairs with a known homography, or with hand-annotated points: HPatches, Oxford, WxBS, and lists in JSON.

* ``pairs.json`` with ``{"pairs": [{"image0", "image1", "H_0to1" | "pts0" and "pts1", ...}]}`` and ``images/``; a planar
  pair may carry ``val_pts0`` and ``val_pts1``, points on the plane that judge an estimate instead of the corners.
* HPatches: ``<sequence>/1.ppm ... 6.ppm`` with ``H_1_2 ... H_1_6``.
* Oxford: ``<sequence>/img1.ppm ...`` with ``H1to2p ...``.
* WxBS: ``<set>/<scene>/01.png``, ``02.png`` and ``corrs.txt`` of ``x0 y0 x1 y1`` in each line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gim_data.bench.checks import image_size
from gim_data.bench.listing import PAIRS_FILE, Entry, array_field, image_field, read_listing
from gim_data.errors import BadInput

Matrix = NDArray[np.float64]
_TRUTH = re.compile(r"^H_?1(?:_|to)(?P<other>\d+)p?$")
_SUFFIXES = (".ppm", ".pgm", ".png", ".jpg", ".jpeg")
_H_REMEDY = "a planar pair has image0, image1 and H_0to1, mapping pixels of image 0 to image 1"
_P_REMEDY = "a pair of points has image0, image1, pts0 and pts1, as many of the one as of the other"


@dataclass(frozen=True)
class PlanarPair:
    """Two images of a plane.

    Attributes:
        identifier: ``sequence#name0#name1``.
        image0, image1: files.
        H_0to1: (3, 3), pixels to pixels.
        points0, points1: (N, 2) pixels on the plane by which an estimate is judged, or None for the image's corners.
    """

    identifier: str
    image0: Path
    image1: Path
    H_0to1: Matrix
    points0: Matrix | None = None
    points1: Matrix | None = None


@dataclass(frozen=True)
class PointPair:
    """Two images with corresponding points that people clicked, (N, 2) pixels each."""

    identifier: str
    image0: Path
    image1: Path
    points0: Matrix
    points1: Matrix


Pair = TypeVar("Pair", PlanarPair, PointPair)


def read_planar(folder: Path) -> dict[str, list[PlanarPair]]:
    """Every planar pair at or below a folder, by set: a ``pairs.json`` is one set, all text layouts are one.

    Raises:
        BadInput: there is none, or one is wrong; the error names file, line and field.
    """
    sets = {name: [_planar(path.parent, e, w) for w, e in rows] for name, path, rows in _listings(folder, "H_0to1")}
    truths = [path for path in _files(folder, "H*1*") if _TRUTH.match(path.name)]
    if truths:
        sets[folder.name] = [_from_truth(path) for path in truths]
    return _unique(folder, sets, "H_1_2 or H1to2p")


def read_points(folder: Path) -> dict[str, list[PointPair]]:
    """Every pair with annotated points at or below a folder, by set, as ``read_planar``.

    Raises:
        BadInput: as ``read_planar``.
    """
    sets = {name: [_points(path.parent, e, w) for w, e in rows] for name, path, rows in _listings(folder, "pts0")}
    found = _files(folder, "corrs.txt")
    if found:
        sets[folder.name] = [_from_corrs(path) for path in found]
    return _unique(folder, sets, "corrs.txt")


def check_homography(H: Matrix, where: str) -> Matrix:
    """The (3, 3) homography, if it is one.

    Raises:
        BadInput: a number that is not finite, or a matrix that cannot be inverted.
    """
    if not np.isfinite(H).all():
        raise BadInput(f"{where}: NaN or infinity", "remove the pair, or give it a homography")
    if abs(np.linalg.det(H / np.linalg.norm(H))) < 1e-12:
        raise BadInput(f"{where}: the matrix cannot be inverted", "write H row by row")
    return H


def _listings(folder: Path, field: str) -> Iterator[tuple[str, Path, list[tuple[str, Entry]]]]:
    for path in _files(folder, PAIRS_FILE):
        rows = read_listing(path)
        if field in rows[0][1]:
            yield path.parent.name, path, rows


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.rglob(pattern) if path.is_file())


def _unique(folder: Path, sets: dict[str, list[Pair]], wanted: str) -> dict[str, list[Pair]]:
    if not sets:
        raise BadInput(f"{folder} holds no such pair", f"it needs a {PAIRS_FILE}, or files named {wanted}")
    seen: set[str] = set()
    for pair in (pair for pairs in sets.values() for pair in pairs):
        if pair.identifier in seen:
            raise BadInput(f"{pair.image0}: {pair.identifier} appears twice", "remove or rename one of the two")
        seen.add(pair.identifier)
    return sets


def _planar(folder: Path, entry: Entry, where: str) -> PlanarPair:
    identifier, images = _images(folder, entry, where, _H_REMEDY)
    H = check_homography(array_field(entry, "H_0to1", (3, 3), where, _H_REMEDY), f"{where}, H_0to1")
    if "val_pts0" not in entry and "val_pts1" not in entry:
        return PlanarPair(identifier, *images, H)
    return PlanarPair(identifier, *images, H, *_both(entry, "val_pts", where, _H_REMEDY))


def _points(folder: Path, entry: Entry, where: str) -> PointPair:
    identifier, images = _images(folder, entry, where, _P_REMEDY)
    return PointPair(identifier, *images, *_both(entry, "pts", where, _P_REMEDY))


def _images(folder: Path, entry: Entry, where: str, remedy: str) -> tuple[str, tuple[Path, Path]]:
    first, second = (image_field(folder, entry, f"image{i}", where, remedy) for i in (0, 1))
    for i, path in enumerate((first, second)):
        image_size(path, f"{where}, image{i}")
    return f"{folder.name}#{first.stem}#{second.stem}", (first, second)


def _both(entry: Entry, field: str, where: str, remedy: str) -> tuple[Matrix, Matrix]:
    first, second = (array_field(entry, f"{field}{i}", (None, 2), where, remedy) for i in (0, 1))
    return _check_points(first, second, f"{where}, {field}1", remedy)


def _check_points(first: Matrix, second: Matrix, where: str, remedy: str) -> tuple[Matrix, Matrix]:
    if len(first) != len(second) or not len(first):
        raise BadInput(f"{where}: {len(second)} points for {len(first)} of the other image", remedy)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise BadInput(f"{where}: NaN or infinity", remedy)
    return first, second


def _from_truth(path: Path) -> PlanarPair:
    match = _TRUTH.match(path.name)
    other = match["other"] if match else ""
    prefix = "" if path.name.startswith("H_") else "img"
    images = [_image(path.parent, f"{prefix}{i}", path) for i in ("1", other)]
    H = check_homography(_numbers(path, 3, rows=3), f"{path}, H")
    return PlanarPair(f"{path.parent.name}#1#{other}", images[0], images[1], H)


def _from_corrs(path: Path) -> PointPair:
    images = [_image(path.parent, stem, path) for stem in ("01", "02")]
    table = _numbers(path, 4)
    points = _check_points(table[:, :2], table[:, 2:], f"{path}", "write x0 y0 x1 y1 in each line")
    return PointPair(f"{path.parent.parent.name}-{path.parent.name}#01#02", images[0], images[1], *points)


def _image(folder: Path, stem: str, needed_by: Path) -> Path:
    for suffix in _SUFFIXES:
        path = folder / f"{stem}{suffix}"
        if path.is_file():
            image_size(path, str(needed_by))
            return path
    raise BadInput(
        f"{needed_by}: image {folder / stem} (.ppm, .png, .jpg) is missing", "restore it, or remove the file"
    )


def _numbers(path: Path, columns: int, rows: int | None = None) -> Matrix:
    found = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
        fields = line.replace(",", " ").split()
        if not fields:
            continue
        try:
            values = [float(field) for field in fields]
        except ValueError:
            raise BadInput(
                f"{path}, line {number}: {line.strip()[:40]!r} are not numbers", "restore the file"
            ) from None
        if len(values) != columns:
            raise BadInput(f"{path}, line {number}: {len(values)} fields instead of {columns}", "restore the file")
        found.append(values)
    if not found or (rows is not None and len(found) != rows):
        raise BadInput(
            f"{path}: {len(found)} lines of numbers{f' instead of {rows}' if rows else ''}", "restore the file"
        )
    return np.array(found)
