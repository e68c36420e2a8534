"""DISK and ALIKED, frozen: kornia's networks, with keypoints as ``SparseGlueMatcher`` wants them.

Both find keypoints on the whole image and drop those outside the mask afterwards, so that the mask's border makes none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from kornia.feature import ALIKED, DISK
from torch import Tensor, nn
from torch.nn import functional as F

from gim_models.sparse.weights import load_strictly, read_nested, read_pickle, weights_file
from gim_models.sparse.xfeat import Keypoints, highest_near, peak_offset

DESCRIPTOR_DIM = 128
_STRIDE = 16  # of DISK's U-Net
_REACH = 2  # pixels, along both axes, in which a keypoint is the hottest


class DiskMaps(NamedTuple):
    """What DISK says of a batch: descriptors (B, 128, H, W) and heat (B, 1, H, W), logits of a keypoint."""

    descriptors: Tensor
    heat: Tensor


class DiskExtractor(nn.Module):
    """DISK (Tyszkiewicz et al., NeurIPS 2020), its peaks refined below the pixel by a parabola through the heat."""

    corner = 0.0  # added to pixels for LightGlue: both of these were trained with pixels that count from their centres

    def __init__(self) -> None:
        super().__init__()
        self.net = DISK(desc_dim=DESCRIPTOR_DIM)
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def dense(self, images: Tensor) -> DiskMaps:
        """Run the network on (B, 3, H, W) images in [0, 1], padded right and below to its stride."""
        height, width = images.shape[-2:]
        heat, descriptors = self.net.heatmap_and_dense_descriptors(
            F.pad(images, (0, -width % _STRIDE, 0, -height % _STRIDE))
        )
        return DiskMaps(descriptors[..., :height, :width], heat[..., :height, :width])

    @torch.no_grad()
    def detect(self, maps: DiskMaps, count: int, allowed: Tensor | None = None) -> Keypoints:
        """The ``count`` best keypoints of every image; scores of those that are missing are not above 0.

        Args:
            maps: from ``dense``.
            count: how many to keep.
            allowed: (B, 1, H, W) bool, where keypoints may be; None for everywhere.
        """
        heat = maps.heat
        peaks = (heat == highest_near(heat, _REACH)) & (heat > 0)
        if allowed is not None:
            peaks &= allowed
        scores = torch.where(peaks, heat, -1.0).flatten(1)
        best, index = scores.topk(min(count, scores.shape[1]), dim=1)
        width = heat.shape[-1]
        pixels = torch.stack([index % width, index // width], -1)
        batch = torch.arange(len(heat), device=heat.device)[:, None]
        descriptors = maps.descriptors[batch, :, pixels[..., 1], pixels[..., 0]]
        return Keypoints(pixels + peak_offset(heat[:, 0], pixels), best, F.normalize(descriptors, dim=-1))


class AlikedMaps(NamedTuple):
    """What ALIKED says of a batch: features (B, 128, H, W) and scores (B, 1, H, W)."""

    features: Tensor
    scores: Tensor


class AlikedExtractor(nn.Module):
    """ALIKED-n16 (Zhao et al., TIM 2023), which finds peaks below the pixel by itself."""

    corner = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.net = ALIKED("aliked-n16", max_num_keypoints=-1, detection_threshold=0.0)
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def dense(self, images: Tensor) -> AlikedMaps:
        """Run the network on (B, 3, H, W) images in [0, 1]."""
        return AlikedMaps(*self.net.extract_dense_map(images))

    @torch.no_grad()
    def detect(self, maps: AlikedMaps, count: int, allowed: Tensor | None = None) -> Keypoints:
        """The ``count`` best keypoints of every image; missing ones have score 0. See ``DiskExtractor``."""
        height, width = maps.scores.shape[-2:]
        outer = maps.scores.new_tensor([width - 1, height - 1])
        placed, scores, _ = self.net.dkd(maps.scores)  # (N, 2) in [-1, 1] and (N,) an image
        kept_places, kept_points, kept_scores = [], [], []
        for row, (places, worth) in enumerate(zip(placed, scores, strict=True)):
            points = (places + 1) / 2 * outer
            if allowed is not None:
                x, y = points.round().long().unbind(-1)
                worth = torch.where(allowed[row, 0, y, x], worth, 0.0)  # noqa: PLW2901 (the same, less what is masked)
            best = worth.argsort(descending=True, stable=True)[:count]
            best = best[worth[best] > 0]
            kept_places.append(places[best])
            kept_points.append(points[best])
            kept_scores.append(worth[best])
        descriptors, _ = self.net.desc_head(maps.features, kept_places)
        return Keypoints(_stacked(kept_points), _stacked(kept_scores), _stacked(descriptors))


def published_disk() -> DiskExtractor:
    """DISK with the weights of its authors (trained on depth).

    Raises:
        GimError: the weights are not there or do not fit.
    """
    extractor, path = DiskExtractor(), weights_file("disk")
    load_strictly(extractor.net, read_nested(path, "extractor"), path)
    return extractor


def published_aliked() -> AlikedExtractor:
    """ALIKED-n16 with the weights of its authors.

    Raises:
        GimError: the weights are not there or do not fit.
    """
    extractor, path = AlikedExtractor(), weights_file("aliked")
    derived: dict[str, Any] = {"dkd.hw_grid": extractor.net.dkd.hw_grid}
    load_strictly(extractor.net, read_pickle(path) | derived, path)
    return extractor


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    """Tensors of different lengths in one, filled up with zeros."""
    return nn.utils.rnn.pad_sequence(list(parts), batch_first=True)
