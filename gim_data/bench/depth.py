"""Depth maps of posed images, for overlaps that know what hides what."""

from __future__ import annotations

import cv2
import numpy as np

from gim_data.bench.checks import image_size
from gim_data.bench.posed import Camera
from gim_data.errors import BadInput
from gim_data.synthetic.truth import Frame
from gim_data.types import Floats

TOLERANCE = 0.05
"""Relative difference of two measured depths up to which they are of one surface: sensors are no better."""


def depth_view(camera: Camera) -> Frame:
    """Depth and camera of an image.

    Raises:
        BadInput: it has no depth map, or one that is not as large as the image or no 16-bit grey picture.
    """
    if camera.depth is None:
        raise BadInput(f"image {camera.image} has no depth map", "add it, or leave the image out")
    width, height = image_size(camera.image)
    codes = cv2.imread(str(camera.depth), cv2.IMREAD_UNCHANGED)
    if codes is None or codes.dtype != np.uint16 or codes.shape != (height, width):
        found = "no picture" if codes is None else f"{codes.dtype} of shape {codes.shape}"
        raise BadInput(
            f"{camera.depth}: {found}, not 16-bit grey of {width}x{height} pixels",
            "write depth in millimetres as a 16-bit PNG of the image's size, 0 where it is unknown",
        )
    metres: Floats = (codes / 1000).astype(np.float32)
    return Frame(metres, camera.K, camera.T_w2c)
