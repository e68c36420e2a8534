"""Some frames of a video with what is not matched in them: red is what the segmenter forbids, blue what moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gim_data.labels.engine import Frames
from gim_data.labels.movers import Movers
from gim_data.masks import Masks
from gim_data.plotting import stack, write_caption
from gim_data.types import Image

_MOST = 6
_RED, _BLUE = (235, 60, 50), (50, 90, 240)


def mask_gallery(frames: Frames, masks: Masks, movers: Movers) -> Image | None:
    """Frames evenly chosen from all, two beside each other; None where nothing is masked anywhere.

    Args:
        frames: the sampled frames.
        masks: of the segmenter.
        movers: of all teachers; where there are any, frames with some are chosen.
    """
    among = sorted(movers.cells) or list(range(len(frames)))
    chosen = [among[i] for i in sorted(set(np.linspace(0, len(among) - 1, _MOST).astype(int).tolist()))]
    if not movers.cells and all(masks.allowed(frame) is None for frame in chosen):
        return None
    shown = [_tinted(frames, frame, masks, movers) for frame in chosen]
    shown += [np.full_like(shown[0], 255)] * (len(shown) % 2)
    return stack([np.concatenate(pair, axis=1) for pair in zip(shown[::2], shown[1::2], strict=True)])


def _tinted(frames: Frames, frame: int, masks: Masks, movers: Movers) -> Image:
    image, allowed = frames.image(frame).copy(), masks.allowed(frame)
    if allowed is not None:
        _tint(image, ~allowed, _RED)
    y, x = np.indices(image.shape[:2])
    _tint(image, movers.on(frame, np.stack([x, y], -1).reshape(-1, 2).astype(np.float32)).reshape(y.shape), _BLUE)
    return write_caption(image, f"frame {frame}: red is masked, blue moves")


def _tint(image: Image, where: NDArray[np.bool_], colour: tuple[int, int, int]) -> None:
    """Mix a colour into the pixels of (H, W, 3) at ``where``, (H, W) bool."""
    image[where] = (image[where].astype(np.uint16) + np.array(colour, np.uint16)) // 2
