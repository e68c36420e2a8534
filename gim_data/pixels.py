"""RGB pictures to bytes and back (OpenCV's channels run the other way), and depth maps."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.errors import BadInput
from gim_data.types import Floats, Image


def encode_jpeg(image: Image, quality: int) -> bytes:
    """An (H, W, 3) RGB picture as JPEG.

    Args:
        image: at most 65,535 pixels a side.
        quality: 1 to 100.

    Raises:
        ValueError: JPEG cannot hold a picture of this shape.
    """
    try:
        done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error:
        done = False
    if not done:
        raise ValueError(f"JPEG cannot hold an image of shape {image.shape}")
    return bytes(data)


def decode(data: bytes | NDArray[np.uint8]) -> Image | None:
    """The (H, W, 3) RGB picture in the bytes of an image file; None where they are damaged."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if len(data) else None
    return None if image is None else np.asarray(image, np.uint8)


def read_depth(path: Path) -> Floats:
    """The (H, W) depth in metres of a 16-bit grey PNG of millimetres, as RGB-D data sets keep it; 0 where unknown.

    Raises:
        BadInput: there is no such picture.
    """
    codes = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if codes is None or codes.dtype != np.uint16 or codes.ndim != 2:
        found = "no picture that decodes" if codes is None else f"{codes.dtype} with {codes.ndim} dimensions"
        raise BadInput(
            f"depth map {path}: {found}, not 16-bit grey", "write depth in millimetres as 16-bit PNG, 0 where unknown"
        )
    metres: Floats = (codes / 1000).astype(np.float32)
    return metres
