"""Pictures for COLMAP's own features: it reads few formats, and its pair lists hold no name with a blank."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gim_data.bench.checks import save_image
from gim_data.stage import Progress
from gim_data.types import Image
from gim_models.downstream.mapping.images import MapImage


@dataclass(frozen=True)
class Copies:
    """PNG copies of images, so that COLMAP sees the pixels that a matcher would see.

    Attributes:
        images: their folder.
        masks: folder of ``<name of the copy>.png``, black where nothing is to be found, white for an image without a
            mask, since COLMAP leaves an image out whose mask is not there; None where no image has one.
        names: of the copies, in the order of the images.
    """

    images: Path
    masks: Path | None
    names: list[str]


def write_copies(images: Sequence[MapImage], folder: Path, progress: Progress) -> Copies:
    """Copy images and masks below a folder of their own; what an earlier call left there is taken away.

    Args:
        images: to copy.
        folder: for ``images/`` and ``masks/``.
        progress: where to report.

    Raises:
        BadInput: an image does not decode, or a mask is of another size than its image.
    """
    shutil.rmtree(folder, ignore_errors=True)
    masks = folder / "masks" if any(image.mask for image in images) else None
    copies = Copies(folder / "images", masks, [f"{row:05d}.png" for row in range(len(images))])
    progress.start("copies for COLMAP", len(images))
    for name, image in zip(copies.names, images, strict=True):
        save_image(copies.images / name, image.pixels())
        if masks is not None:
            save_image(masks / f"{name}.png", _mask(image))
        progress.advance(1, image.name)
    return copies


def _mask(image: MapImage) -> Image:
    """(H, W, 3) black and white."""
    allowed = image.allowed()
    white: Image = np.full((*image.size[::-1], 3), 255, np.uint8)
    return white if allowed is None else white * allowed[..., None]
