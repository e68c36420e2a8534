"""Detector and glue together: the teacher ``xfeat+lighterglue`` and every sparse student."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from gim_data.types import Features, Image, Mask, Matches
from gim_models.folder import Loader
from gim_models.sparse.detectors import DETECTORS
from gim_models.sparse.lightglue import GlueNet, GlueShape, Side, published_glue
from gim_models.sparse.precision import matching_dtype
from gim_models.sparse.xfeat import Keypoints, published_xfeat

_CELLS_PER_BATCH = 8 * 2048 * 2048  # bounds the memory of one batch of attention maps
_CELLS_ON_CPU = 2 * 2048 * 2048  # where larger batches are no faster


class StudentConfig(BaseModel):
    """What ``config.json`` says of a sparse student."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: str = Field(default="lightglue", pattern="^lightglue$")
    detector: str = Field(default="xfeat", pattern="^(sift|xfeat)$")
    shape: GlueShape = GlueShape()
    max_keypoints: int = Field(default=2048, ge=1)
    filter_threshold: float = Field(default=0.1, ge=0, le=1)


class Detector(Protocol):
    """What ``SparseGlueMatcher`` asks of XFeat, SuperPoint or another frozen extractor.

    Attributes:
        corner: what is added to keypoints for the glue, which may count from the corner of the top-left pixel.
    """

    corner: float

    def dense(self, images: Tensor) -> Any:
        """Whatever ``detect`` reads, from (B, 3, H, W) images in [0, 1]."""
        ...

    def detect(self, maps: Any, count: int, allowed: Tensor | None = None) -> Keypoints:
        """The best keypoints of every image."""
        ...

    def to(self, device: str) -> Self:
        """As of ``torch.nn.Module``."""
        ...


class GlueNetwork(Protocol):
    """What ``SparseGlueMatcher`` asks of LightGlue, SuperGlue or another glue."""

    def layers(self, side0: Side, side1: Side, *, dtype: torch.dtype = ...) -> list[tuple[Tensor, Tensor]]:
        """The states of both images after every layer that can be read out, by products in ``dtype``."""
        ...

    def mutual(self, states: list[tuple[Tensor, Tensor]], threshold: float) -> tuple[Tensor, Tensor]:
        """For every keypoint of the first image its partner, or -1, and its probability, both (B, M)."""
        ...

    def to(self, device: str) -> Self:
        """As of ``torch.nn.Module``."""
        ...

    def eval(self) -> Self:
        """As of ``torch.nn.Module``."""
        ...


Glue = TypeVar("Glue", bound=GlueNetwork)


class SparseGlueMatcher(Generic[Glue]):
    """A ``SparseMatcher``: a frozen extractor and a glue.

    Args:
        name: under which its matches are stored.
        detector: the frozen extractor.
        network: the glue.
        max_keypoints: most keypoints per image.
        filter_threshold: assignment probability below which a match is dropped.
        device: where both run.
    """

    def __init__(
        self,
        name: str,
        detector: Detector,
        network: Glue,
        *,
        max_keypoints: int = 2048,
        filter_threshold: float = 0.1,
        device: str = "cpu",
    ) -> None:
        self.name = name
        self.detector: Detector = detector.to(device)
        self.network = network.to(device).eval()
        self.max_keypoints = max_keypoints
        self.filter_threshold = filter_threshold
        self.device = torch.device(device)
        self.dtype = matching_dtype(self.device)

    def extract(self, image: Image, mask: Mask | None = None) -> Features:
        """Detect and describe keypoints of one (H, W, 3) image where ``mask`` (H, W) allows."""
        return self.extract_many([image], None if mask is None else [mask])[0]

    def extract_many(self, images: Sequence[Image], masks: Sequence[Mask] | None = None) -> list[Features]:
        """Detect and describe keypoints of images of one size, in one batch."""
        batch = torch.from_numpy(np.stack(images)).to(self.device).permute(0, 3, 1, 2).float() / 255
        allowed = None if masks is None else torch.from_numpy(np.stack(masks)).to(self.device)[:, None]
        found = self.detector.detect(self.detector.dense(batch), self.max_keypoints, allowed)
        height, width = images[0].shape[:2]
        return [_to_features(found, row, (width, height)) for row in range(len(images))]

    @torch.inference_mode()
    def match_features(self, pairs: Sequence[tuple[Features, Features]]) -> list[Matches]:
        """Match pairs; those with equal numbers of keypoints share a batch, so no padding changes a result."""
        results: list[Matches | None] = [None] * len(pairs)
        for rows in _batches(pairs, _CELLS_ON_CPU if self.device.type == "cpu" else _CELLS_PER_BATCH):
            chosen = [pairs[row] for row in rows]
            for row, matches in zip(rows, self._match_batch(chosen), strict=True):
                results[row] = matches
        return [matches for matches in results if matches is not None]

    def match(self, image0: Image, image1: Image, mask0: Mask | None = None, mask1: Mask | None = None) -> Matches:
        """Match two images; keypoints in pixels of the images passed in."""
        return self.match_features([(self.extract(image0, mask0), self.extract(image1, mask1))])[0]

    def _match_batch(self, pairs: Sequence[tuple[Features, Features]]) -> list[Matches]:
        if min(len(pairs[0][0]), len(pairs[0][1])) == 0:
            return [_to_matches(a, b, np.empty(0, np.int64), np.empty(0, np.int64), []) for a, b in pairs]
        sides = [_to_side([pair[i] for pair in pairs], self.detector.corner, self.device) for i in (0, 1)]
        states = self.network.layers(*sides, dtype=self.dtype)
        target, confidence = self.network.mutual(states, self.filter_threshold)
        found = []
        for (a, b), to, sure in zip(pairs, target.cpu().numpy(), confidence.cpu().numpy(), strict=True):
            index0 = np.flatnonzero(to >= 0)
            found.append(_to_matches(a, b, index0, to[index0], sure[index0]))
        return found


