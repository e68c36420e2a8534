"""Images are described without all their features in memory, and as they would be with all of them there."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.cluster.vq import kmeans2

from gim_data.stage import Silent
from gim_data.types import Features
from gim_models.downstream.mapping.images import MapImage
from gim_models.downstream.mapping.reconstruct import MapOptions, describe_images, open_engine
from gim_models.downstream.mapping.retrieval import SAMPLE, WORDS, Vocabulary

IMAGES, LEARNED, NUMBERS = 40, 30, 16
SIZE = (64, 48)


class Many:
    """A sparse matcher whose features are random: as many of one image as it is told, of the next one more..."""

    name = "many"

    def __init__(self, count):
        self.count, self.extracted = count, 0

    def extract(self, image, mask=None):
        row = int(image[0, 0, 0])
        descriptors = np.random.default_rng(row).normal(size=(self.count + row, NUMBERS)).astype(np.float32)
        self.extracted += 1
        nowhere = np.zeros((len(descriptors), 2), np.float32)
        return Features(nowhere, descriptors, np.ones(len(descriptors), np.float32), SIZE)

    def match_features(self, pairs):
        raise NotImplementedError

    def match(self, image0, image1, mask0=None, mask1=None):
        raise NotImplementedError


@pytest.fixture
def images(tmp_path):
    from gim_data.bench.checks import save_image

    found = []
    for row in range(IMAGES):
        path = tmp_path / f"{row:02d}.png"
        save_image(path, np.full((*SIZE[::-1], 3), row, np.uint8))
        found.append(MapImage(path.name, path, SIZE))
    return found


def in_memory(matcher, images):
    """The reference twin: every descriptor at once."""
    found = [matcher.extract(image.pixels()).descriptors for image in images]
    generator = np.random.default_rng(7)
    parts = [d[generator.permutation(len(d))[: SAMPLE // LEARNED]] for d in found[:LEARNED]]
    sample = np.concatenate(parts).astype(np.float64)
    centres, _ = kmeans2(sample, WORDS, iter=15, minit="++", rng=generator, missing="warn")
    return np.stack([Vocabulary(centres.astype(np.float32)).describe(d) for d in found])


def test_the_same_vectors_as_with_everything_in_memory(images, tmp_path):
    """Exactly; every image is extracted once."""
    matcher = Many(50)
    engine = open_engine(matcher, images, tmp_path / "work", MapOptions("many"))
    vectors = describe_images(engine, Silent(), learn_from=LEARNED, seed=7)
    assert matcher.extracted == IMAGES
    assert np.array_equal(vectors, in_memory(Many(50), images))


def test_memory_does_not_grow_with_the_images(images, tmp_path):
    """40 images of 1.3 MB of descriptors each: never more than a few of them, the sample and its copies."""
    engine = open_engine(Many(20_000), images, tmp_path / "work", MapOptions("many"))
    for row in range(IMAGES):
        engine.features(row)
    tracemalloc.start()
    describe_images(engine, Silent(), learn_from=LEARNED, seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    everything = 4 * NUMBERS * 20_000 * IMAGES
    assert peak < everything / 2
