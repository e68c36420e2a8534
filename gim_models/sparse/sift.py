"""SIFT, frozen: the detector of a sparse student that starts where RootSIFT is, on any machine and without weights.

RootSIFT descriptors are all positive, so any two are alike by a good part whatever they show; they are centred here,
which spreads their cosines. Size and orientation, which say how two images are scaled and turned against each other,
follow the descriptor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gim_data.masks import permitted
from gim_data.types import Floats
from gim_models.sparse.xfeat import Keypoints
from gim_models.teachers.rootsift import root_sift

APPEARANCE_DIM = 128
DESCRIPTOR_DIM = APPEARANCE_DIM + 3
_CONTRAST = 1e-5
_USUAL_SIZE = 4.0  # pixels; brings the logarithms of most sizes near zero
_NOWHERE = -1e4  # where the keypoints are that an image lacks


class GreyImages(NamedTuple):
    """What SIFT looks at: (H, W) uint8 images, and the device of the images they are of."""

    images: list[NDArray[np.uint8]]
    device: torch.device


class SiftExtractor(nn.Module):
    """OpenCV's SIFT (Lowe, IJCV 2004) as a ``Detector``; it runs on the CPU wherever the images are."""

    corner = 0.0

    @torch.no_grad()
    def dense(self, images: Tensor) -> GreyImages:
        """(B, 3, H, W) images in [0, 1] in grey."""
        pictures = (images.detach().cpu().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
        return GreyImages([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures], images.device)

    @torch.no_grad()
    def detect(self, maps: GreyImages, count: int, allowed: Tensor | None = None) -> Keypoints:
        """The ``count`` strongest keypoints of every image, found on the whole of it.

        Args:
            maps: from ``dense``.
            count: how many to return; where an image has fewer, the rest lie far outside it, with scores of 0.
            allowed: (B, 1, H, W) bool, where keypoints may be; None for everywhere.
        """
        sift = cv2.SIFT.create(nfeatures=0, contrastThreshold=_CONTRAST, enable_precise_upscale=True)
        rows = []
        for number, image in enumerate(maps.images):
            mask = None if allowed is None else allowed[number, 0].cpu().numpy()
            rows.append(_strongest(sift, image, count, mask))
        found = (torch.from_numpy(np.stack(part)).to(maps.device) for part in zip(*rows, strict=True))
        return Keypoints(*found)


def _strongest(
    sift: cv2.SIFT, image: NDArray[np.uint8], count: int, mask: NDArray[np.bool_] | None
) -> tuple[Floats, Floats, Floats]:
    found: Sequence[cv2.KeyPoint] = sift.detect(image, None)
    keep = permitted(np.array([k.pt for k in found], np.float32).reshape(-1, 2), mask)
    inside = (k for k, kept in zip(found, keep, strict=True) if kept)
    chosen, raw = sift.compute(image, sorted(inside, key=lambda k: -k.response)[:count])
    points, scores = np.full((count, 2), _NOWHERE, np.float32), np.zeros(count, np.float32)
    described = np.zeros((count, DESCRIPTOR_DIM), np.float32)
    if chosen:
        some = len(chosen)
        points[:some] = [k.pt for k in chosen]
        scores[:some] = [k.response for k in chosen]
        described[:some] = describe(raw, np.array([(k.size, k.angle) for k in chosen], np.float32))
    return points, scores, described


def describe(raw: Floats, frames: Floats) -> Floats:
    """(N, 131) descriptors: centred RootSIFT of unit length, then log-size, cosine and sine of the orientation.

    Args:
        raw: (N, 128) SIFT.
        frames: (N, 2) diameter in pixels, and degrees.
    """
    rooted = root_sift(raw)
    centred = rooted - rooted.mean(axis=1, keepdims=True)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    turn = np.radians(frames[:, 1])
    frame = np.stack([np.log2(frames[:, 0] / _USUAL_SIZE), np.cos(turn), np.sin(turn)], axis=1)
    together: Floats = np.concatenate([centred, frame], axis=1).astype(np.float32)
    return together
