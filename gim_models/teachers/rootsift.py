"""RootSIFT with mutual nearest neighbours and the ratio test (GIM.md 1.4): the teacher that needs no weights."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.masks import permitted
from gim_data.types import Features, Floats, Image, Mask, Matches

_ROWS = 512  # of the similarities at a time, which then stay in the processor's cache


@dataclass
class RootSift:
    """OpenCV SIFT, RootSIFT descriptors, mutual nearest neighbours and ratio test, as GIM's labeller uses it.

    Attributes:
        pixels_per_keypoint: the cap on keypoints is the image area over this (64 in GIM: 32 400 at 1080p).
        most: an absolute cap beside it.
        contrast: SIFT's contrast threshold.
        ratio: largest distance ratio between the best and the second best neighbour.
    """

    pixels_per_keypoint: int = 64
    most: int = 32_400
    contrast: float = 1e-5
    ratio: float = 0.8
    name: str = "rootsift"

    def extract(self, image: Image, mask: Mask | None = None) -> Features:
        """Detect and describe; keypoints are found on the whole image and dropped outside ``mask`` afterwards.

        Masking the detector's input instead would make corners along the border of the mask.
        """
        height, width = image.shape[:2]
        cap = max(1, min(self.most, height * width // self.pixels_per_keypoint))
        sift = cv2.SIFT.create(nfeatures=cap, contrastThreshold=self.contrast, enable_precise_upscale=True)
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        found, descriptors = sift.detectAndCompute(grey, None)
        keypoints = np.array([k.pt for k in found], np.float32).reshape(-1, 2)
        scores = np.array([k.response for k in found], np.float32)
        described = np.zeros((0, 128), np.float32) if descriptors is None else descriptors
        keep = np.flatnonzero(permitted(keypoints, mask))[:cap]
        return Features(keypoints[keep], root_sift(described[keep]), scores[keep], (width, height))

    def match_features(self, pairs: Sequence[tuple[Features, Features]]) -> list[Matches]:
        """Match many pairs, one matrix product each."""
        return [self._match(a, b) for a, b in pairs]

    def match(self, image0: Image, image1: Image, mask0: Mask | None = None, mask1: Mask | None = None) -> Matches:
        """Match two images."""
        return self._match(self.extract(image0, mask0), self.extract(image1, mask1))

    def _match(self, a: Features, b: Features) -> Matches:
        index0, index1, ratio = mutual_ratio_matches(a.descriptors, b.descriptors, ratio=self.ratio)
        return Matches(
            a.keypoints[index0], b.keypoints[index1], (1 - ratio).astype(np.float32), a.size, b.size, index0, index1
        )


def rootsift(device: str) -> RootSift:
    """The registry's factory; OpenCV runs on the CPU whatever ``device`` says. 8192 keypoints at most."""
    return RootSift(most=8192)


def rootsift_zeb(device: str) -> RootSift:
    """The baseline of ZEB: one keypoint for every 64 pixels however many that makes (GIM.md 4.4).

    ZEB shows it images at native size: ``evaluate.max_side: 0``.
    """
    return RootSift(most=sys.maxsize, name="rootsift-zeb")


def root_sift(descriptors: Floats) -> Floats:
    """(N, 128) SIFT to RootSIFT: L1-normalised, square root; the result has unit length (Arandjelovic, CVPR 2012)."""
    total = np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-12)
    rooted: Floats = np.sqrt(descriptors / total).astype(np.float32)
    return rooted


def mutual_ratio_matches(
    descriptors0: Floats, descriptors1: Floats, *, ratio: float
) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
    """Mutual nearest neighbours that also pass the ratio test, on distances ``sqrt(2 - 2 s)`` of unit vectors.

    Args:
        descriptors0: (N, D) float32 unit vectors.
        descriptors1: (M, D) float32 unit vectors.
        ratio: largest best / second-best distance of image 0's descriptor.

    Returns:
        Rows of 0, rows of 1 and the distance ratio of each match.
    """
    if len(descriptors0) == 0 or len(descriptors1) < 2:
        return np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32)
    best1 = np.zeros(len(descriptors0), np.int64)
    nearest, second = np.empty((2, len(descriptors0)), np.float32)
    top = np.full(len(descriptors1), -np.inf, np.float32)
    for start in range(0, len(descriptors0), _ROWS):
        similarity = descriptors0[start : start + _ROWS] @ descriptors1.T  # (R, M)
        np.maximum(top, similarity.max(axis=0), out=top)
        rows, part = np.arange(len(similarity)), slice(start, start + _ROWS)
        first = similarity.argmax(axis=1)
        nearest[part] = similarity[rows, first]
        similarity[rows, first] = -np.inf
        best1[part], second[part] = first, similarity.max(axis=1)
    ratios = np.sqrt((2 - 2 * nearest).clip(0) / (2 - 2 * second).clip(1e-12))
    # An argmax along the columns would take longer than all else. A row that holds its column's largest number is its
    # best one, and where several do, the first.
    mutual = np.flatnonzero(nearest == top[best1])
    mutual = mutual[np.sort(np.unique(best1[mutual], return_index=True)[1])]
    keep = mutual[ratios[mutual] < ratio]
    return keep.astype(np.int32), best1[keep].astype(np.int32), ratios[keep]
