"""The ``matches`` stage: every teacher labels the video, one file per teacher and skip."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gim_data.errors import BadInput
from gim_data.labels.config import LabelsConfig
from gim_data.labels.engine import Frames, LabelSet, VideoLabels
from gim_data.labels.movers import NO_MOVERS
from gim_data.labels.segments import SegmentedMasks
from gim_data.labels.store import LabelMeta, write_labels
from gim_data.labels.temporal import TemporalMatcher, keeps_places, label_with
from gim_data.labels.zoom import zoom_video
from gim_data.plotting import draw_matches, save_picture, stack
from gim_data.stage import Job, Summary
from gim_data.types import Image, PairLabel
from gim_data.video.framestore import FrameStore
from gim_data.video.moments import Moment, moments_of
from gim_data.video.stages import video_of
from gim_models.mask_gallery import mask_gallery
from gim_models.registry import open_teacher
from gim_models.segmenters import open_masks


def make_matches(job: Job) -> Summary:
    """Label one video with every teacher.

    Raises:
        BadInput: no two frames of the video lie a skip apart in one shot.
        GimError: an unknown teacher or missing weights; labels of fewer teachers than asked for would pass silently.
    """
    config: LabelsConfig = job.params["labels"]
    frames = FrameStore.open(job.input("frames"))
    masks = open_masks(frames, config, job.root)
    summary: dict[str, Any] = {"teachers": {}, "figures": []}
    first, overlay, movers = list[PairLabel](), np.zeros((), np.bool_), NO_MOVERS
    for rank, name in enumerate(config.teachers):
        teacher = open_teacher(name, device=config.device)
        found = label_with(teacher, frames, partial(_film, job, frames), config, job.progress, masks=masks)
        if not any(labels.labels for labels in found.sets):
            raise BadInput(
                f"video {job.unit}: no two of its {len(frames)} frames lie {config.skips} s apart in one shot",
                "sample more densely (frames), shorten labels.skips, or leave the video out",
            )
        overlay, movers = overlay | found.overlay, movers | found.movers
        if config.zoom is not None:
            first += [label for labels in found.sets for label in labels.labels]
        _keep(job, frames, found, LabelMeta(frames.size, name, 0, 1, keeps_places(teacher), rank), summary)
        del found, teacher  # or they would be held together with the next ones
    if config.zoom is not None:
        look = partial(
            zoom_video,
            frames,
            first=first,
            overlay=overlay,
            config=config,
            zoom=config.zoom,
            progress=job.progress,
            movers=movers,
            masks=masks,
        )
        _look_again(job, frames, look, summary)
    if isinstance(masks, SegmentedMasks):
        summary["masked_share"] = round(masks.share(), 4)
    masked = mask_gallery(frames, masks, movers)
    if masked is not None:
        save_picture(job.out / "masks.jpg", masked)
        summary["figures"].append("masks.jpg")
    return summary


def _look_again(job: Job, frames: FrameStore, look: Callable[..., VideoLabels], summary: Summary) -> None:
    """The zoomed pass of every teacher that matches two pictures.

    A temporal one saw every picture at full size; its labels are part of the co-visible region.
    """
    config: LabelsConfig = job.params["labels"]
    for rank, name in enumerate(config.teachers):
        matcher = open_teacher(name, device=config.device)
        if not isinstance(matcher, TemporalMatcher):
            # every pair has a crop of its own, and so a frame has other keypoints in every pair
            _keep(job, frames, look(matcher=matcher), LabelMeta(frames.size, name, 0, 2, False, rank), summary)


def _film(job: Job, frames: FrameStore) -> Iterator[Moment]:
    """Every picture of the video; read for a temporal teacher only, without which the video is no input."""
    path, _ = video_of(job.input("videos"))
    return moments_of(path, frames)


def _keep(job: Job, frames: FrameStore, found: VideoLabels, meta: LabelMeta, summary: Summary) -> None:
    """Write what one teacher found in one pass, and add to the summary."""
    for labels in found.sets:
        path = job.out / file_name(meta.teacher, labels.skip, meta.zoom_pass)
        write_labels(path, labels.labels, replace(meta, skip=round(labels.skip, 6)), labels.notes)
    title = meta.teacher if meta.zoom_pass == 1 else f"{meta.teacher}, zoomed"
    summary["teachers"][title] = summarise(found)
    figure = f"{slug(title)}.jpg"
    save_picture(job.out / figure, gallery(frames, title, found))
    summary["figures"].append(figure)


def file_name(teacher: str, skip: float, zoom_pass: int) -> str:
    """``<teacher>-s<seconds>-p<pass>.parquet``."""
    return f"{slug(teacher)}-s{skip:.3f}-p{zoom_pass}.parquet"


def slug(name: str) -> str:
    """A matcher's name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9+._-]+", "_", name)


def summarise(found: VideoLabels) -> Summary:
    """Numbers for people."""
    labels = [label for labels in found.sets for label in labels.labels]
    notes = Counter(re.sub(r"\d+", "N", note.text) for labels in found.sets for note in labels.notes)
    raw = sum(note.raw for labels in found.sets for note in labels.notes)
    kept = sum(map(len, labels))
    return {
        "pairs": len(labels),
        "empty_pairs": sum(len(label) == 0 for label in labels),
        "matches": kept,
        "kept_share": round(kept / max(1, raw), 3),
        "overlay_share": round(float(found.overlay.mean()), 4),
        "endings": dict(sorted(notes.items())),
    }


def gallery(frames: Frames, teacher: str, found: VideoLabels) -> Image:
    """For each skip the pair with the median count of matches, before and after filtering."""
    return stack([panel for labels in found.sets if labels.labels for panel in _panels(frames, teacher, labels)])


def _panels(frames: Frames, teacher: str, labels: LabelSet) -> list[Image]:
    i = int(np.argsort([len(label) for label in labels.labels], kind="stable")[len(labels.labels) // 2])
    label, raw, note = labels.labels[i], labels.raw[i], labels.notes[i]
    images = frames.image(label.frame0), frames.image(label.frame1)
    title = f"{teacher}, skip {labels.skip:.2f} s, frames {label.frame0}-{label.frame1}"
    dropped = np.array([[235, 80, 60]], np.uint8).repeat(len(raw), axis=0)
    return [
        draw_matches(
            *images, raw.keypoints0, raw.keypoints1, colours=dropped, caption=f"{title}: {note.raw} before filtering"
        ),
        draw_matches(*images, label.points0, label.points1, caption=f"{len(label)} after ({note.text})"),
    ]
