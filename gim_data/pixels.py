"""RGB pictures to bytes and back: the one place that knows that OpenCV's channels run the other way."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.types import Image


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
