"""What localization reads: a posed reference set, and queries with their intrinsics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gim_data.bench.checks import check_name
from gim_data.bench.posed import Camera, read_cameras
from gim_data.errors import BadInput
from gim_data.video.sources import image_files
from gim_models.downstream.mapping import colmap
from gim_models.downstream.mapping.images import MapImage, describe
from gim_models.downstream.mapping.model import CAMERA_MODELS, MapCamera, Matrix

INTRINSICS = "queries_with_intrinsics.txt"
"""The list of the long-term localization benchmark: ``name MODEL width height params...`` a line."""


@dataclass(frozen=True)
class PosedImage:
    """An image, its camera and, where it is known, its pose (4, 4) T_w2c."""

    image: MapImage
    camera: MapCamera
    T_w2c: Matrix | None


def read_reference(folder: Path) -> list[PosedImage]:
    """The images of a reference set: ``images/`` beside a COLMAP model (``sparse/0``) or beside ``cameras.json``.

    Raises:
        BadInput: neither is there, an image is missing, or there are fewer than two.
    """
    model = next((p for p in (folder / "sparse" / "0", folder / "sparse") if _holds_model(p)), None)
    if model is not None:
        views = colmap.load(model).views
        found = [
            PosedImage(describe(folder / "images" / check_name(name, str(model)), name), view.camera, view.T_w2c)
            for name, view in views.items()
        ]
    else:
        found = [posed_image(camera) for camera in read_cameras(folder)]
    if len(found) < 2:
        raise BadInput(
            f"{folder} holds no map of two or more images",
            "give a folder with images/ and cameras.json (K and T_w2c per image), or what 'gim reconstruct' wrote",
        )
    return found


def read_queries(folder: Path, reference: Sequence[PosedImage]) -> list[PosedImage]:
    """Queries from a folder.

    Intrinsics come from ``cameras.json`` (whose poses then serve as truth), from ``queries_with_intrinsics.txt``, else
    from a reference camera of the same size, from EXIF, or from a guess.

    Raises:
        BadInput: no image, or a line that cannot be read.
    """
    posed = read_cameras(folder)
    if posed:
        return [posed_image(camera) for camera in posed]
    listed = folder / INTRINSICS
    if listed.is_file():
        return _read_list(listed)
    place = folder / "images" if (folder / "images").is_dir() else folder
    files = image_files(place) if place.is_dir() else []
    if not files:
        raise BadInput(f"{folder} holds no image", "name a folder of query images")
    images = [describe(path, path.name) for path in files]
    return [PosedImage(image, _likely_camera(image, reference), None) for image in images]


def posed_image(camera: Camera) -> PosedImage:
    """An image of a posed folder; its name is its file name.

    Raises:
        BadInput: the file is no image.
    """
    image = describe(camera.image, camera.image.name)
    return PosedImage(image, MapCamera.from_intrinsics(camera.K, image.size), camera.T_w2c)


def split(images: Sequence[PosedImage], every: int) -> tuple[list[PosedImage], list[PosedImage]]:
    """Every ``every``-th image (the 2nd, the 2 + ``every``-th...) is a query, the others are the map.

    Never the first: the ends of a walk see what nothing else sees.
    """
    queries = [image for row, image in enumerate(images) if row % every == 1]
    return [image for row, image in enumerate(images) if row % every != 1], queries


def _likely_camera(image: MapImage, reference: Sequence[PosedImage]) -> MapCamera:
    if image.focal is None:
        for posed in reference:
            if posed.image.size == image.size:
                return posed.camera
    return MapCamera.guess(image.size, image.focal)


def _read_list(path: Path) -> list[PosedImage]:
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            found.append(_read_line(path.parent, line.split(), f"{path}, line {number}"))
    if not found:
        raise BadInput(f"{path} lists no query", "write 'name MODEL width height params...' a line")
    return found


def _read_line(folder: Path, words: Sequence[str], where: str) -> PosedImage:
    try:
        name, model, width, height, *rest = words
        params = tuple(float(word) for word in rest)
        size = (int(width), int(height))
    except ValueError:
        raise BadInput(f"{where}: cannot be read", "write 'name MODEL width height params...'") from None
    if model not in CAMERA_MODELS or len(params) != len(MapCamera.guess(size, 1.0, model).params):
        raise BadInput(f"{where}: {model} with {len(params)} numbers", f"use one of {', '.join(CAMERA_MODELS)}")
    check_name(name, where)
    path = next((p for p in (folder / "images" / name, folder / name) if p.is_file()), folder / name)
    return PosedImage(describe(path, name), MapCamera(model, params, size, known_focal=True), None)


def _holds_model(folder: Path) -> bool:
    return any((folder / f"images{suffix}").is_file() for suffix in (".bin", ".txt"))
