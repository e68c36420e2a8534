"""Teachers and propagation on synthetic worlds with exact truth: what a corpus of theirs would be worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gim_data.labels.audit import Audit, Truth
from gim_data.labels.config import LabelsConfig, ZoomConfig
from gim_data.labels.overlay import overlay_mask
from gim_data.labels.posed import posed_video
from gim_data.labels.store import LabelMeta, LabelStore, write_labels
from gim_data.labels.temporal import keeps_places, label_with
from gim_data.labels.truth import rendered
from gim_data.labels.zoom import zoom_video
from gim_data.masks import EVERYWHERE, Masks
from gim_data.propagation.config import PropagationConfig
from gim_data.propagation.graph import Source
from gim_data.propagation.stage import propagate_video
from gim_data.stage import Progress, Silent
from gim_models.labelling import file_name
from gim_models.registry import TEMPORAL_FACTORIES, open_matcher, open_teacher
from gim_models.segmenters import open_masks

WORLDS = ("street?seed=1", "room?seed=2", "terrain?seed=3", "objects?seed=4", "street?seed=5&path=drive")


def audit_worlds(
    worlds: Sequence[str],
    labels: LabelsConfig,
    propagations: Mapping[str, PropagationConfig],
    *,
    seconds: float,
    interval: float,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> list[dict[str, object]]:
    """Label, propagate and compare every world.

    Args:
        worlds: synthetic videos, such as ``street?seed=1``.
        labels: teachers, skips and filters; a segmenter's relative path begins at the working directory.
        propagations: name -> rules of propagation, each measured on the same direct labels.
        seconds, interval: how much of each world, and between its frames.
        cache: keep direct labels here between runs.
        progress: told of every world.

    Returns:
        One row a heading: see ``gim_data.labels.audit``.

    Raises:
        GimError: an unknown teacher or missing weights, or a spec that is not valid.
    """
    videos = ((spec, rendered(spec, seconds=seconds, interval=interval)) for spec in worlds)
    return _audited(videos, len(worlds), labels, propagations, cache, progress or Silent())


def audit_posed(
    folders: Sequence[Path],
    labels: LabelsConfig,
    propagations: Mapping[str, PropagationConfig],
    *,
    seconds: float,
    interval: float,
    progress: Progress | None = None,
) -> list[dict[str, object]]:
    """The same on posed image sequences, where right means near the true epipolar line; no recall, no coverage.

    Args:
        folders: see ``gim_data.bench.posed``.
        labels, propagations, progress: as in ``audit_worlds``.
        seconds, interval: how much of each sequence, and the time that its images are taken to lie apart.

    Raises:
        BadInput: a folder without cameras.
        GimError: an unknown teacher or missing weights.
    """
    videos = ((folder.name, posed_video(folder, seconds=seconds, interval=interval)) for folder in folders)
    return _audited(videos, len(folders), labels, propagations, None, progress or Silent())


def _audited(
    videos: Iterable[tuple[str, Truth]],
    count: int,
    labels: LabelsConfig,
    propagations: Mapping[str, PropagationConfig],
    cache: Path | None,
    told: Progress,
) -> list[dict[str, object]]:
    audit = Audit()
    told.start("auditing", count)
    for name, video in videos:
        masks = open_masks(video, labels, Path())
        sources = [s for teacher in labels.teachers for s in direct(video, teacher, labels, cache, name, masks=masks)]
        audit.direct(video, sources, [*labels.skips] * len(labels.teachers))
        if labels.zoom is not None:
            again = zoomed(video, sources, labels, labels.zoom, masks=masks)
            titled = [replace(source, teacher=f"{source.teacher}, zoomed") for source in again]
            audit.direct(video, titled, [*labels.skips] * len(labels.teachers))
            sources = [*sources, *again]
        for title, config in propagations.items():
            audit.propagated(video, propagate_video(sources, len(video), video.size, config, Silent()).labels, title)
        told.advance(note=name)
    return audit.rows()


def direct(
    video: Truth, teacher: str, config: LabelsConfig, cache: Path | None, spec: str, *, masks: Masks = EVERYWHERE
) -> list[Source]:
    """One teacher's labels, one source per skip."""
    folder = None if cache is None else cache / spec.replace("?", "_").replace("&", "_")
    paths = [] if folder is None else [folder / file_name(teacher, skip, 1) for skip in config.skips]
    if paths and all(path.is_file() for path in paths):
        stores = [LabelStore.open(path) for path in paths]
        return [Source(teacher, store.labels(), store.meta.sparse) for store in stores]
    matcher = open_teacher(teacher, device=config.device)
    sparse = keeps_places(matcher)
    found = label_with(matcher, video, video.moments, config, Silent(), masks=masks).sets
    for part, path in zip(found, paths, strict=False):  # none without a cache
        write_labels(path, part.labels, LabelMeta(video.size, teacher, part.skip, 1, sparse), part.notes)
    return [Source(teacher, part.labels, sparse) for part in found]


def zoomed(
    video: Truth, first: Sequence[Source], config: LabelsConfig, zoom: ZoomConfig, *, masks: Masks = EVERYWHERE
) -> list[Source]:
    """The second pass of every teacher that has one, one source per skip; a rendered world has no overlay."""
    overlay = overlay_mask([], video.size, config.overlay)
    seen = [label for source in first for label in source.labels]
    return [
        Source(name, part.labels, sparse=False)
        for name in config.teachers
        if name not in TEMPORAL_FACTORIES
        for part in zoom_video(
            video, open_matcher(name, device=config.device), seen, overlay, config, zoom, Silent(), masks=masks
        ).sets
    ]
