"""How good a matcher is on held-out pairs, through the one contract that all matchers share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gim_data.plotting import draw_matches
from gim_data.types import Image, Mask, Matcher, Matches
from gim_models.training.augment import Views, plain
from gim_models.training.config import TrainConfig
from gim_models.training.families.known import Known, what_is_known
from gim_models.training.sample import Batch
from gim_models.training.validation import matches_pose_error, summary

_BESIDE = 8.0  # pixels from a label within which a match speaks for it


def judged(matcher: Matcher, batches: Sequence[Batch], config: TrainConfig) -> dict[str, float]:
    """Metrics of a matcher over held-out batches, none of them augmented.

    Args:
        matcher: what is judged.
        batches: each wholly of posed or wholly of labelled pairs.
        config: ``negative_px``, beyond which a match is wrong.

    Returns:
        ``val/auc_5deg``, ``val/auc_10deg`` and ``val/precision`` (share of matches that geometry does not contradict,
        of those it can judge) where there are posed pairs; ``val/video_recall`` (share of labels that the nearest match
        carries to their other end) where there are labelled ones.
    """
    errors: list[float] = []
    shares: dict[str, list[float]] = defaultdict(list)
    for batch in batches:
        views = plain(batch)
        for b in range(len(batch)):
            found = matched(matcher, batch, b)
            if batch.exact[b]:
                errors.append(matches_pose_error(batch, b, found.keypoints0, found.keypoints1))
                right, wrong = verdict(found, batch, views, b, config.negative_px)
                if (right | wrong).any():
                    shares["val/precision"].append(float(right.sum() / (right | wrong).sum()))
            else:
                known = what_is_known(batch, views, b, batch.boxes.new_zeros(0, 2), forth=True)
                if known.seen.any():
                    shares["val/video_recall"].append(carried(found, known, config.negative_px))
    return summary(errors, shares)


def matched(matcher: Matcher, batch: Batch, b: int) -> Matches:
    """Matches of pair ``b``, of what its canvases hold of image."""
    i, j = b, len(batch) + b
    return matcher.match(_image(batch, i), _image(batch, j), _mask(batch, i), _mask(batch, j))


def verdict(
    found: Matches, batch: Batch, views: Views, b: int, limit: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which matches (M,) of a posed pair are right (within ``limit`` pixels), and which are wrong; the rest is unknown.

    Of a labelled pair all are unknown.
    """
    if not batch.exact[b] or not len(found):
        nobody = np.zeros(len(found), bool)
        return nobody, nobody
    known = what_is_known(batch, views, b, torch.from_numpy(found.keypoints0).to(views.H), forth=True)
    near = np.linalg.norm(known.end.cpu().numpy() - found.keypoints1, axis=1) <= limit
    seen, lost = known.seen.cpu().numpy(), known.lost.cpu().numpy()
    return seen & near, (seen & ~near) | lost


def carried(found: Matches, known: Known, limit: float) -> float:
    """Share of the labels in view whose nearest match moves them to their other end, within ``limit`` pixels."""
    start, end = (points[known.seen].cpu().numpy() for points in (known.start, known.end))
    if not len(found):
        return 0.0
    distance, nearest = cKDTree(found.keypoints0).query(start)
    moved = start + found.keypoints1[nearest] - found.keypoints0[nearest]
    right = (distance <= _BESIDE) & (np.linalg.norm(moved - end, axis=1) <= limit)
    return float(right.mean())


def sheet(matcher: Matcher, batches: Sequence[Batch], config: TrainConfig) -> Image:
    """Matches of the first pairs of each kind: green right, red wrong, grey where nobody knows."""
    pictures = []
    for batch in {bool(batch.exact[0]): batch for batch in reversed(batches)}.values():
        views = plain(batch)
        for b in range(min(2, len(batch))):
            found = matched(matcher, batch, b)
            right, wrong = verdict(found, batch, views, b, config.negative_px)
            colours = np.where(right[:, None], [60, 200, 60], np.where(wrong[:, None], [220, 50, 50], [160, 160, 160]))
            pictures.append(
                draw_matches(
                    _image(batch, b),
                    _image(batch, len(batch) + b),
                    found.keypoints0,
                    found.keypoints1,
                    colours=colours.astype(np.uint8),
                    caption=f"{batch.identifiers[b]}: {len(found)} matches",
                )
            )
    return np.vstack(pictures)


def _image(batch: Batch, i: int) -> Image:
    pixels: Image = batch.images[i].permute(1, 2, 0).cpu().numpy()
    return pixels


def _mask(batch: Batch, i: int) -> Mask | None:
    height, width = batch.images.shape[-2:]
    x0, y0, x1, y1 = (round(v) for v in batch.boxes[i].tolist())
    if (x0, y0, x1, y1) == (0, 0, width, height):
        return None
    mask = np.zeros((height, width), bool)
    mask[y0:y1, x0:x1] = True
    return mask
