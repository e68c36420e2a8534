"""From frames and a matcher to label sets: features once per frame, pairs by time, filtering per video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gim_data.labels.config import LabelsConfig
from gim_data.labels.coverage import overlap_of
from gim_data.labels.movers import NO_MOVERS, Movers, find_movers
from gim_data.labels.overlay import is_static, on_overlay, overlay_mask
from gim_data.labels.pairs import in_frame, reach, skip_pairs
from gim_data.labels.robust import Fit, fit_two_view
from gim_data.labels.store import Note
from gim_data.masks import EVERYWHERE, Masks, dropped_outside
from gim_data.stage import Progress
from gim_data.types import Features, Image, Matcher, Matches, PairLabel, Size, SparseMatcher

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
        movers: what moves by itself; nothing where that is not asked for.
    """

    sets: list[LabelSet]
    overlay: NDArray[np.bool_]
    movers: Movers = NO_MOVERS


def label_video(
    frames: Frames, matcher: Matcher, config: LabelsConfig, progress: Progress, *, masks: Masks = EVERYWHERE
) -> VideoLabels:
    """Label a video with one teacher.

    Args:
        frames: the sampled frames.
        matcher: the teacher; a sparse one sees each frame once.
        config: skips, filters and caps.
        progress: told of every matched pair.
        masks: where matching is allowed. The teacher looks at whole pictures all the same.

    Returns:
        One set per skip, pairs in time order. Everything that was tried is in it: a pair without a result is an empty
        label whose note says why.
    """
    groups = skip_pairs(frames.times, frames.shots, config.skips)
    progress.start(f"{matcher.name}", sum(map(len, groups)))
    everything = _match_all(frames, matcher, groups, config, masks, progress)
    # without the rows of features that are forgotten by then: a third of what a long video holds
    found = {pair: replace(matches, index0=None, index1=None) for pair, matches in everything}
    return judge_all(found, groups, frames.size, config)


def judge_all(
    found: Mapping[Pair, Matches], groups: Sequence[Sequence[Pair]], size: Size, config: LabelsConfig
) -> VideoLabels:
    """What is left of a teacher's matches after the overlay rule, the epipolar fits and the movers.

    Args:
        found: the matches of every pair.
        groups: the pairs of every skip.
        size: (width, height) of the frames.
        config: skips and filters.
    """
    pairs = [pair for group in groups for pair in group]
    overlay = overlay_mask((found[pair] for pair in pairs), size, config.overlay)
    fits = {pair: fitted(found[pair], overlay, config) for pair in pairs}
    movers = NO_MOVERS
    if config.movers is not None:
        movers = find_movers(
            ((pair, found[pair].select(each.worthy), each.fit) for pair, each in fits.items()), size, config.movers
        )
    sets = []
    for skip, group in zip(config.skips, groups, strict=True):
        judged = [judge(pair, found[pair], fits[pair], movers, config) for pair in group]
        sets.append(LabelSet(skip, [j[0] for j in judged], [j[1] for j in judged], [found[p] for p in group]))
    return VideoLabels(sets, overlay, movers)


def _match_all(
    frames: Frames,
    matcher: Matcher,
    groups: Sequence[Sequence[Pair]],
    config: LabelsConfig,
    masks: Masks,
    progress: Progress,
) -> Iterator[tuple[Pair, Matches]]:
    """Every pair's matches, in the order of their later frame so that a short window of features suffices."""
    ordered = sorted({pair for group in groups for pair in group}, key=lambda pair: (pair[1], pair[0]))
    if not isinstance(matcher, SparseMatcher):
        for a, b in ordered:
            # without masks: some dense matchers paint over what these forbid, and then match the edges of the paint
            everything = matcher.match(frames.image(a), frames.image(b))
            yield (a, b), dropped_outside(everything, masks.allowed(a), masks.allowed(b))
            progress.advance()
        return
    window = _FeatureWindow(frames, matcher, cap_of(matcher, config), masks, reach(groups) + config.batch)
    for start in range(0, len(ordered), config.batch):
        batch = ordered[start : start + config.batch]
        results = matcher.match_features([(window.at(a), window.at(b)) for a, b in batch])
        yield from zip(batch, results, strict=True)
        progress.advance(len(batch))


class _FeatureWindow:
    """Features of the frames still in reach, each extracted once."""

    def __init__(self, frames: Frames, matcher: SparseMatcher, keypoints: int, masks: Masks, span: int) -> None:
        self._frames, self._matcher, self._masks = frames, matcher, masks
        self._keypoints, self._span = keypoints, span
        self._held: dict[int, Features] = {}

    def at(self, index: int) -> Features:
        if index not in self._held:
            features = self._matcher.extract(self._frames.image(index), self._masks.allowed(index))
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


@dataclass(frozen=True)
class Fitted:
    """Which matches of a pair are worth a fit, and the fit to them.

    Attributes:
        worthy: (N,) bool, inside both frames and on no overlay.
        fit: which of these M one two-view geometry explains.
    """

    worthy: NDArray[np.bool_]
    fit: Fit


def fitted(matches: Matches, overlay: NDArray[np.bool_], config: LabelsConfig) -> Fitted:
    """A pair's matches after the overlay rule, and the epipolar fit to them."""
    worthy = in_frame(matches.keypoints0, matches.size0) & in_frame(matches.keypoints1, matches.size1)
    worthy[worthy] = ~on_overlay(matches.select(worthy), overlay, config.overlay)
    kept = matches.select(worthy)
    fit = fit_two_view(
        kept.keypoints0,
        kept.keypoints1,
        threshold=config.epipolar_px,
        confidence=config.fit_confidence,
        iterations=config.fit_iterations,
    )
    return Fitted(worthy, fit)


def judge(pair: Pair, matches: Matches, found: Fitted, movers: Movers, config: LabelsConfig) -> tuple[PairLabel, Note]:
    """The label of a pair, and how it ended.

    Args:
        pair: its frames.
        matches: all that the teacher gave.
        found: what ``fitted`` made of them.
        movers: places where nothing is kept.
        config: how many must be left.
    """
    raw, kept, fit = len(matches), matches.select(found.worthy), found.fit
    still = ~movers.on(pair[0], kept.keypoints0)
    inliers = kept.select(fit.inliers & still & ~movers.on(pair[1], kept.keypoints1))
    if len(inliers) < config.min_matches:
        reason = fit.reason or f"{len(inliers)} inliers of {raw}, fewer than {config.min_matches}"
        return _label(pair, kept.select(np.zeros(len(kept), bool)), 0.0), Note(raw, reason)
    covered = kept.keypoints0[still] if movers.cells else matches.keypoints0
    overlap = overlap_of(inliers.keypoints0, covered, matches.size0)
    return _label(pair, inliers, overlap), Note(raw, "static" if is_static(kept, config.overlay) else "ok")


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
