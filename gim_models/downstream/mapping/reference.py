"""What localization reads: a posed reference set, and queries with their intrinsics; Aachen's layout among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gim_data.bench.checks import check_name
from gim_data.bench.posed import Camera, sort_cameras
from gim_data.errors import BadInput
from gim_data.video.sources import image_files, is_image_file
from gim_models.downstream.mapping import colmap
from gim_models.downstream.mapping.images import MapImage, keep_apart, photo_folder
from gim_models.downstream.mapping.images import place as place_upright
from gim_models.downstream.mapping.inloc import is_inloc, read_cutouts, read_phone_queries
from gim_models.downstream.mapping.model import CAMERA_MODELS, MapCamera, Matrix
from gim_models.downstream.mapping.posed_image import PosedImage, inspect
from gim_models.downstream.mapping.surfaces import DepthMap

INTRINSICS = "*queries_with_intrinsics*.txt"
"""The lists of the long-term localization benchmark: ``name MODEL width height params...`` a line."""
_IMAGE_ROOTS = ("images", "images/images_upright", "images_upright", "")
"""Where the names in a list or a model may be relative to, Aachen's places among them."""
_MODELS = "3D-models"
"""Aachen's folder of COLMAP models."""


def read_reference(folder: Path) -> list[PosedImage]:
    """The images of a reference set, also those that are no image: their ``damage`` says so.

    A COLMAP model (``sparse/0``, ``sparse``, ``3D-models/...`` as Aachen has it, or the folder itself) with its images
    (``images``, ``images/images_upright``); ``images/`` beside ``cameras.json``; or InLoc's cutouts with scans.

    Raises:
        BadInput: none of these is there, or an image is missing.
    """
    places = [
        folder / "sparse" / "0",
        folder / "sparse",
        folder,
        folder / _MODELS,
        *sorted(folder.glob(f"{_MODELS}/*")),
    ]
    model = next((place for place in places if _holds_model(place)), None)
    if is_inloc(folder):
        found = read_cutouts(folder)
    elif model is not None:
        found = [
            _given(_image_file([folder], name, str(model)), name, view.camera, view.T_w2c)
            for name, view in colmap.load(model).views.items()
        ]
    else:
        found = [posed_image(camera) for camera in sort_cameras(folder)[0]]
    if not found:
        raise BadInput(
            f"{folder} holds no map",
            "give a folder with images/ and cameras.json (K and T_w2c per image), or a COLMAP model with its images, "
            "such as 'gim reconstruct' writes",
        )
    return found


def read_queries(folder: Path, reference: Sequence[PosedImage], upright: Path) -> list[PosedImage]:
    """Queries from a folder, from a list, or a single photo, also those that are no image: their ``damage`` says so.

    Intrinsics come from ``cameras.json`` (whose poses then serve as truth), from ``*queries_with_intrinsics*.txt``,
    else from a reference camera of the same size, from EXIF, or from a guess.

    Args:
        folder: what the user named.
        reference: the map's images.
        upright: folder where plain photos are laid out, turned as EXIF says.

    Raises:
        BadInput: no image, a line that cannot be read, or ``upright`` is the folder of the photos itself.
    """
    posed, _ = sort_cameras(folder)
    if posed:
        return [posed_image(camera) for camera in posed]
    lists = _query_lists(folder)
    if lists:
        return [query for listed in lists for query in _read_list(listed)]
    place = photo_folder(folder)
    files = image_files(place) if place.is_dir() else [folder]
    if not files:
        raise BadInput(f"{folder} holds no image", "name a folder of query images")
    keep_apart(files[0].parent, upright)
    upright.mkdir(parents=True, exist_ok=True)
    return [_photo(path, upright, reference) for path in files]


def _photo(path: Path, upright: Path, reference: Sequence[PosedImage]) -> PosedImage:
    """A query of which nothing is known."""
    image, damage = inspect(path, path.name, lambda photo, name: place_upright(photo, upright / name))
    return PosedImage(image, _likely_camera(image, reference), None, damage=damage)


def _query_lists(folder: Path) -> list[Path]:
    """The lists with intrinsics that were named, or that lie in the folder; none where a photo was named."""
    if folder.is_file():
        return [] if is_image_file(folder) else [folder]
    return sorted([*folder.glob(INTRINSICS), *folder.glob(f"queries/{INTRINSICS}")])


def split_off(folder: Path, reference: Sequence[PosedImage], every: int) -> tuple[list[PosedImage], list[PosedImage]]:
    """Map and queries where no queries are named: InLoc's own, or every ``every``-th image of the set.

    Of a set in which some images have depth maps those are the map, and queries are taken from the others.

    Raises:
        BadInput: InLoc's queries are missing.
    """
    if is_inloc(folder):
        return list(reference), read_phone_queries(folder)
    measured = [posed for posed in reference if posed.surface is not None]
    if 0 < len(measured) < len(reference):
        return measured, [posed for posed in reference if posed.surface is None][::every]
    return split(reference, every)


def with_depth(images: Sequence[PosedImage], folder: Path) -> list[PosedImage]:
    """The images, those with a depth map ``<stem>.png`` in the folder (16 bits, millimetres) with it as surface.

    Raises:
        BadInput: no image has one.
    """
    found = []
    for posed in images:
        path, pose = folder / f"{Path(posed.image.name).stem}.png", posed.T_w2c
        if pose is not None and path.is_file():
            found.append(replace(posed, surface=DepthMap(path, posed.camera.K, pose, posed.image.size)))
        else:
            found.append(replace(posed, surface=None))
    if not any(posed.surface for posed in found):
        raise BadInput(f"{folder} holds no depth map of an image of the map", "name them <stem of the image>.png")
    return found


def posed_image(camera: Camera) -> PosedImage:
    """An image of a posed folder; its name is its file name."""
    image, damage = inspect(camera.image, camera.image.name)
    return PosedImage(image, MapCamera.from_intrinsics(camera.K, image.size), camera.T_w2c, damage=damage)


def _given(path: Path, name: str, camera: MapCamera, T_w2c: Matrix | None) -> PosedImage:
    """An image whose camera is known."""
    image, damage = inspect(path, name)
    return PosedImage(image, camera, T_w2c, damage=damage)


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
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        raise BadInput(f"{path} is no list of queries", "name a photo, a folder of photos or a text file") from None
    for number, line in enumerate(text.splitlines(), 1):
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
    path = _image_file([folder, folder.parent], name, where)
    return _given(path, name, MapCamera(model, params, size, known_focal=True), None)


def _image_file(folders: Sequence[Path], name: str, where: str) -> Path:
    """The file of a name in a list or model, at the first place where there is one."""
    check_name(name, where)
    tried: Iterator[Path] = (folder / root / name for folder in folders for root in _IMAGE_ROOTS)
    found = next((path for path in tried if path.is_file()), None)
    if found is None:
        raise BadInput(f"{where}: image {name} is in none of {folders[0]}'s images/, images_upright/", "restore it")
    return found


def _holds_model(folder: Path) -> bool:
    return any((folder / f"images{suffix}").is_file() for suffix in (".bin", ".txt"))
