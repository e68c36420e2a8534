"""The words shared by every package: features, matches, posed pairs and pair labels.

Conventions
-----------
* Images are ``(H, W, 3)`` uint8 RGB arrays. Image indices are ``0`` and ``1``.
* Keypoints are ``(N, 2)`` float32, x then y, in pixels of the image that was passed in (the stored frame, the
  benchmark image). **The centre of the top-left pixel is (0, 0)**, as in OpenCV; so a resize by ``s`` maps
  ``x -> (x + 0.5) * s - 0.5``.
  COLMAP's (0.5, 0.5) is converted at that library's border only.
* Cameras follow OpenCV: x right, y down, z forward. ``T_0to1`` (4, 4) maps camera-0 to camera-1 coordinates,
  ``T_w2c`` world to camera, ``H_0to1`` (3, 3) pixels to pixels, ``K0`` (3, 3) intrinsics.
* Sizes are ``(width, height)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Mask = NDArray[np.bool_]  # (H, W), True where matching is allowed
Floats = NDArray[np.float32]
Size = tuple[int, int]  # (width, height)


@dataclass(frozen=True)
class Features:
    """Sparse local features of one image.

    Attributes:
        keypoints: (N, 2) float32 pixels.
        descriptors: (N, D) float32.
        scores: (N,) float32, higher is better.
        size: (width, height) of the image.
        extra: whatever else the matcher that made them needs (scales, orientations), each (N, ...).
    """

    keypoints: Floats
    descriptors: Floats
    scores: Floats
    size: Size
    extra: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.keypoints)


@dataclass(frozen=True)
class Matches:
    """Correspondences between two images.

    Attributes:
        keypoints0, keypoints1: (N, 2) float32 pixels; row i of one corresponds to row i of the other.
        confidence: (N,) float32 in [0, 1].
        size0, size1: (width, height) of the images.
        index0, index1: (N,) int32 rows of the ``Features`` they came from, where the matcher is sparse; else None.
    """

    keypoints0: Floats
    keypoints1: Floats
    confidence: Floats
    size0: Size
    size1: Size
    index0: NDArray[np.int32] | None = None
    index1: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.keypoints0)

    def select(self, keep: NDArray[Any]) -> Matches:
        """The matches at ``keep``, a boolean (N,) mask or an integer index array."""
        return Matches(
            self.keypoints0[keep],
            self.keypoints1[keep],
            self.confidence[keep],
            self.size0,
            self.size1,
            None if self.index0 is None else self.index0[keep],
            None if self.index1 is None else self.index1[keep],
        )


@runtime_checkable
class Matcher(Protocol):
    """What a matcher is, wherever it came from: teacher, student, official checkpoint or another package's model."""

    name: str

    def match(self, image0: Image, image1: Image, mask0: Mask | None = None, mask1: Mask | None = None) -> Matches:
        """Match two images; keypoints come back in pixels of the images passed in."""
        ...


@runtime_checkable
class SparseMatcher(Matcher, Protocol):
    """A matcher that splits in two, so that features are computed once per frame and not once per pair."""

    def extract(self, image: Image, mask: Mask | None = None) -> Features:
        """Detect and describe keypoints where ``mask`` allows."""
        ...

    def match_features(self, pairs: Sequence[tuple[Features, Features]]) -> list[Matches]:
        """Match many pairs; batching is the matcher's business. ``index0``/``index1`` of the results are set."""
        ...


@dataclass(frozen=True)
class TwoViewPair:
    """Two images with known cameras.

    Attributes:
        identifier: unique name of the pair, ``scene#name0#name1``.
        image0, image1: files.
        K0, K1: (3, 3) float64 intrinsics.
        T_0to1: (4, 4) float64.
        overlap: covisible fraction in [0, 1], or NaN where unknown.
    """

    identifier: str
    image0: Path
    image1: Path
    K0: NDArray[np.float64]
    K1: NDArray[np.float64]
    T_0to1: NDArray[np.float64]
    overlap: float


@dataclass(frozen=True)
class PairLabel:
    """Correspondences between two frames of one video, direct or propagated: what students learn from.

    Attributes:
        frame0, frame1: indices into the video's frame store, ``frame0 < frame1``.
        points0, points1: (N, 2) float32 pixels of the stored frames.
        confidence: (N,) float32 in [0, 1].
        hops: (N,) uint8, how many links the correspondence went through; 0 for a direct match.
        votes: (N,) uint8, how many teachers support it.
        overlap: share of frame0's covered cells that are seen in frame1, in [0, 1].
    """

    frame0: int
    frame1: int
    points0: Floats
    points1: Floats
    confidence: Floats
    hops: NDArray[np.uint8]
    votes: NDArray[np.uint8]
    overlap: float

    def __len__(self) -> int:
        return len(self.points0)
