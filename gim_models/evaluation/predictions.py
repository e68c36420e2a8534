"""Stage ``zeb_predictions``: every benchmark pair matched once by one matcher."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from gim_data.bench.checks import load_image
from gim_data.errors import GimError
from gim_data.stage import Job, Progress, Summary
from gim_data.types import Floats, Image, Matcher, Matches, SparseMatcher
from gim_models.evaluation.bench import read_bench
from gim_models.evaluation.config import EvaluateConfig
from gim_models.evaluation.prediction_store import Prediction, write_predictions

Loader = Callable[[Path], tuple[Image, Floats]]
_BATCH = 8  # pairs handed to a sparse matcher at once
_CACHED_IMAGES = 64


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


def make_predictions(job: Job) -> Summary:
    """Match every pair of every sequence; one ``<sequence>.parquet`` each.

    Finished sequences are kept in the scratch folder, so that a killed attempt goes on with the next one.

    Raises:
        GimError: the matcher cannot be opened, or a model was not made.
    """
    config: EvaluateConfig = job.params["evaluate"]
    sequences = read_bench(job.inputs["bench"]["all"])
    matcher = open_unit(job, config)
    job.progress.start(f"matching by {job.unit}", sum(len(pairs) for pairs in sequences.values()))
    fresh, found = 0, 0
    for name, pairs in sequences.items():
        kept = job.scratch / f"{name}.parquet"
        if kept.is_file():
            job.progress.advance(len(pairs), name)
        else:
            predictions = list(predict(matcher, pairs, max_side=config.max_side, progress=job.progress, note=name))
            write_predictions(kept, predictions)
            fresh += len(pairs)
            found += sum(len(p.confidence) for p in predictions)
        shutil.copyfile(kept, job.out / kept.name)
    summary: Summary = {"pairs": sum(len(pairs) for pairs in sequences.values()), "sequences": len(sequences)}
    return {**summary, "matches_per_pair": found / fresh} if fresh else summary


def open_unit(job: Job, config: EvaluateConfig) -> Matcher:
    """The matcher of a unit: a baseline by its name, a model by the folder it was trained into.

    Raises:
        GimError: it cannot be opened.
    """
    from gim_models.registry import open_matcher

    device = pick_device(config.device)
    if job.unit in config.baselines:
        return open_matcher(job.unit, device=device)
    folder = job.inputs.get("model", {}).get(job.unit)
    if folder is None:
        raise GimError(f"model {job.unit} was not made", f"run 'gim run model' and see why {job.unit} was skipped")
    return open_matcher(f"student:{folder}", device=device)


def pick_device(wish: str) -> str:
    """``auto`` becomes cuda where there is one, else cpu; anything else stays."""
    if wish != "auto":
        return wish
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def predict(
    matcher: Matcher, pairs: Sequence[ImagePair], *, max_side: int, progress: Progress, note: str = ""
) -> Iterator[Prediction]:
    """Match pairs on images whose long side is at most ``max_side`` (0: any); otherwise as ``predict_with``."""
    return predict_with(matcher, pairs, lambda image: shrink(image, max_side), progress=progress, note=note)


def predict_with(
    matcher: Matcher,
    pairs: Sequence[ImagePair],
    resize: Callable[[Image], tuple[Image, Floats]],
    *,
    progress: Progress,
    note: str = "",
) -> Iterator[Prediction]:
    """Match pairs, features of an image once where the matcher is sparse.

    Args:
        matcher: any matcher.
        pairs: what to match.
        resize: the image that is matched, and (2,) the factors of x and y that led to it.
        progress: advanced by one per pair.
        note: text behind the bar.

    Yields:
        One prediction per pair, in order, in pixels of the stored images.
    """

    @lru_cache(maxsize=_CACHED_IMAGES)
    def image(path: Path) -> tuple[Image, Floats]:
        return resize(load_image(path))

    matches = _sparse(matcher, pairs, image) if isinstance(matcher, SparseMatcher) else _plain(matcher, pairs, image)
    for pair, found in zip(pairs, matches, strict=True):
        points0 = enlarge(found.keypoints0, image(pair.image0)[1])
        points1 = enlarge(found.keypoints1, image(pair.image1)[1])
        yield Prediction(pair.identifier, points0, points1, found.confidence)
        progress.advance(1, note)


def shrink(image: Image, max_side: int) -> tuple[Image, Floats]:
    """The image with its long side at most ``max_side`` (0: any), and (2,) the factors of x and y that did it."""
    height, width = image.shape[:2]
    scale = max_side / max(width, height)
    if not max_side or scale >= 1:
        return image, np.ones(2, np.float32)
    size = (round(width * scale), round(height * scale))
    smaller = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return smaller, np.array([size[0] / width, size[1] / height], np.float32)


def enlarge(points: Floats, factors: Floats) -> Floats:
    """(N, 2) pixels of a shrunk image as pixels of the image it was shrunk from, pixel centres at whole numbers."""
    restored: Floats = ((points + 0.5) / factors - 0.5).astype(np.float32)
    return restored


def _plain(matcher: Matcher, pairs: Sequence[ImagePair], image: Loader) -> Iterator[Matches]:
    for pair in pairs:
        yield matcher.match(image(pair.image0)[0], image(pair.image1)[0])


def _sparse(matcher: SparseMatcher, pairs: Sequence[ImagePair], image: Loader) -> Iterator[Matches]:
    features = lru_cache(maxsize=_CACHED_IMAGES)(lambda path: matcher.extract(image(path)[0]))
    rest = iter(pairs)
    while batch := list(islice(rest, _BATCH)):
        yield from matcher.match_features([(features(p.image0), features(p.image1)) for p in batch])
