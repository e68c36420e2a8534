"""An image that localization reads: what is known of its camera, its pose and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from gim_data.bench.checks import image_damage
from gim_data.errors import BadInput
from gim_models.downstream.mapping.images import MapImage, describe
from gim_models.downstream.mapping.model import MapCamera, Matrix
from gim_models.downstream.mapping.surfaces import Surface


@dataclass(frozen=True)
class PosedImage:
    """One image of a reference set, or a query.

    Attributes:
        image: the file.
        camera: intrinsics.
        T_w2c: (4, 4), or None where it is not known.
        surface: where its pixels are in the world, or None where that has to be triangulated.
        damage: what keeps the file from being read, else "".
    """

    image: MapImage
    camera: MapCamera
    T_w2c: Matrix | None
    surface: Surface | None = None
    damage: str = ""


def inspect(path: Path, name: str, read: Callable[[Path, str], MapImage] = describe) -> tuple[MapImage, str]:
    """One image file as ``read`` sees it (upright, by its header), and what keeps it from being read, else "".

    What cannot be read has the size (0, 0).
    """
    try:
        return read(path, name), ""
    except BadInput as error:
        return MapImage(name, path, (0, 0)), error.problem


def checked(images: Sequence[PosedImage]) -> list[PosedImage]:
    """The images, each that is cut short or damaged with its ``damage``; all are read, at the smallest scale."""
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda posed: posed.damage or _damage(posed.image.path), images))
    return [replace(posed, damage=damage) for posed, damage in zip(images, found, strict=True)]


def _damage(path: Path) -> str:
    damage = image_damage(path)
    return f"{path} is damaged: {damage}" if damage else ""