def published_lighterglue(device: str = "cpu", *, max_keypoints: int = 2048) -> SparseGlueMatcher[GlueNet]:
    """The teacher ``xfeat+lighterglue`` with its published weights.

    Raises:
        GimError: the weights are not installed.
    """
    return SparseGlueMatcher(
        "xfeat+lighterglue", published_xfeat(), published_glue(), max_keypoints=max_keypoints, device=device
    )


class OverDetector(Protocol):
    """What a configuration says of how a glue is used."""

    @property
    def detector(self) -> str:
        """Whose keypoints it matches, of ``DETECTORS``."""
        ...

    @property
    def max_keypoints(self) -> int:
        """Most keypoints per image."""
        ...

    @property
    def filter_threshold(self) -> float:
        """Assignment probability below which a match is dropped."""
        ...


def over_detector(name: str, network: Glue, config: OverDetector, *, device: str = "cpu") -> SparseGlueMatcher[Glue]:
    """A glue over its detector.

    Raises:
        GimError: the detector's weights are not installed.
    """
    limits = {"max_keypoints": config.max_keypoints, "filter_threshold": config.filter_threshold}
    return SparseGlueMatcher(name, DETECTORS[config.detector].use(), network, device=device, **limits)  # type: ignore[arg-type]


load_student: Loader[StudentConfig, GlueNet, SparseGlueMatcher[GlueNet]] = Loader(
    "student",
    StudentConfig,
    lambda config: GlueNet(config.shape),
    over_detector,
    kind="sparse student",
    remedy="train the model again: gim run model",
)
"""A LightGlue from the folder that its training made; see ``Loader``."""


def _batches(pairs: Sequence[tuple[Features, Features]], cells: int) -> Iterator[list[int]]:
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, (a, b) in enumerate(pairs):
        groups[len(a), len(b)].append(row)
    for (m, n), rows in groups.items():
        step = max(1, cells // max(1, m * n))
        yield from (rows[start : start + step] for start in range(0, len(rows), step))


def _to_side(features: Sequence[Features], corner: float, device: torch.device) -> Side:
    points = torch.from_numpy(np.stack([f.keypoints for f in features])).to(device) + corner
    descriptors = torch.from_numpy(np.stack([f.descriptors for f in features])).to(device)
    return Side(points, descriptors, points.new_tensor([f.size for f in features]))


def _to_features(found: Keypoints, row: int, size: tuple[int, int]) -> Features:
    real = found.scores[row] > 0
    points, scores, descriptors = (values[row][real].cpu().numpy() for values in found)
    return Features(points, descriptors, scores, size)


def _to_matches(
    a: Features, b: Features, index0: NDArray[np.int64], index1: NDArray[np.int64], confidence: object
) -> Matches:
    return Matches(
        a.keypoints[index0],
        b.keypoints[index1],
        np.asarray(confidence, np.float32),
        a.size,
        b.size,
        index0.astype(np.int32),
        index1.astype(np.int32),
    )
