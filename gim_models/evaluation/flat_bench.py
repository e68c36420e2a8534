"""Homography and point benchmarks: match every pair of a set, estimate, judge, and sum up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gim_data.bench.checks import image_size
from gim_data.bench.planar import PlanarPair, PointPair
from gim_data.stage import Progress
from gim_data.types import Image, Matcher, Size
from gim_models.evaluation import annotated, homography
from gim_models.evaluation.auc import auc
from gim_models.evaluation.bootstrap import interval, resample
from gim_models.evaluation.homography import Fit, HomographyProtocol, apply, resizing
from gim_models.evaluation.predict import Resize, predict_with
from gim_models.evaluation.prediction_store import Prediction
from gim_models.evaluation.protocol import pair_seed
from gim_models.resizing import reduced, size_of

Matrix = NDArray[np.float64]
Cell = dict[str, Any]
_SAMPLES = 1000


@dataclass(frozen=True)
class FlatScore:
    """One pair.

    Attributes:
        identifier: of the pair.
        value: mean transfer error in pixels (inf where it failed), or the shares of points within each threshold.
        matches, inliers: counts.
        reason: why there is no estimate, or "".
    """

    identifier: str
    value: float | tuple[float, ...]
    matches: int
    inliers: int
    reason: str


def factor(size: Size, short_side: int) -> float:
    """By which an image is resized so that its short side is at most ``short_side`` (0: any)."""
    return min(1.0, short_side / min(size)) if short_side else 1.0


def shrinker(short_side: int) -> Resize:
    """What resizes images for matching, as ``predict_with`` takes it."""

    def smaller(image: Image) -> Image:
        size = size_of(image)
        scale = factor(size, short_side)
        return reduced(image, 0 if scale == 1 else round(scale * max(size)))

    return smaller


def score_planar(
    pair: PlanarPair, prediction: Prediction, protocol: HomographyProtocol, *, short_side: int, seed: int
) -> FlatScore:
    """Estimate and judge one planar pair; every pixel is one of the images reduced to ``short_side``."""
    sizes = [image_size(path) for path in (pair.image0, pair.image1)]
    factors = [factor(size, short_side) for size in sizes]
    S0, S1 = (resizing(f) for f in factors)
    small0, small1 = ((round(f * w), round(f * h)) for f, (w, h) in zip(factors, sizes, strict=True))
    points0, points1 = _stored(prediction)
    fit = homography.estimate_homography(
        apply(S0, points0), apply(S1, points1), prediction.confidence, protocol, pair_seed(pair.identifier, seed)
    )
    if pair.points0 is not None and pair.points1 is not None:
        truth = (apply(S0, pair.points0), apply(S1, pair.points1))
    else:
        truth = homography.judges(S1 @ pair.H_0to1 @ np.linalg.inv(S0), (small0, small1))
    error = homography.transfer_error(fit.H, *truth)
    reason = fit.reason or ("" if np.isfinite(error) else "a point is sent beyond the horizon")
    return _score(pair.identifier, error, Fit(fit.H, fit.inliers, reason))


def score_points(pair: PointPair, prediction: Prediction) -> FlatScore:
    """Estimate and judge one pair by its annotated points, in pixels of the stored images."""
    fit = annotated.estimate_fundamental(*_stored(prediction))
    distances = annotated.epipolar_pixels(fit.H, pair.points0, pair.points1)
    return _score(pair.identifier, tuple(float((distances <= t).mean()) for t in annotated.THRESHOLDS), fit)


def run_planar(
    matcher: Matcher,
    sets: Mapping[str, Sequence[PlanarPair]],
    protocol: HomographyProtocol,
    progress: Progress,
    *,
    short_side: int = 480,
    seed: int = 0,
) -> dict[str, Cell]:
    """Score a matcher on sets of planar pairs; AUC in percent of the mean corner error, per set and over all pairs."""
    scores = {}
    for name, pairs in sets.items():
        predictions = predict_with(matcher, pairs, shrinker(short_side), progress=progress, note=name)
        scores[name] = [
            score_planar(pair, found, protocol, short_side=short_side, seed=seed)
            for pair, found in zip(pairs, predictions, strict=True)
        ]
    return _cells(scores, _planar_cell)


def run_points(matcher: Matcher, sets: Mapping[str, Sequence[PointPair]], progress: Progress) -> dict[str, Cell]:
    """Score a matcher on sets of annotated pairs; mean shares of points in percent, per set and over all pairs."""
    scores = {}
    for name, pairs in sets.items():
        predictions = predict_with(matcher, pairs, shrinker(0), progress=progress, note=name)
        scores[name] = [score_points(pair, found) for pair, found in zip(pairs, predictions, strict=True)]
    return _cells(scores, _points_cell)


def _cells(scores: Mapping[str, Sequence[FlatScore]], one: Callable[[Sequence[FlatScore]], Cell]) -> dict[str, Cell]:
    everything = [score for rows in scores.values() for score in rows]
    cells = {name: {**one(rows), "rows": [_finite(row) for row in rows]} for name, rows in scores.items()}
    return cells if len(cells) == 1 else {**cells, "all pairs": one(everything)}


def _planar_cell(rows: Sequence[FlatScore]) -> Cell:
    errors = np.array([row.value for row in rows], dtype=np.float64)
    out = _counts(rows)
    for t in homography.THRESHOLDS:
        spread = resample(errors, t, np.random.default_rng(0), samples=_SAMPLES)
        out[f"auc_{t:.0f}px"] = 100 * auc(errors, t)
        out[f"auc_{t:.0f}px_interval"] = [100 * bound for bound in interval(spread)]
    return out


def _points_cell(rows: Sequence[FlatScore]) -> Cell:
    shares = np.array([row.value for row in rows], dtype=np.float64)
    draws = np.random.default_rng(0).integers(0, len(rows), (_SAMPLES, len(rows)))
    out = _counts(rows)
    for i, t in enumerate(annotated.THRESHOLDS):
        out[f"within_{t:.0f}px"] = 100 * float(shares[:, i].mean())
        out[f"within_{t:.0f}px_interval"] = [100 * bound for bound in interval(shares[:, i][draws].mean(axis=1))]
    return out


def _counts(rows: Sequence[FlatScore]) -> Cell:
    reasons = Counter(row.reason for row in rows if row.reason)
    matches = float(np.mean([row.matches for row in rows]))
    return {"pairs": len(rows), "failures": sum(reasons.values()), "reasons": dict(reasons), "matches": matches}


def _score(identifier: str, value: float | tuple[float, ...], fit: Fit) -> FlatScore:
    return FlatScore(identifier, value, len(fit.inliers), int(fit.inliers.sum()), fit.reason)


def _stored(prediction: Prediction) -> tuple[Matrix, Matrix]:
    return prediction.keypoints0.astype(np.float64), prediction.keypoints1.astype(np.float64)


def _finite(row: FlatScore) -> Cell:
    """The row for JSON, which has no word for infinity: null."""
    return {**asdict(row), "value": None if row.value == float("inf") else row.value}
