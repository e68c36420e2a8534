"""From frames and a matcher to label sets: features once per frame, pairs by time, filtering per video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gim_data.labels.config import LabelsConfig
from gim_data.labels.coverage import overlap_of
from gim_data.labels.overlay import is_static, on_overlay, overlay_mask
from gim_data.labels.pairs import in_frame, reach, skip_pairs
from gim_data.labels.robust import fit_two_view
from gim_data.labels.store import Note
from gim_data.stage import Progress
from gim_data.types import Features, Image, Mask, Matcher, Matches, PairLabel, Size, SparseMatcher

Pair = tuple[int, int]


class Frames(Protocol):
    """What labelling reads of a video; ``gim_data.video.framestore.FrameStore`` is one."""

    @property
    def times(self) -> NDArray[np.float64]:
        """(F,) seconds."""
        ...

    @property
    def shots(self) -> NDArray[np.int32]:
        """(F,) shot of each frame; frames of one shot are consecutive."""
        ...

    @property
    def size(self) -> Size:
        """(width, height)."""
        ...

    def __len__(self) -> int: ...

    def image(self, index: int, /) -> Image:
        """One frame, RGB."""
        ...


@dataclass(frozen=True)
class LabelSet:
    """The direct labels of one teacher at one skip.

    Attributes:
        skip: seconds.
        labels: one per attempted pair, empty ones included.
        notes: how each ended.
        raw: the unfiltered matches, for figures and audits.
    """

    skip: float
    labels: list[PairLabel]
    notes: list[Note]
    raw: list[Matches]


@dataclass(frozen=True)
class VideoLabels:
    """Everything one teacher says of one video.

    Attributes:
        sets: one label set per skip.
        overlay: cells of the static overlay (``overlay_mask``).
    """

    sets: list[LabelSet]
    overlay: NDArray[np.bool_]


def label_video(
    frames: Frames, matcher: Matcher, config: LabelsConfig, progress: Progress, *, mask: Mask | None = None
) -> VideoLabels:
    """Label a video with one teacher.

    Args:
        frames: the sampled frames.
        matcher: the teacher; a sparse one sees each frame once.
        config: skips, filters and caps.
        progress: told of every matched pair.
        mask: (H, W) where matching is allowed, for all frames; None for everywhere.

    Returns:
        One set per skip, pairs in time order. Everything that was tried is in it: a pair without a result is an empty
        label whose note says why.
    """
    groups = skip_pairs(frames.times, frames.shots, config.skips)
    progress.start(f"{matcher.name}", sum(map(len, groups)))
    found = dict(_match_all(frames, matcher, groups, config, mask, progress))
    overlay = overlay_mask((found[pair] for group in groups for pair in group), frames.size, config.overlay)
    sets = []
    for skip, group in zip(config.skips, groups, strict=True):
        judged = [judge(pair, found[pair], overlay, config) for pair in group]
        sets.append(LabelSet(skip, [j[0] for j in judged], [j[1] for j in judged], [found[p] for p in group]))
    return VideoLabels(sets, overlay)


def _match_all(
    frames: Frames,
    matcher: Matcher,
    groups: Sequence[Sequence[Pair]],
    config: LabelsConfig,
    mask: Mask | None,
    progress: Progress,
) -> Iterator[tuple[Pair, Matches]]:
    """Every pair's matches, in the order of their later frame so that a short window of features suffices."""
    ordered = sorted({pair for group in groups for pair in group}, key=lambda pair: (pair[1], pair[0]))
    if not isinstance(matcher, SparseMatcher):
        for a, b in ordered:
            yield (a, b), matcher.match(frames.image(a), frames.image(b), mask, mask)
            progress.advance()
        return
    window = _FeatureWindow(frames, matcher, cap_of(matcher, config), mask, reach(groups) + config.batch)
    for start in range(0, len(ordered), config.batch):
        batch = ordered[start : start + config.batch]
        results = matcher.match_features([(window.at(a), window.at(b)) for a, b in batch])
        yield from zip(batch, results, strict=True)
        progress.advance(len(batch))


class _FeatureWindow:
    """Features of the frames still in reach, each extracted once."""

    def __init__(self, frames: Frames, matcher: SparseMatcher, keypoints: int, mask: Mask | None, span: int) -> None:
        self._frames, self._matcher, self._mask = frames, matcher, mask
        self._keypoints, self._span = keypoints, span
        self._held: dict[int, Features] = {}

    def at(self, index: int) -> Features:
        if index not in self._held:
            features = self._matcher.extract(self._frames.image(index), self._mask)
            self._held[index] = strongest(features, self._keypoints)
            for old in [held for held in self._held if held < index - self._span]:
                del self._held[old]
        return self._held[index]


def cap_of(matcher: Matcher, config: LabelsConfig) -> int:
    """How many keypoints of a frame this teacher may keep."""
    return config.keypoints_of.get(matcher.name, config.keypoints)


def strongest(features: Features, keypoints: int) -> Features:
    """The ``keypoints`` features with the highest scores, in their old order."""
    if len(features) <= keypoints:
        return features
    keep = np.sort(np.argsort(-features.scores, kind="stable")[:keypoints])
    extra = None if features.extra is None else {name: values[keep] for name, values in features.extra.items()}
    return replace(
        features,
        keypoints=features.keypoints[keep],
        descriptors=features.descriptors[keep],
        scores=features.scores[keep],
        extra=extra,
    )


def judge(pair: Pair, matches: Matches, overlay: NDArray[np.bool_], config: LabelsConfig) -> tuple[PairLabel, Note]:
    """The pair's label after the overlay rule and the epipolar fit, and how it ended."""
    raw = len(matches)
    kept = matches.select(in_frame(matches.keypoints0, matches.size0) & in_frame(matches.keypoints1, matches.size1))
    kept = kept.select(~on_overlay(kept, overlay, config.overlay))
    fit = fit_two_view(
        kept.keypoints0,
        kept.keypoints1,
        threshold=config.epipolar_px,
        confidence=config.fit_confidence,
        iterations=config.fit_iterations,
    )
    static = is_static(kept, config.overlay)
    inliers = kept.select(fit.inliers)
    if len(inliers) < config.min_matches:
        reason = fit.reason or f"{len(inliers)} inliers of {raw}, fewer than {config.min_matches}"
        return _label(pair, kept.select(np.zeros(len(kept), bool)), 0.0), Note(raw, reason)
    overlap = overlap_of(inliers.keypoints0, matches.keypoints0, matches.size0)
    return _label(pair, inliers, overlap), Note(raw, "static" if static else "ok")


def _label(pair: Pair, matches: Matches, overlap: float) -> PairLabel:
    return PairLabel(
        frame0=pair[0],
        frame1=pair[1],
        points0=matches.keypoints0,
        points1=matches.keypoints1,
        confidence=matches.confidence.clip(0, 1),
        hops=np.zeros(len(matches), np.uint8),
        votes=np.ones(len(matches), np.uint8),
        overlap=overlap,
    )
