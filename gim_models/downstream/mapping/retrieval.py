"""One vector per image, from local features: VLAD on a vocabulary learned from the images themselves.

Jegou et al., "Aggregating local descriptors into a compact image representation", CVPR 2010, with the normalisation
inside each word of Arandjelovic and Zisserman, "All about VLAD", CVPR 2013. No weights, no download.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from gim_data.types import Floats

WORDS = 32
"""Visual words; a descriptor of 128 numbers gives vectors of 4096."""
SAMPLE = 20_000
"""Descriptors that the vocabulary is learned from, evenly over the images."""
_ROUNDS = 15


@dataclass(frozen=True)
class Vocabulary:
    """(W, D) float32 centres of visual words."""

    words: Floats

    def describe(self, descriptors: Floats) -> Floats:
        """The (W * D,) unit vector of an image from its (N, D) descriptors; zeros where it has none."""
        vlad = np.zeros_like(self.words)
        if len(descriptors):
            word = _closest(descriptors, self.words)
            np.add.at(vlad, word, descriptors - self.words[word])
        norms = np.linalg.norm(vlad, axis=1, keepdims=True)
        vlad /= np.maximum(norms, 1e-12)
        flat: Floats = (vlad / max(float(np.linalg.norm(vlad)), 1e-12)).ravel().astype(np.float32)
        return flat


def learn_vocabulary(descriptors: Iterable[Floats], images: int, *, words: int = WORDS, seed: int = 0) -> Vocabulary:
    """Learn a vocabulary by k-means on a sample, the only part of the descriptors that is kept.

    Args:
        descriptors: (N_i, D) of each image; one is asked for at a time.
        images: how many there are.
        words: how many; fewer where there are fewer descriptors.
        seed: of the sample and of k-means.
    """
    generator = np.random.default_rng(seed)
    share = max(1, SAMPLE // max(1, images))
    drawn = [d[generator.permutation(len(d))[:share]] for d in descriptors]
    if not any(map(len, drawn)):
        return Vocabulary(np.zeros((1, drawn[0].shape[1] if drawn else 1), np.float32))
    sample = np.concatenate(drawn).astype(np.float64)
    count = min(words, len(np.unique(sample, axis=0)))
    centres, _ = kmeans2(sample, count, iter=_ROUNDS, minit="++", rng=generator, missing="warn")
    return Vocabulary(centres.astype(np.float32))


def _closest(points: Floats, centres: Floats) -> NDArray[np.int64]:
    """The nearest centre of each point."""
    return np.asarray(np.argmin((centres**2).sum(1) - 2 * points @ centres.T, axis=1))
