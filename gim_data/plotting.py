"""Pictures of labels: two frames side by side with their matches. Drawn with OpenCV: no figure, no window."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.files import atomic
from gim_data.pixels import encode_jpeg
from gim_data.types import Floats, Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Colours = NDArray[np.uint8]  # (N, 3) RGB
_QUALITY = 85


def colour_by(values: NDArray[np.generic], *, low: float, high: float) -> Colours:
    """(N, 3) colours from green at ``low`` over yellow to red at ``high``."""
    share = ((values.astype(np.float64) - low) / max(high - low, 1e-9)).clip(0, 1)
    hue = np.round((1 - share) * 60).astype(np.uint8)
    hsv = np.stack([hue, np.full_like(hue, 255), np.full_like(hue, 255)], axis=-1)[None]
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0])


def draw_matches(
    image0: Image,
    image1: Image,
    points0: Floats,
    points1: Floats,
    *,
    colours: Colours | None = None,
    caption: str = "",
    limit: int = 200,
) -> Image:
    """Two frames side by side with lines between their correspondences.

    Args:
        image0, image1: (H, W, 3) RGB.
        points0, points1: (N, 2) pixels.
        colours: (N, 3) RGB, or None for green.
        caption: written into the upper left corner.
        limit: how many correspondences are drawn, evenly taken; a thousand lines show nothing.

    Returns:
        (max(H0, H1), W0 + W1, 3) RGB.
    """
    height = max(image0.shape[0], image1.shape[0])
    canvas = np.zeros((height, image0.shape[1] + image1.shape[1], 3), np.uint8)
    canvas[: image0.shape[0], : image0.shape[1]] = image0
    canvas[: image1.shape[0], image0.shape[1] :] = image1
    painted = colours if colours is not None else np.tile(np.array([[60, 220, 60]], np.uint8), (len(points0), 1))
    shift = np.array([image0.shape[1], 0], np.float32)
    for i in np.unique(np.linspace(0, max(len(points0) - 1, 0), min(limit, len(points0))).astype(int)):
        colour = tuple(int(c) for c in painted[i])
        start, end = (tuple(np.round(p).astype(int).tolist()) for p in (points0[i], points1[i] + shift))
        cv2.line(canvas, start, end, colour, 1, cv2.LINE_AA)
        cv2.circle(canvas, start, 2, colour, -1, cv2.LINE_AA)
        cv2.circle(canvas, end, 2, colour, -1, cv2.LINE_AA)
    return write_caption(canvas, caption)


def write_caption(image: Image, text: str) -> Image:
    """The image with a line of text on a dark band along its top."""
    if text:
        band = image.copy()
        cv2.rectangle(band, (0, 0), (image.shape[1], 18), (0, 0, 0), -1)
        image = cv2.addWeighted(band, 0.65, image, 0.35, 0)
        cv2.putText(image, text, (5, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
    return image


def stack(rows: Sequence[Image], *, width: int = 1280) -> Image:
    """Images below each other, each scaled to ``width`` pixels, with a thin gap."""
    scaled = [
        cv2.resize(row, (width, max(1, round(row.shape[0] * width / row.shape[1]))), interpolation=cv2.INTER_AREA)
        for row in rows
    ]
    gap = np.full((4, width, 3), 255, np.uint8)
    return np.concatenate([part for row in scaled for part in (row, gap)][:-1])


def save_picture(path: Path, image: Image) -> None:
    """Write an RGB image as JPEG, atomically: a gallery as PNG weighs more than the video it shows."""
    with atomic(path) as temporary:
        temporary.write_bytes(encode_jpeg(image, _QUALITY))


def save_figure(path: Path, figure: Figure) -> None:
    """Write a matplotlib figure as PNG, whole or not at all; the same figure gives the same bytes."""
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def data_uri(path: Path, *, width: int, height: int) -> str:
    """A picture file as a ``data:`` address, reduced to fit ``width`` x ``height`` pixels, for pages of many."""
    from PIL import Image as Pillow

    with Pillow.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((width, height))
    stream = BytesIO()
    small.save(stream, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def picture_uri(image: Image, *, width: int) -> str:
    """An (H, W, 3) RGB picture as a ``data:`` address, ``width`` pixels wide."""
    data = encode_jpeg(stack([image], width=width), _QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
