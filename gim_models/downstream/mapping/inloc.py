"""InLoc's layout: cutouts of laser scans as reference images, photographs of one telephone as queries.

``database/cutouts/<floor>/<scan>/<name>.jpg`` with ``<name>.jpg.mat`` beside it, scanner poses in
``database/alignments/<floor>/transformations/<building>_trans_<scan>.txt`` (the last four rows of four numbers),
queries in ``query/iphone7/``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gim_data.bench.checks import check_pose
from gim_data.errors import BadInput
from gim_data.video.sources import image_files
from gim_models.downstream.mapping.model import MapCamera, Matrix
from gim_models.downstream.mapping.posed_image import PosedImage, inspect
from gim_models.downstream.mapping.surfaces import Scan

CUTOUTS, ALIGNMENTS, QUERIES = "database/cutouts", "database/alignments", "query/iphone7"
_FOCAL = 28 / 36
"""Focal length over long side of the queries: a 28 mm lens on 36 mm of film."""
_BUILDING = 3  # letters of a cutout's name that name its building


def is_inloc(folder: Path) -> bool:
    """Whether a folder has this layout."""
    return (folder / CUTOUTS).is_dir()


def read_cutouts(folder: Path) -> list[PosedImage]:
    """Every cutout that has a scan, in order of name; their camera poses are not known, their points are.

    Raises:
        BadInput: none, or a scanner pose that is missing or none.
    """
    root = folder / CUTOUTS
    files = [p for p in sorted(root.rglob("*.jpg")) if _scan_file(p).is_file()]
    if not files:
        raise BadInput(f"{root} holds no cutout with a scan", "restore <floor>/<scan>/<name>.jpg and <name>.jpg.mat")
    poses = {place: _scanner_pose(folder, *place) for place in {_place(path) for path in files}}
    found = []
    for path in files:
        image, damage = inspect(path, path.relative_to(folder).as_posix())
        surface = Scan(_scan_file(path), poses[_place(path)], image.size)
        found.append(PosedImage(image, MapCamera.guess(image.size, None), None, surface, damage))
    return found


def read_phone_queries(folder: Path) -> list[PosedImage]:
    """The queries with the one focal length that all have.

    Raises:
        BadInput: there is none.
    """
    place = folder / QUERIES
    files = image_files(place) if place.is_dir() else []
    if not files:
        raise BadInput(f"{place} holds no image", "restore the queries, or name others with --queries")
    return [_phone_query(path, path.relative_to(folder).as_posix()) for path in files]


def _phone_query(path: Path, name: str) -> PosedImage:
    image, damage = inspect(path, name)
    camera = MapCamera.guess(image.size, _FOCAL * max(image.size), "SIMPLE_PINHOLE")
    return PosedImage(image, camera, None, damage=damage)


def _scan_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.mat")


def _place(path: Path) -> tuple[str, str, str]:
    """Floor, building and scan of a cutout."""
    return path.parents[1].name, path.name[:_BUILDING], path.parent.name


def _scanner_pose(folder: Path, floor: str, building: str, scan: str) -> Matrix:
    path = folder / ALIGNMENTS / floor / "transformations" / f"{building}_trans_{scan}.txt"
    try:
        rows = [row for line in path.read_text().splitlines() if len(row := _numbers(line)) == 4]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}", "restore the alignments of the scans") from None
    if len(rows) < 4:
        raise BadInput(f"{path} holds no matrix of four rows", "restore the file")
    return check_pose(np.array(rows[-4:]), str(path))


def _numbers(line: str) -> list[float]:
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return []
