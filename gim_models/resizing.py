"""Images reduced for matching, and their keypoints brought back."""

from __future__ import annotations

import cv2
import numpy as np

from gim_data.types import Floats, Image, Size


def reduced(image: Image, max_side: int) -> Image:
    """The image with its longer side at most ``max_side`` pixels (0: any), no side below one."""
    height, width = image.shape[:2]
    scale = max_side / max(height, width)
    if not max_side or scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def rescale(points: Floats, size: Size, target: Size) -> Floats:
    """(N, 2) pixels of an image of one (width, height) as pixels of the same image at another."""
    if size == target:
        return points
    scale = np.asarray(target, np.float64) / np.asarray(size, np.float64)
    return np.asarray((points + 0.5) * scale - 0.5, np.float32)


def size_of(image: Image) -> Size:
    """(width, height)."""
    return image.shape[1], image.shape[0]
