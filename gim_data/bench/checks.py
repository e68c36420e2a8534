"""What a posed pair must satisfy before anything is scored on it; each error names file, line or pair, and field."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from gim_data.errors import BadInput
from gim_data.types import Image, Size

Matrix = NDArray[np.float64]
_ROTATION_TOLERANCE = 1e-3  # published poses are printed with 5 to 6 digits


def check_intrinsics(K: Matrix, where: str) -> Matrix:
    """The (3, 3) intrinsics in pixels, if they are.

    Raises:
        BadInput: a number that is not finite, a focal length that is not positive, or a last row that is not 0 0 1.
    """
    _finite(K, where)
    if K[0, 0] <= 0 or K[1, 1] <= 0:
        raise BadInput(f"{where}: focal lengths {K[0, 0]:g} and {K[1, 1]:g} are not positive", "correct the intrinsics")
    if not np.allclose(K[2], [0, 0, 1]):
        raise BadInput(f"{where}: the last row {K[2].tolist()} is not 0 0 1", "write K row by row")
    return K


def check_pose(T: Matrix, where: str) -> Matrix:
    """The (4, 4) rigid motion, if it is one.

    Raises:
        BadInput: a number that is not finite, a rotation part that is none, or a last row that is not 0 0 0 1.
    """
    _finite(T, where)
    R = T[:3, :3]
    if not np.allclose(R @ R.T, np.eye(3), atol=_ROTATION_TOLERANCE) or np.linalg.det(R) < 0:
        raise BadInput(f"{where}: the 3x3 part is not a rotation", "write T row by row, mapping camera 0 to camera 1")
    if not np.allclose(T[3], [0, 0, 0, 1]):
        raise BadInput(f"{where}: the last row {T[3].tolist()} is not 0 0 0 1", "write T row by row")
    return T


def check_name(name: str, where: str) -> str:
    """An image name that stays inside its folder.

    Raises:
        BadInput: it is empty, absolute, or climbs out.
    """
    parts = name.replace("\\", "/").split("/")
    if not name or name.startswith(("/", "\\")) or ".." in parts or ":" in name or "\0" in name:
        raise BadInput(f"{where}: {name!r} leaves the folder", "name images relative to their folder, without '..'")
    if "#" in name:
        raise BadInput(f"{where}: {name!r} holds '#', which separates the parts of a pair's name", "rename the image")
    return name


def check_principal(K: Matrix, size: Size, where: str) -> None:
    """Refuse a principal point outside the image: width and height were swapped, or K is of another resolution.

    Raises:
        BadInput: so it is.
    """
    if not (0 < K[0, 2] < size[0] and 0 < K[1, 2] < size[1]):
        raise BadInput(
            f"{where}: principal point ({K[0, 2]:g}, {K[1, 2]:g}) is outside the {size[0]}x{size[1]} image",
            "give the intrinsics of the stored images; width and height may be swapped",
        )


def image_size(path: Path, where: str = "") -> Size:
    """(width, height) of an image file as stored, from its header alone.

    Args:
        path: the file.
        where: what names it, in front of the error.

    Raises:
        BadInput: no such file, or it is no image.
    """
    prefix = f"{where}: " if where else ""
    if not path.is_file():
        raise BadInput(f"{prefix}image {path} does not exist", "restore it, or remove its pairs")
    try:
        with Pillow.open(path) as image:
            return image.size
    except (OSError, Pillow.DecompressionBombError):
        raise BadInput(f"{prefix}image {path} does not decode", "replace it, or remove its pairs") from None


def load_image(path: Path) -> Image:
    """Read an image as (H, W, 3) uint8 RGB.

    Raises:
        BadInput: no such file, or it does not decode, all of it.
    """
    if not path.is_file():
        raise BadInput(f"image {path} does not exist", "restore it, or remove its pairs")
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None or cut_short(path):
        raise BadInput(f"image {path} does not decode", "replace it by a readable image, or remove its pairs")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def cut_short(path: Path) -> bool:
    """Whether a JPEG ends before its picture does: OpenCV would make up the rest of it and say nothing."""
    with path.open("rb") as stream:
        if stream.read(3) != b"\xff\xd8\xff":
            return False
    try:
        with Pillow.open(path) as image:
            image.draft("L", (1, 1))  # the smallest scale: the whole stream is read, little is computed
            image.load()
    except (OSError, SyntaxError, Pillow.DecompressionBombError):
        return True
    return False


def save_image(path: Path, image: Image) -> None:
    """Write an (H, W, 3) uint8 RGB image in the format its suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 3]
    if not cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR), fast):
        raise OSError(f"cannot write {path}")


def _finite(values: Matrix, where: str) -> None:
    if not np.isfinite(values).all():
        raise BadInput(f"{where}: NaN or infinity", "remove the pair, or give it a pose")
