"""Matching pairs of image files: images read ahead, features of an image computed once, batches where that helps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from gim_data.bench.checks import load_image
from gim_data.stage import Progress
from gim_data.types import Image, Matcher, Matches, Size, SparseMatcher
from gim_models.evaluation.prediction_store import Prediction
from gim_models.resizing import reduced, rescale, size_of

Resize = Callable[[Image], Image]
BATCH = 8
"""Pairs handed to a sparse matcher at once."""
_KEPT = 64  # images, and features of images
_READERS = 2  # threads that decode ahead of the matcher


class ImagePair(Protocol):
    """Whatever names two images."""

    @property
    def identifier(self) -> str:
        """Unique name of the pair."""
        ...

    @property
    def image0(self) -> Path:
        """First image file."""
        ...

    @property
    def image1(self) -> Path:
        """Second image file."""
        ...


@dataclass(frozen=True)
class Loaded:
    """An image as it is matched, and the (width, height) of the stored one."""

    image: Image
    stored: Size


class Reader:
    """Images by file, decoded and resized in threads ahead of their use, the latest ones kept.

    Args:
        resize: the image that is matched, from the stored one.
        pool: that decodes.
        kept: most images in memory.
    """

    def __init__(self, resize: Resize, pool: ThreadPoolExecutor, *, kept: int = _KEPT) -> None:
        self._resize, self._pool, self._kept = resize, pool, kept
        self._images: OrderedDict[Path, Future[Loaded]] = OrderedDict()

    def ahead(self, pairs: Sequence[ImagePair]) -> None:
        """Begin to read the images of pairs that come soon."""
        for pair in pairs:
            self._ask(pair.image0)
            self._ask(pair.image1)

    def __call__(self, path: Path) -> Loaded:
        """The image, as soon as it is there.

        Raises:
            BadInput: it is missing or does not decode.
        """
        return self._ask(path).result()

    def _ask(self, path: Path) -> Future[Loaded]:
        found = self._images.get(path) or self._pool.submit(self._read, path)
        self._images[path] = found
        self._images.move_to_end(path)
        while len(self._images) > self._kept:
            self._images.popitem(last=False)
        return found

    def _read(self, path: Path) -> Loaded:
        image = load_image(path)
        return Loaded(self._resize(image), size_of(image))


def predict(
    matcher: Matcher, pairs: Sequence[ImagePair], *, max_side: int, progress: Progress, note: str = ""
) -> Iterator[list[Prediction]]:
    """Match pairs on images whose long side is at most ``max_side`` (0: any); otherwise as ``predict_batches``."""
    return predict_batches(matcher, pairs, lambda image: reduced(image, max_side), progress=progress, note=note)


def predict_with(
    matcher: Matcher, pairs: Sequence[ImagePair], resize: Resize, *, progress: Progress, note: str = ""
) -> Iterator[Prediction]:
    """As ``predict_batches``, pair by pair."""
    for batch in predict_batches(matcher, pairs, resize, progress=progress, note=note):
        yield from batch


def predict_batches(
    matcher: Matcher, pairs: Sequence[ImagePair], resize: Resize, *, progress: Progress, note: str = ""
) -> Iterator[list[Prediction]]:
    """Match pairs, features of an image once where the matcher is sparse.

    Args:
        matcher: any matcher.
        pairs: what to match.
        resize: the image that is matched, from the stored one.
        progress: advanced by one per pair.
        note: text behind the bar.

    Yields:
        The predictions of one call of the matcher (``batch_size`` pairs, the last one fewer), in order, in pixels of
        the stored images.
    """
    step = batch_size(matcher)
    with ThreadPoolExecutor(_READERS) as pool:
        read = Reader(resize, pool)
        match = _sparse(matcher, read) if isinstance(matcher, SparseMatcher) else _plain(matcher, read)
        for start in range(0, len(pairs), step):
            read.ahead(pairs[start : start + 2 * step])
            batch = pairs[start : start + step]
            yield [_stored(pair, found, read) for pair, found in zip(batch, match(batch), strict=True)]
            progress.advance(len(batch), note)


def batch_size(matcher: Matcher) -> int:
    """How many pairs a matcher is given at once: where it goes on after an interruption."""
    return BATCH if isinstance(matcher, SparseMatcher) else 1


def _plain(matcher: Matcher, read: Reader) -> Callable[[Sequence[ImagePair]], list[Matches]]:
    return lambda batch: [matcher.match(read(pair.image0).image, read(pair.image1).image) for pair in batch]


def _sparse(matcher: SparseMatcher, read: Reader) -> Callable[[Sequence[ImagePair]], list[Matches]]:
    features = lru_cache(maxsize=_KEPT)(lambda path: matcher.extract(read(path).image))
    return lambda batch: matcher.match_features([(features(p.image0), features(p.image1)) for p in batch])


def _stored(pair: ImagePair, found: Matches, read: Reader) -> Prediction:
    """The matches of a pair in pixels of its files."""
    points0, points1 = (
        rescale(points, size_of(image.image), image.stored)
        for points, image in zip(
            (found.keypoints0, found.keypoints1), (read(pair.image0), read(pair.image1)), strict=True
        )
    )
    return Prediction(pair.identifier, points0, points1, found.confidence)
