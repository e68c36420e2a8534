"""Did a benchmark image get into the training data? Perceptual hashes that survive re-encoding and resizing.

A hash holds the signs of the low frequencies of a small grey picture. Re-encoding, resizing and a change of brightness
flip a few of its 256 bits; in another picture about half are others. It finds the same frame and neighbours that hardly
differ; it does not find another view of the same place, nor a cropped or mirrored copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.types import Image

Hashes = NDArray[np.uint64]  # (N, WORDS)
SIDE = 16
"""Frequencies per direction."""
BITS = SIDE * SIDE
WORDS = BITS // 64
HASHING = 1
"""Version of ``perceptual_hash``: hashes of another one are not comparable."""
NEAR = 40
"""Bits that may differ between two encodings of one picture."""
_THUMBNAIL = 64
_FLAT = 2.0  # standard deviation of grey values below which a picture says nothing
_BLOCK = 1 << 22  # comparisons held at once


@dataclass(frozen=True)
class Twin:
    """A training frame that looks like a benchmark image.

    Attributes:
        training, benchmark: rows of the two sets of hashes.
        bits: how many of 256 differ.
    """

    training: int
    benchmark: int
    bits: int


def perceptual_hash(image: Image) -> Hashes | None:
    """The hash of an (H, W, 3) RGB image, (WORDS,) uint64; None where the picture is almost one colour.

    Of the two-dimensional cosine transform of a 64 x 64 grey thumbnail, the 16 x 16 lowest frequencies without the mean
    are compared with their median: a zero is as far from a sign change as brightness and contrast leave it.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.std() < _FLAT:
        return None
    low = cv2.dct(small)[:SIDE, : SIDE + 1].ravel()[1 : BITS + 1]  # from 1: the mean says brightness only
    bits = low > np.median(low)
    return np.packbits(bits).view(np.uint64)


def stack_hashes(hashes: Sequence[Hashes | None]) -> tuple[Hashes, NDArray[np.int64]]:
    """The hashes that there are, (N, WORDS), and of which picture each one is, (N,)."""
    known = [i for i, found in enumerate(hashes) if found is not None]
    rows = [found for found in hashes if found is not None]
    return np.array(rows, dtype=np.uint64).reshape(-1, WORDS), np.array(known, dtype=np.int64)


def find_twins(training: Hashes, benchmark: Hashes, *, near: int = NEAR) -> list[Twin]:
    """For each benchmark image the closest training frame, where it is near.

    Args:
        training: (T, WORDS).
        benchmark: (B, WORDS).
        near: most bits that may differ.

    Returns:
        In the order of the benchmark images. Exact, by comparing all with all, in blocks of bounded memory.
    """
    if not len(training):
        return []
    step = max(1, _BLOCK // len(training))
    twins = []
    for start in range(0, len(benchmark), step):
        bits = distances(benchmark[start : start + step], training)
        closest = bits.argmin(axis=1)
        for row, column in enumerate(closest.tolist()):
            if bits[row, column] <= near:
                twins.append(Twin(column, start + row, int(bits[row, column])))
    return twins


def distances(first: Hashes, second: Hashes) -> NDArray[np.int64]:
    """(N, M) numbers of differing bits."""
    total = np.zeros((len(first), len(second)), np.int64)
    for word in range(WORDS):
        total += np.bitwise_count(first[:, word, None] ^ second[None, :, word])
    return total
