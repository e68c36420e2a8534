"""Matching with images read ahead is matching: the same results in the same order, each image read once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from two_view import make_scene

from gim_data.bench.checks import load_image
from gim_data.bench.frozen import read_frozen
from gim_data.errors import BadInput
from gim_data.stage import Silent
from gim_data.types import Features, Image, Matches
from gim_models.evaluation.predict import BATCH, Reader, predict, predict_with
from gim_models.evaluation.predictions import long_side
from gim_models.resizing import reduced

SIZE = (120, 60)


@dataclass(frozen=True)
class NamedPair:
    identifier: str
    image0: Path
    image1: Path


class Corner:
    """Matches the brightest pixel of either image, in pixels of what it is given."""

    name = "corner"

    def match(self, image0: Image, image1: Image, mask0: None = None, mask1: None = None) -> Matches:
        points = [
            np.array([np.unravel_index(i[..., 0].argmax(), i.shape[:2])[::-1]], np.float32) for i in (image0, image1)
        ]
        sizes = [(i.shape[1], i.shape[0]) for i in (image0, image1)]
        return Matches(points[0], points[1], np.ones(1, np.float32), sizes[0], sizes[1])


class SparseCorner(Corner):
    """The same in two steps; remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.seen = 0

    def extract(self, image: Image, mask: None = None) -> Features:
        self.seen += 1
        point = self.match(image, image).keypoints0
        return Features(point, np.zeros((1, 1), np.float32), np.ones(1, np.float32), (image.shape[1], image.shape[0]))

    def match_features(self, pairs: Sequence[tuple[Features, Features]]) -> list[Matches]:
        self.batches.append(len(pairs))
        return [Matches(a.keypoints, b.keypoints, a.scores, a.size, b.size) for a, b in pairs]


@pytest.fixture
def pairs(tmp_path: Path) -> list[NamedPair]:
    """Every two of seven images, each with a bright block at a place of its own."""
    rng = np.random.default_rng(0)
    files = []
    for i in range(7):
        image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        x, y = (int(rng.integers(0, side // 4) * 4) for side in SIZE)
        image[y : y + 4, x : x + 4] = 255
        files.append(tmp_path / f"{i}.png")
        cv2.imwrite(str(files[-1]), image)
    return [NamedPair(f"{a.stem}#{b.stem}", a, b) for a in files for b in files if a < b]


@pytest.mark.parametrize("max_side", [0, 60])
def test_what_comes_out_is_what_a_plain_loop_finds(pairs: list[NamedPair], max_side: int):
    sparse = SparseCorner()
    found = [
        [p for batch in predict(matcher, pairs, max_side=max_side, progress=Silent()) for p in batch]
        for matcher in (Corner(), sparse)
    ]
    scale = SIZE[0] / max_side if max_side else 1
    for predictions in found:
        assert [p.identifier for p in predictions] == [pair.identifier for pair in pairs]
        for prediction, pair in zip(predictions, pairs, strict=True):
            small = [reduced(load_image(path), max_side) for path in (pair.image0, pair.image1)]
            expected = Corner().match(*small)
            np.testing.assert_allclose(prediction.keypoints0, (expected.keypoints0 + 0.5) * scale - 0.5)
            np.testing.assert_allclose(prediction.keypoints1, (expected.keypoints1 + 0.5) * scale - 0.5)
    assert sparse.batches == [BATCH, BATCH, 5]
    assert sparse.seen == 7


def test_each_image_is_decoded_once_and_few_are_kept(pairs: list[NamedPair]):
    decoded: list[int] = []

    def resize(image: Image) -> Image:
        decoded.append(int(image[..., 0].argmax()))
        return image

    list(predict_with(SparseCorner(), pairs, resize, progress=Silent()))
    assert len(decoded) == 7
    with ThreadPoolExecutor(1) as pool:
        read = Reader(resize, pool, kept=3)
        read.ahead(pairs)
        assert len(read._images) == 3
        assert read(pairs[0].image0).stored == SIZE


def test_an_image_that_cannot_be_read_ends_in_its_name(pairs: list[NamedPair]):
    pairs[-1].image1.write_bytes(b"no image")
    with pytest.raises(BadInput, match=r"6\.png does not decode"):
        list(predict_with(Corner(), pairs, lambda image: image, progress=Silent()))


@pytest.mark.parametrize(
    ("sequence", "max_side", "expected"),
    [
        ("kitti", 0, 1240),
        ("eth3di", 0, 1600),
        ("eth3di", 2000, 1600),
        ("eth3di", 1024, 1024),  # the user's smaller side holds
        ("gl3d", 0, 0),
        ("gl3d", 2000, 2000),
        ("office", 0, 0),
    ],
)
def test_zeb_is_matched_at_the_sizes_of_the_published_numbers(sequence: str, max_side: int, expected: int):
    scene = make_scene()
    listed = read_frozen().get(sequence, {"office#0#1": 0.5})
    pairs = [replace(scene.pair, identifier=name) for name in list(listed)[:3]]
    assert long_side(sequence, pairs, max_side) == expected
    assert long_side(sequence, [*pairs, scene.pair], max_side) == max_side  # a mirror has the name, not the pairs
