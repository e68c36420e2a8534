"""What is known of every teacher: whose weights it needs, under which licence, whether they are here, and how fast."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from gim_data.errors import GimError
from gim_data.labels.config import LabelsConfig
from gim_data.labels.temporal import TemporalMatcher
from gim_data.labels.truth import rendered
from gim_data.types import Image, SparseMatcher
from gim_data.video.moments import Moment
from gim_models.registry import FACTORIES, TEMPORAL_FACTORIES, open_teacher
from gim_models.sparse.weights import PUBLISHED, weights_file

WEIGHTS = {
    "aliked+lightglue": ("aliked", "aliked_lightglue"),
    "disk+lightglue": ("disk", "disk_lightglue"),
    "klt": (),
    "rootsift": (),
    "xfeat+lighterglue": ("xfeat", "lighterglue"),
}
"""Teacher -> keys of ``PUBLISHED``."""
SCENE = "street?seed=1&width=640&height=480"
"""What teachers are timed on."""


@dataclass(frozen=True)
class Speed:
    """Measured on this machine, on frames of 640x480.

    Attributes:
        frames: a second, described; of a temporal teacher pictures, followed through.
        pairs: a second, matched from features that are there already (a sparse teacher), from images, or from the film.
        keypoints: of a frame, in the mean; 0 for a teacher without any. Of a temporal teacher: matches of a pair.
    """

    frames: float
    pairs: float
    keypoints: int


@dataclass(frozen=True)
class Teacher:
    """One line of the catalogue.

    Attributes:
        name: in the registry.
        licence: of the weights.
        size: bytes of the weight files that were found.
        missing: weights that are nowhere.
        remedy: what to do about them.
    """

    name: str
    licence: str
    size: int
    missing: tuple[str, ...]
    remedy: str = ""

    @property
    def usable(self) -> bool:
        """Whether it can label now."""
        return not self.missing


def teachers() -> list[Teacher]:
    """Every teacher of the registry that carries its own weights (students have those of their folder)."""
    return [_look_up(name, WEIGHTS[name]) for name in sorted({*FACTORIES, *TEMPORAL_FACTORIES} & set(WEIGHTS))]


def measure(name: str, *, frames: int = 4, device: str = "cpu") -> Speed:
    """Time a teacher on consecutive frames of a synthetic street.

    Args:
        name: the teacher.
        frames: how many; each is matched with the next.
        device: torch device.

    Raises:
        GimError: its weights are not there.
    """
    matcher = open_teacher(name, device=device)
    video = rendered(SCENE, seconds=frames / 3, interval=1 / 3)
    if isinstance(matcher, TemporalMatcher):
        return _film_speed(matcher, list(video.moments()))
    images = [video.image(i) for i in range(len(video))]
    matcher.match(images[0], images[1])  # the first call sets things up
    if isinstance(matcher, SparseMatcher):
        return _sparse_speed(matcher, images)
    began = time.perf_counter()
    for a, b in pairwise(images):
        matcher.match(a, b)
    return Speed(0.0, (len(images) - 1) / (time.perf_counter() - began), 0)


def _film_speed(teacher: TemporalMatcher, film: Sequence[Moment]) -> Speed:
    pairs = list(pairwise(moment.frame for moment in film if moment.frame is not None))
    began = time.perf_counter()
    counts = [len(matches) for _, matches in teacher.follow(film, pairs, LabelsConfig.model_validate({}).keypoints)]
    seconds = time.perf_counter() - began
    return Speed(len(film) / seconds, len(pairs) / seconds, sum(counts) // len(pairs))


def _sparse_speed(matcher: SparseMatcher, images: Sequence[Image]) -> Speed:
    began = time.perf_counter()
    features = [matcher.extract(image) for image in images]
    described = time.perf_counter()
    matcher.match_features(list(pairwise(features)))
    matched = time.perf_counter()
    keypoints = sum(map(len, features)) // len(features)
    return Speed(len(images) / (described - began), (len(images) - 1) / (matched - described), keypoints)


def _look_up(name: str, needed: Sequence[str]) -> Teacher:
    found: list[Path] = []
    missing: list[str] = []
    remedy = ""
    for weights in needed:
        try:
            found.append(weights_file(weights))
        except GimError as error:
            missing.append(weights)
            remedy = error.remedy
    licences = dict.fromkeys(PUBLISHED[weights].licence for weights in needed)
    return Teacher(
        name,
        ", ".join(licences) or "none needed",
        sum(path.stat().st_size for path in found),
        tuple(missing),
        remedy,
    )
