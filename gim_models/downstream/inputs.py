"""From what a user names, two files, folders or globs, to pairs of images."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gim_data.bench.checks import cut_short
from gim_data.errors import BadInput, GimError
from gim_data.files import from_home
from gim_data.types import Image
from gim_data.video.sources import image_files, natural_order

SMALLEST = 32
"""Pixels on the shorter side below which no matcher finds anything."""


@dataclass(frozen=True)
class ImagePair:
    """Two image files and a name for what is made of them, safe as a file name."""

    name: str
    path0: Path
    path1: Path


def two_inputs(given: Sequence[str]) -> tuple[str, str]:
    """The two inputs of a command that compares two things.

    Raises:
        GimError: there are not two.
    """
    if len(given) == 2:
        return given[0], given[1]
    if len(given) == 1:
        raise GimError(f"only one input is given: {given[0]}", "name two: A and B")
    raise GimError(
        f"{len(given)} inputs are given, two are compared",
        "put a glob in quotes, so that the shell does not expand it: 'day/*.jpg' 'night/*.jpg'",
    )


def pair_images(given0: str, given1: str) -> list[ImagePair]:
    """Pair what two inputs hold, in natural order (2 before 10).

    Args:
        given0, given1: each an image file, a folder of images or a glob.

    Raises:
        GimError: nothing is there, or one side holds more than the other.
    """
    side0, side1 = expand_images(given0), expand_images(given1)
    if len(side0) != len(side1):
        raise GimError(
            f"{given0} holds {len(side0)} image(s), {given1} holds {len(side1)}",
            "the first is matched with the first, the second with the second: give as many on both sides",
        )
    if len(side0) == 1:
        return [ImagePair(f"{side0[0].stem}-{side1[0].stem}", side0[0], side1[0])]
    pairs = enumerate(zip(side0, side1, strict=True))
    return [ImagePair(f"{i:04d}-{a.stem}-{b.stem}", a, b) for i, (a, b) in pairs]


def expand_images(given: str) -> list[Path]:
    """The image files an input names: itself, those directly in the folder, or the glob's matches.

    Raises:
        GimError: there is none.
    """
    path = from_home(given)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = image_files(path)
    else:
        files = [p for p in map(Path, glob.glob(str(path), recursive=True)) if p.is_file()]
        found = sorted(files, key=lambda p: natural_order(str(p)))
    if not found:
        raise GimError(f"no image at {given}", "name an image file, a folder that holds images, or a glob in quotes")
    return found


def read_photo(path: Path) -> Image:
    """An image as a viewer shows it: (H, W, 3) uint8 RGB, turned upright by its EXIF orientation.

    Raises:
        BadInput: it does not decode, all of it, or is too small to match.
    """
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None or cut_short(path):
        raise BadInput(f"image {path} does not decode", "replace it by a readable JPEG, PNG, TIFF or WebP")
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST:
        raise BadInput(f"image {path} is {width}x{height} pixels", f"give images of at least {SMALLEST} pixels a side")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
