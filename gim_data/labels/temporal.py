"""Labels from teachers that see the whole film: points followed through every picture between the sampled frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from gim_data.labels.config import LabelsConfig
from gim_data.labels.engine import Frames, Pair, VideoLabels, judge_all, label_video
from gim_data.labels.pairs import skip_pairs
from gim_data.masks import EVERYWHERE, Masks, dropped_outside
from gim_data.stage import Progress
from gim_data.types import Matcher, Matches, SparseMatcher
from gim_data.video.moments import Moment


@runtime_checkable
class TemporalMatcher(Protocol):
    """A teacher that cannot match two pictures alone, for it needs those between them.

    A point that it follows has one place in a frame, whatever pair it is asked for: equal keypoints of different
    pairs are one observation, as those of a sparse matcher are.
    """

    name: str

    def follow(
        self, moments: Iterable[Moment], pairs: Sequence[Pair], keypoints: int
    ) -> Iterator[tuple[Pair, Matches]]:
        """The matches of sampled frames, made in one pass over the film.

        Args:
            moments: every picture, in order; no point goes from one shot to another.
            pairs: ``(earlier, later)`` rows of the frame store, each once.
            keypoints: most points in a frame.

        Yields:
            every pair once, when its later frame has been seen.
        """
        ...


def label_film(
    frames: Frames,
    moments: Iterable[Moment],
    teacher: TemporalMatcher,
    config: LabelsConfig,
    progress: Progress,
    *,
    masks: Masks = EVERYWHERE,
) -> VideoLabels:
    """Label a video with a temporal teacher, by the same rules as ``gim_data.labels.engine.label_video``.

    Args:
        frames: the sampled frames.
        moments: all pictures of their shots.
        teacher: follows points through them.
        config: skips, filters and caps.
        progress: told of every pair.
        masks: where matching is allowed in the sampled frames.
    """
    groups = skip_pairs(frames.times, frames.shots, config.skips)
    wanted = sorted(pair for group in groups for pair in group)
    progress.start(teacher.name, len(wanted))
    found: dict[Pair, Matches] = {}
    for pair, matches in teacher.follow(moments, wanted, config.keypoints_of.get(teacher.name, config.keypoints)):
        found[pair] = dropped_outside(matches, *map(masks.allowed, pair))
        progress.advance()
    return judge_all(found, groups, frames.size, config)


def label_with(
    teacher: Matcher | TemporalMatcher,
    frames: Frames,
    film: Callable[[], Iterable[Moment]],
    config: LabelsConfig,
    progress: Progress,
    *,
    masks: Masks = EVERYWHERE,
) -> VideoLabels:
    """Label a video with a teacher of either kind; ``film`` gives its pictures, and is asked by a temporal one only."""
    if isinstance(teacher, TemporalMatcher):
        return label_film(frames, film(), teacher, config, progress, masks=masks)
    return label_video(frames, teacher, config, progress, masks=masks)


def keeps_places(teacher: Matcher | TemporalMatcher) -> bool:
    """Whether a point has one place in a frame, whatever pair it is matched in."""
    return isinstance(teacher, (SparseMatcher, TemporalMatcher))


def sampled_only(frames: Frames) -> Iterator[Moment]:
    """A film of which nothing is left between the sampled frames."""
    for index in range(len(frames)):
        yield Moment(frames.image(index), int(frames.shots[index]), index)
