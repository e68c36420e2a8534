"""The second pass (GIM.md 1.5): what the first pass saw in both frames, cut out, magnified and matched again.

Where two frames overlap little, the part that they share is small in both, and a matcher that looks at whole frames
spends its keypoints and its resolution elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.labels.config import LabelsConfig, ZoomConfig
from gim_data.labels.engine import Frames, LabelSet, Pair, VideoLabels, cap_of, fitted, judge, strongest
from gim_data.labels.movers import NO_MOVERS, Movers
from gim_data.labels.pairs import skip_pairs
from gim_data.labels.store import Note
from gim_data.masks import EVERYWHERE, Masks, dropped_outside
from gim_data.stage import Progress
from gim_data.types import Floats, Image, Mask, Matcher, Matches, PairLabel, Size, SparseMatcher

_MULTIPLE = 8  # networks want sides that they can halve three times


@dataclass(frozen=True)
class View:
    """A piece of a frame, magnified.

    Attributes:
        left, top, width, height: the piece, whole pixels of the frame.
        size: (width, height) that it is shown at.
    """

    left: int
    top: int
    width: int
    height: int
    size: Size

    @property
    def magnification(self) -> float:
        """Pixels of the view per pixel of the frame, the smaller of both axes."""
        return min(self.size[0] / self.width, self.size[1] / self.height)

    def show(self, image: Image) -> Image:
        """The piece of an (H, W, ...) image."""
        piece = image[self.top : self.top + self.height, self.left : self.left + self.width]
        return np.asarray(cv2.resize(piece, self.size, interpolation=cv2.INTER_LINEAR), image.dtype)

    def show_mask(self, mask: Mask | None) -> Mask | None:
        """The piece of an (H, W) mask; None stays None."""
        if mask is None:
            return None
        piece = mask[self.top : self.top + self.height, self.left : self.left + self.width]
        return np.asarray(cv2.resize(piece.astype(np.uint8), self.size, interpolation=cv2.INTER_NEAREST) > 0)

    def to_frame(self, points: Floats) -> Floats:
        """(N, 2) pixels of the view as pixels of the frame; both have the centre of their first pixel at (0, 0)."""
        scale = np.divide((self.width, self.height), self.size)
        return np.asarray((points + 0.5) * scale - 0.5 + (self.left, self.top), np.float32)


def view_of(points: Floats, size: Size) -> View:
    """The view of the box around (N, 2) pixels of a frame of ``size``, magnified until it fills such a frame.

    Both sides of the view are multiples of eight.
    """
    low = np.floor(points.min(axis=0)).astype(int).clip(0, np.subtract(size, 1))
    high = np.ceil(points.max(axis=0)).astype(int).clip(0, np.subtract(size, 1))
    width, height = (int(side) for side in np.maximum(high - low + 1, 1))
    scale = min(size[0] / width, size[1] / height)
    shown = [max(_MULTIPLE, int(side * scale) // _MULTIPLE * _MULTIPLE) for side in (width, height)]
    return View(int(low[0]), int(low[1]), width, height, (shown[0], shown[1]))


def zoom_video(
    frames: Frames,
    matcher: Matcher,
    first: Iterable[PairLabel],
    overlay: NDArray[np.bool_],
    config: LabelsConfig,
    zoom: ZoomConfig,
    progress: Progress,
    *,
    movers: Movers = NO_MOVERS,
    masks: Masks = EVERYWHERE,
) -> VideoLabels:
    """Label a video again, every pair inside what the first pass saw in both frames.

    Args:
        frames: the sampled frames.
        matcher: the teacher of the second pass.
        first: the labels of the first pass, of any teachers. They are an argument, so they are there.
        overlay: cells of the static overlay, in pixels of the frames, as the first pass estimated it.
        config: skips, filters and caps, the same as in the first pass.
        zoom: when a second look pays.
        progress: told of every pair.
        movers: of the first pass.
        masks: where matching is allowed.

    Returns:
        One set per skip, every pair of the first pass in it; a pair that got no second look is empty and says why.
    """
    seen = _covisible(first)
    groups = skip_pairs(frames.times, frames.shots, config.skips)
    progress.start(f"{matcher.name}, zoomed", sum(map(len, groups)))
    sets = []
    for skip, group in zip(config.skips, groups, strict=True):
        labels, notes, raw = [], [], []
        for pair in group:
            found, why_not = _look_again(frames, matcher, pair, seen.get(pair), config, zoom, masks)
            label, note = judge(pair, found, fitted(found, overlay, config), movers, config)
            labels.append(label)
            notes.append(Note(0, why_not) if why_not else note)
            raw.append(found)
            progress.advance()
        sets.append(LabelSet(skip, labels, notes, raw))
    return VideoLabels(sets, overlay, movers)


def _covisible(first: Iterable[PairLabel]) -> dict[Pair, tuple[Floats, Floats]]:
    """What the first pass matched in every pair, all teachers together."""
    labels: dict[Pair, list[PairLabel]] = {}
    for label in first:
        if len(label):
            labels.setdefault((label.frame0, label.frame1), []).append(label)
    return {
        pair: (np.concatenate([label.points0 for label in own]), np.concatenate([label.points1 for label in own]))
        for pair, own in labels.items()
    }


def _look_again(
    frames: Frames,
    matcher: Matcher,
    pair: Pair,
    seen: tuple[Floats, Floats] | None,
    config: LabelsConfig,
    zoom: ZoomConfig,
    masks: Masks,
) -> tuple[Matches, str]:
    """The matches of one pair in pixels of the frames, and why there are none, if nobody looked."""
    none = np.zeros((0, 2), np.float32)
    nothing = Matches(none, none, none[:, 0], frames.size, frames.size)
    if seen is None:
        return nothing, "the first pass found no co-visible region"
    view0, view1 = (view_of(points, frames.size) for points in seen)
    if max(view0.magnification, view1.magnification) < zoom.least:
        return nothing, f"neither view would be magnified {zoom.least} times"
    images = view0.show(frames.image(pair[0])), view1.show(frames.image(pair[1]))
    allowed = masks.allowed(pair[0]), masks.allowed(pair[1])
    found = _match(matcher, images, (view0.show_mask(allowed[0]), view1.show_mask(allowed[1])), config)
    ends = view0.to_frame(found.keypoints0), view1.to_frame(found.keypoints1)
    return dropped_outside(Matches(*ends, found.confidence, frames.size, frames.size), *allowed), ""


def _match(
    matcher: Matcher, images: tuple[Image, Image], masks: tuple[Mask | None, Mask | None], config: LabelsConfig
) -> Matches:
    """A match under the same cap on keypoints as the first pass."""
    if not isinstance(matcher, SparseMatcher):
        return matcher.match(*images)  # what is masked is dropped in the end, as in the first pass
    features = [matcher.extract(image, mask) for image, mask in zip(images, masks, strict=True)]
    kept = [strongest(found, cap_of(matcher, config)) for found in features]
    return matcher.match_features([(kept[0], kept[1])])[0]
