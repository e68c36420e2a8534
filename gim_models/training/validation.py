"""How good a student is on held-out pairs: true pose AUC where geometry is known, F1 against the labels elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import poselib
import torch
from numpy.typing import NDArray
from torch import Tensor

from gim_models.sparse.detectors import TrainableDetector
from gim_models.sparse.lightglue import GlueNet
from gim_models.sparse.superglue import SuperGlue
from gim_models.training.augment import plain
from gim_models.training.config import TrainConfig
from gim_models.training.features import Supervised, supervise
from gim_models.training.sample import Batch
from gim_models.training.supervision import UNMATCHED, Targets

_MIN_CONFIDENCE = 0.1
_MIN_MATCHES = 5


@torch.no_grad()
def validate(
    network: GlueNet | SuperGlue, extractor: TrainableDetector, batches: Sequence[Batch], config: TrainConfig
) -> dict[str, float]:
    """Metrics over held-out batches, none of them augmented.

    Args:
        network: the student.
        extractor: its detector.
        batches: each wholly of posed or wholly of labelled pairs.
        config: the recipe; no label points are inserted here.

    Returns:
        ``val/auc_5deg``, ``val/auc_10deg`` in [0, 1] where there are posed pairs; for those ``val/recall`` (share of
        known matches found), ``val/precision`` (share of found matches that nothing known contradicts) and ``val/f1``,
        for labelled ones ``val/video_recall`` and so on.
    """
    detected = config.model_copy(update={"inserted": 0.0})
    errors: list[float] = []
    shares: dict[str, list[float]] = defaultdict(list)
    for batch in batches:
        known = supervise(batch, plain(batch), extractor, detected, torch.Generator())
        found, _ = network.mutual(network.layers(known.side0, known.side1), _MIN_CONFIDENCE)
        exact = bool(batch.exact[0])
        kind = "val/" if exact else "val/video_"
        for name, values in _shares(found, known.targets).items():
            shares[kind + name] += values
        if exact:
            errors += [_pose_error(batch, known, found, b) for b in range(len(batch))]
    return summary(errors, shares)


def summary(errors: Sequence[float], shares: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """AUCs of pose errors in degrees, and means of shares by name."""
    metrics = {name: float(np.mean(values)) for name, values in shares.items() if values}
    if errors:
        metrics |= {f"val/auc_{limit}deg": pose_auc(np.array(errors), limit) for limit in (5, 10)}
    return metrics


def pose_auc(errors: NDArray[np.float64], limit: float) -> float:
    """Area under the recall curve of errors (degrees) up to ``limit``, in [0, 1] (GIM.md 4.5.6)."""
    ordered = np.concatenate([[0.0], np.sort(errors)])
    recall = np.linspace(0, 1, len(ordered))
    last = int(np.searchsorted(ordered, limit))
    x = np.concatenate([ordered[:last], [limit]])
    y = np.concatenate([recall[:last], [recall[last - 1]]])
    return float(np.trapezoid(y, x) / limit)


def pose_error(T_true: NDArray[np.float64], R: NDArray[np.float64], t: NDArray[np.float64]) -> float:
    """The larger of the rotation error and the translation's angle folded to 90 degrees, in degrees."""
    turn = np.degrees(np.arccos(np.clip((np.trace(R.T @ T_true[:3, :3]) - 1) / 2, -1, 1)))
    true = T_true[:3, 3]
    cosine = np.dot(t, true) / max(np.linalg.norm(t) * np.linalg.norm(true), 1e-12)
    return float(max(turn, np.degrees(np.arccos(np.clip(abs(cosine), 0, 1)))))


def _pose_error(batch: Batch, known: Supervised, found: Tensor, b: int) -> float:
    index = torch.nonzero(found[b] >= 0).flatten()
    points0 = known.side0.points[b, index].double().cpu().numpy()
    points1 = known.side1.points[b, found[b, index]].double().cpu().numpy()
    return matches_pose_error(batch, b, points0, points1)


def matches_pose_error(batch: Batch, b: int, points0: NDArray[np.floating], points1: NDArray[np.floating]) -> float:
    """Degrees by which the pose that (N, 2) matches of pair ``b`` fit is off; 180 where there are too few."""
    if len(points0) < _MIN_MATCHES:
        return 180.0
    cameras = [_camera(batch.K[i], batch.images.shape[-2:]) for i in (b, len(batch) + b)]
    pose, _ = poselib.estimate_relative_pose(points0, points1, *cameras, {"max_epipolar_error": 1.0}, {})
    return pose_error(batch.T_0to1[b].double().cpu().numpy(), np.asarray(pose.R), np.asarray(pose.t))


def _camera(K: Tensor, size: torch.Size) -> dict[str, object]:
    params = [float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])]
    return {"model": "PINHOLE", "width": size[1], "height": size[0], "params": params}


def _shares(found: Tensor, known: Targets) -> dict[str, list[float]]:
    """Recall, precision and F1 of every pair in which they mean something."""
    matched, some = known.match0 >= 0, found >= 0
    contradicted = known.impossible.gather(2, found.clamp(min=0)[..., None]).squeeze(2)
    right = (some & matched & (found == known.match0)).sum(1).tolist()
    wrong = (some & (contradicted | (matched & (found != known.match0)) | (known.match0 == UNMATCHED))).sum(1).tolist()
    matches, finds = matched.sum(1).tolist(), some.sum(1).tolist()
    return {
        "recall": [r / n for r, n in zip(right, matches, strict=True) if n],
        "precision": [1 - w / n for w, n in zip(wrong, finds, strict=True) if n],
        "f1": [2 * r / (r + w + n) for r, w, n in zip(right, wrong, matches, strict=True) if n],
    }
