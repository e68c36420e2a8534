"""Run a matcher over the pairs of a map, each image's features once and each pair once, whoever asks again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from gim_data.masks import dropped_outside, permitted
from gim_data.stage import Progress
from gim_data.types import Features, Floats, Image, Mask, Matcher, Matches, SparseMatcher
from gim_models.downstream.mapping.images import MapImage
from gim_models.downstream.mapping.pairing import Pair
from gim_models.downstream.mapping.store import MatchStore
from gim_models.resizing import reduced, rescale

BATCH = 8
"""Pairs handed to a sparse matcher at once; a killed run loses at most these."""
_CACHED = 32


@dataclass(frozen=True)
class ImageMatcher:
    """A matcher, a store and a resolution: matches of images by their place in a list.

    Attributes:
        matcher: any matcher of the registry.
        images: what pairs refer to.
        store: where results are kept.
        max_side: long side that images are reduced to for matching, pixels; 0 leaves them.
    """

    matcher: Matcher
    images: Sequence[MapImage]
    store: MatchStore
    max_side: int

    @cached_property
    def keys(self) -> list[str]:
        """The store's key of every image."""
        return [self.store.image_key(image) for image in self.images]

    @cached_property
    def enlargements(self) -> list[float]:
        """By how much each image file is larger than what was matched."""
        return [max(1.0, max(image.size) / self.max_side) if self.max_side else 1.0 for image in self.images]

    def features(self, row: int) -> Features:
        """Features of an image in pixels of the reduced image, from the store where they are there.

        Raises:
            BadInput: the image does not decode.
            TypeError: the matcher has none.
        """
        found = self.store.features(self.keys[row])
        if found is None:
            if not isinstance(self.matcher, SparseMatcher):
                raise TypeError(f"{self.matcher.name} has no features")
            image, mask = self._reduced(row)
            found = permitted_features(self.matcher.extract(image, mask), mask)
            self.store.put_features(self.keys[row], found)
        return found

    def keypoints(self, row: int) -> Floats:
        """(N, 2) keypoints of a sparse matcher's features, in pixels of the image file."""
        features = self.features(row)
        return rescale(features.keypoints, features.size, self.images[row].size)

    def run(self, pairs: Sequence[Pair], progress: Progress) -> int:
        """Match what is not in the store yet.

        Returns:
            how many pairs were matched.
        """
        todo = [(i, j) for i, j in pairs if not self.store.has_matches(self.keys[i], self.keys[j])]
        progress.start(f"matching by {self.matcher.name}", len(pairs))
        progress.advance(len(pairs) - len(todo))
        for (i, j), matches in self._sparse(todo) if isinstance(self.matcher, SparseMatcher) else self._plain(todo):
            self.store.put_matches(self.keys[i], self.keys[j], matches)
            progress.advance(1, f"{self.images[i].name} {self.images[j].name}: {len(matches)}")
        return len(todo)

    def matches(self, pair: Pair) -> Matches:
        """Matches of a pair in pixels of the image files; made now where a stored file was lost."""
        keys = self.keys[pair[0]], self.keys[pair[1]]
        found = self.store.matches(*keys)
        if found is None:
            found = next(self._sparse([pair]) if isinstance(self.matcher, SparseMatcher) else self._plain([pair]))[1]
            self.store.put_matches(*keys, found)
        return found

    def _sparse(self, pairs: Sequence[Pair]) -> Iterator[tuple[Pair, Matches]]:
        assert isinstance(self.matcher, SparseMatcher)
        features = lru_cache(_CACHED)(self.features)
        for start in range(0, len(pairs), BATCH):
            chunk = pairs[start : start + BATCH]
            found = self.matcher.match_features([(features(i), features(j)) for i, j in chunk])
            yield from zip(chunk, (self._full_size(p, m) for p, m in zip(chunk, found, strict=True)), strict=True)

    def _plain(self, pairs: Sequence[Pair]) -> Iterator[tuple[Pair, Matches]]:
        read = lru_cache(_CACHED)(self._reduced)
        for i, j in pairs:
            (image0, mask0), (image1, mask1) = read(i), read(j)
            found = self.matcher.match(image0, image1, mask0, mask1)
            yield (i, j), self._full_size((i, j), dropped_outside(found, mask0, mask1))

    def _reduced(self, row: int) -> tuple[Image, Mask | None]:
        image = reduced(self.images[row].pixels(), self.max_side)
        mask = self.images[row].allowed()
        if mask is not None and mask.shape != image.shape[:2]:
            size = (image.shape[1], image.shape[0])
            mask = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        return image, mask

    def _full_size(self, pair: Pair, found: Matches) -> Matches:
        size0, size1 = (self.images[row].size for row in pair)
        return Matches(
            rescale(found.keypoints0, found.size0, size0),
            rescale(found.keypoints1, found.size1, size1),
            found.confidence,
            size0,
            size1,
            found.index0,
            found.index1,
        )


def permitted_features(features: Features, mask: Mask | None) -> Features:
    """The features on pixels that the mask allows: not every extractor is exact about its mask."""
    keep = permitted(features.keypoints, mask)
    if keep.all():
        return features
    extra = {name: np.asarray(values)[keep] for name, values in (features.extra or {}).items()}
    return Features(
        features.keypoints[keep], features.descriptors[keep], features.scores[keep], features.size, extra or None
    )
