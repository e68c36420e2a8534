"""What a posed pair must satisfy before anything is scored on it; each error names file, line or pair, and field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from gim_data.errors import BadInput
from gim_data.types import Image, Size

Matrix = NDArray[np.float64]
_ROTATION_TOLERANCE = 1e-3  # published poses are printed with 5 to 6 digits
_SKEW = 1e-4  # of the focal length: moves no point of a 1000-pixel image by a tenth of a pixel
_OFF_CENTRE = 0.05  # of the long side: real principal points lie nearer to the centre, mostly within 0.02
_CLEARLY = 3.0  # times nearer to the centre of the image on its side
_REPLACE = "replace it by a readable image, or remove its pairs"


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


def check_no_skew(K: Matrix, where: str) -> Matrix:
    """K again, without skew, which no protocol takes into account; ZEB's own files may have it (GIM.md 4.5 step 1).

    Raises:
        BadInput: it has.
    """
    skew = max(K[0, 1], K[1, 0], key=abs)
    if abs(skew) > _SKEW * K[0, 0]:
        raise BadInput(f"{where}: the skew {skew:g} would be ignored", "undo it in the images and write 0")
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


def check_scene(name: str, where: str) -> str:
    """A scene name that can begin a file name.

    Raises:
        BadInput: it is empty, or holds a separator of folders or of the parts of a pair's name.
    """
    if "/" in check_name(name, where) or "\\" in name:
        raise BadInput(f"{where}: {name!r} holds a slash, but names files of one folder", "write '-' instead")
    return name


def check_principal(K: Matrix, size: Size, where: str) -> None:
    """Refuse a principal point of another image: width and height were swapped, or K is of another resolution.

    Swapped are those that are inside, but off the centre by more than 5 % of the long side and at least three times
    nearer to the centre of the image on its side; that says nothing of images that are almost square.

    Raises:
        BadInput: so it is.
    """
    width, height = size
    if not (0 < K[0, 2] < width and 0 < K[1, 2] < height):
        raise BadInput(
            f"{where}: principal point ({K[0, 2]:g}, {K[1, 2]:g}) is outside the {width}x{height} image",
            "give the intrinsics of the stored images; width and height may be swapped",
        )
    off, turned = (float(np.hypot(K[0, 2] - w / 2, K[1, 2] - h / 2)) for w, h in (size, (height, width)))
    if off > _OFF_CENTRE * max(size) and off > _CLEARLY * turned:
        raise BadInput(
            f"{where}: principal point ({K[0, 2]:g}, {K[1, 2]:g}) is the centre of a {height}x{width} image, but the "
            f"image is {width}x{height}",
            "swap the principal point's coordinates, or turn the image; readers ignore the orientation in EXIF",
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
        raise BadInput(f"{prefix}image {path} does not decode", _REPLACE) from None


def check_decodable(images: Mapping[Path, str]) -> None:
    """Refuse the first image that is cut short or damaged, read as cheaply as its format allows.

    Args:
        images: file -> what names it (file, line and field), in the order in which they are named.

    Raises:
        BadInput: it is, so named.
    """
    for problem in damages(images):
        raise BadInput(problem, _REPLACE)


def damages(images: Mapping[Path, str]) -> Iterator[str]:
    """A text for every image that is cut short or damaged; ``images`` as for ``check_decodable``."""
    with ThreadPoolExecutor() as pool:
        for (path, where), damage in zip(images.items(), pool.map(image_damage, images), strict=True):
            if damage:
                yield f"{where}: image {path} does not decode: {damage}"


def image_damage(path: Path) -> str:
    """What keeps an image from being read to its end, or "".

    A PNG tells by the check sums of its chunks, and a JPEG by its whole stream at an eighth of the scale.
    """
    try:
        with Pillow.open(path) as image:
            if image.format == "PNG":
                image.verify()
            else:
                image.draft("L", (1, 1))  # the smallest scale: the whole stream is read, little is computed
                image.load()
    except (OSError, SyntaxError, Pillow.DecompressionBombError) as error:
        return str(error) or type(error).__name__
    return ""


def load_image(path: Path) -> Image:
    """Read an image as (H, W, 3) uint8 RGB.

    Raises:
        BadInput: no such file, or it does not decode, all of it.
    """
    if not path.is_file():
        raise BadInput(f"image {path} does not exist", "restore it, or remove its pairs")
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None or cut_short(path):
        raise BadInput(f"image {path} does not decode", _REPLACE)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def cut_short(path: Path) -> bool:
    """Whether a JPEG ends before its picture does: OpenCV would make up the rest of it and say nothing."""
    with path.open("rb") as stream:
        if stream.read(3) != b"\xff\xd8\xff":
            return False
    return bool(image_damage(path))


def save_image(path: Path, image: Image) -> None:
    """Write an (H, W, 3) uint8 RGB image in the format its suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 3]
    if not cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR), fast):
        raise OSError(f"cannot write {path}")


def _finite(values: Matrix, where: str) -> None:
    if not np.isfinite(values).all():
        raise BadInput(f"{where}: NaN or infinity", "remove the pair, or give it a pose")
