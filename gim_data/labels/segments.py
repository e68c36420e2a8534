"""What must not be matched, by what it is: the sky has no place, people and cars do not keep theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.errors import GimError
from gim_data.labels.config import SegmenterConfig
from gim_data.labels.engine import Frames
from gim_data.types import Image, Mask, Size

_LONG_SIDE, _MULTIPLE = 512, 32  # of the picture that a model is shown


class Segmenter(Protocol):
    """A model that says of every place what is seen there.

    Attributes:
        classes: the name of every class, in the order of their numbers; empty where nobody knows.
    """

    classes: Sequence[str]

    def classify(self, image: Image, /) -> NDArray[np.integer[Any]]:
        """(h, w) class numbers of an (H, W, 3) image; h and w are the model's own and span the whole picture."""
        ...


class SegmentedMasks:
    """The ``Masks`` of a video; every frame is classified once, when it is first asked for.

    Args:
        frames: the sampled frames.
        segmenter: the model.
        config: which classes are not matched.

    Raises:
        GimError: the model has no such class.
    """

    def __init__(self, frames: Frames, segmenter: Segmenter, config: SegmenterConfig) -> None:
        self._frames, self._segmenter, self._config = frames, segmenter, config
        self._numbers = class_numbers(config.classes, segmenter.classes)
        self._known: dict[int, tuple[NDArray[np.uint8], tuple[int, ...]]] = {}

    def allowed(self, frame: int, /) -> Mask:
        """(H, W) bool, False on the classes and within ``grow_px`` of them."""
        if frame not in self._known:
            found = np.isin(self._segmenter.classify(self._frames.image(frame)), self._numbers)
            self._known[frame] = np.packbits(found), found.shape
        bits, shape = self._known[frame]
        forbidden = np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape)
        full = cv2.resize(forbidden, self._frames.size, interpolation=cv2.INTER_NEAREST)
        reach = 2 * self._config.grow_px + 1
        return np.asarray(cv2.dilate(full, np.ones((reach, reach), np.uint8)) == 0)

    def share(self) -> float:
        """Of the pictures classified so far, how much must not be matched."""
        shares = [np.unpackbits(bits).sum() / np.prod(shape) for bits, shape in self._known.values()]
        return float(np.mean(shares)) if shares else 0.0


def class_numbers(wanted: Sequence[str], names: Sequence[str]) -> list[int]:
    """The numbers of classes that are given by name (in any case) or by number.

    Raises:
        GimError: there is no such class.
    """
    numbers = {name.strip().lower(): number for number, name in enumerate(names)}
    found = []
    for name in wanted:
        key = name.strip().lower()
        if key not in numbers and not key.isdecimal():
            known = ", ".join(names) or "give their numbers, or list their names in a .txt beside the model"
            raise GimError(f"labels.segmenter.classes: the model has no class {name!r}", f"its classes: {known}")
        found.append(numbers.get(key, int(key) if key.isdecimal() else -1))
    return found


def shown_size(size: Size) -> Size:
    """The size that a picture of ``size`` is shown at where none is asked for: 512 pixels along its longer side."""
    scale = _LONG_SIDE / max(size)
    width, height = (max(_MULTIPLE, round(side * scale / _MULTIPLE) * _MULTIPLE) for side in size)
    return width, height


def shown(image: Image, config: SegmenterConfig) -> NDArray[np.float32]:
    """(1, 3, h, w) float32 what a model is shown of an (H, W, 3) image."""
    size = config.size or shown_size((image.shape[1], image.shape[0]))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    normal = (small - np.asarray(config.mean, np.float32)) / np.asarray(config.std, np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None], np.float32)
