"""One page with the pairs of a video, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from gim_data.errors import GimError
from gim_data.files import atomic
from gim_data.labels.folders import LabelFolder
from gim_data.labels.store import LabelStore
from gim_data.plotting import colour_by, draw_matches, picture_uri
from gim_data.types import PairLabel
from gim_data.video.framestore import FrameStore

WIDTH = 1000
"""Pixels that a pair is drawn at."""


@dataclass(frozen=True)
class Card:
    """A pair on the page.

    Attributes:
        title: teacher and frames.
        facts: what is known of it.
        source: the picture as a ``data:`` address.
    """

    title: str
    facts: str
    source: str


def evidence(label: PairLabel) -> float:
    """How much speaks for a pair: the votes of its correspondences, weighed by confidence, a hop counting half."""
    return float((label.votes * label.confidence * 0.5 ** np.minimum(label.hops, 16)).sum())


def write_page(folders: Sequence[LabelFolder], target: Path, *, pairs: int) -> int:
    """Write the page.

    Args:
        folders: label folders of one video in a workspace.
        target: the HTML file.
        pairs: how many pairs to show of each file, those with the least evidence first; empty ones are only counted.

    Returns:
        How many pairs are shown.

    Raises:
        GimError: the video's frames are not there, or a label file is broken.
    """
    video, frames = folders[0].video, folders[0].frames()
    if frames is None:
        raise GimError(f"{folders[0].path} has no frames beside it", f"run 'gim run frames --video {video}'")
    groups = [(file.stem, *_cards(file, frames, pairs)) for folder in folders for file in folder.files]
    environment = Environment(
        loader=PackageLoader("gim_models.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("labels.html").render(video=video, groups=groups)
    with atomic(target) as temporary:
        temporary.write_text(page)
    return sum(len(cards) for _, _, cards in groups)


def _cards(file: Path, frames: FrameStore, pairs: int) -> tuple[str, list[Card]]:
    store = LabelStore.open(file)
    labels, notes = store.labels(), list(store.index["note"])
    full = sorted((i for i, label in enumerate(labels) if len(label)), key=lambda i: evidence(labels[i]))
    empty = len(labels) - len(full)
    text = f"{len(labels)} pairs, {empty} of them empty, {sum(map(len, labels))} correspondences"
    return text, [_card(store.meta.teacher, labels[i], notes[i], frames) for i in full[:pairs]]


def _card(teacher: str, label: PairLabel, note: str, frames: FrameStore) -> Card:
    if label.frame1 >= len(frames):
        raise GimError(f"a label names frame {label.frame1} of {len(frames)}", "run 'gim labels verify'")
    seconds = frames.times[label.frame1] - frames.times[label.frame0]
    drawn = draw_matches(
        frames.image(label.frame0),
        frames.image(label.frame1),
        label.points0,
        label.points1,
        colours=colour_by(1 - label.confidence, low=0, high=1),
    )
    facts = (
        f"{len(label)} correspondences, overlap {label.overlap:.2f}, hops {label.hops.min()}-{label.hops.max()}, "
        f"votes {label.votes.mean():.1f}, confidence {label.confidence.mean():.2f}, {note}"
    )
    title = f"{teacher}: frames {label.frame0} and {label.frame1}, {seconds:.1f} s apart"
    return Card(title, facts, picture_uri(drawn, width=WIDTH))
