"""The ``tracks`` stage: direct labels in, propagated pairs out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gim_data.errors import BadInput, GimError
from gim_data.labels.store import LabelMeta, LabelStore, write_labels
from gim_data.plotting import colour_by, draw_matches, save_picture, stack
from gim_data.propagation.config import PropagationConfig
from gim_data.propagation.graph import Source, build_graph
from gim_data.propagation.link import make_link
from gim_data.propagation.meet import meetings
from gim_data.propagation.select import Checker, Selection, confident, farthest_per_bin
from gim_data.propagation.tracks import follow
from gim_data.stage import Job, Progress, Summary
from gim_data.types import PairLabel, Size
from gim_data.video.framestore import FrameStore

PAIRS = "pairs.parquet"


def make_tracks(job: Job) -> Summary:
    """Propagate one video's labels.

    Raises:
        BadInput: no teacher found enough matches, or no propagated pair passed the final check.
        GimError: a label file is broken or belongs to other frames.
    """
    config: PropagationConfig = job.params["propagation"]
    frames = FrameStore.open(job.input("frames"))
    sources = read_sources(job.input("matches"), frames.size)
    selection = propagate_video(sources, len(frames), frames.size, config, job.progress)
    if not selection.labels:
        raise BadInput(
            f"video {job.unit}: no pair of frames has {config.min_matches} propagated correspondences "
            f"({_reasons(sources, selection)})",
            "look at the figures of its matches; lower propagation.min_matches or leave the video out",
        )
    meta = LabelMeta(frames.size, "propagated", zoom_pass=0)
    write_labels(job.out / PAIRS, selection.labels, meta)
    save_picture(job.out / "tracks.jpg", gallery(frames, selection))
    return summarise(selection)


def read_sources(folder: Path, size: Size) -> list[Source]:
    """The label sets of a ``matches`` unit, in the order in which the teachers were named.

    Raises:
        GimError: no label file, a broken one, or one made for frames of another size.
    """
    stores = [LabelStore.open(path) for path in sorted(folder.glob("*.parquet"))]
    if not stores:
        raise GimError(f"{folder} holds no label file", "run 'gim run matches' again")
    for store in stores:
        if store.meta.size != size:
            raise GimError(f"{store.path} is about frames of {store.meta.size}, not {size}", "run 'gim run matches'")
    stores.sort(key=lambda store: (store.meta.rank, store.meta.zoom_pass, store.meta.skip))
    return [Source(store.meta.teacher, store.labels(), store.meta.sparse) for store in stores]


def propagate_video(
    sources: Sequence[Source], frames: int, size: Size, config: PropagationConfig, progress: Progress
) -> Selection:
    """Propagated pairs of one video.

    Args:
        sources: its direct labels, the most precise teacher first.
        frames: how many frames it has.
        size: (width, height) of the frames.
        config: rules.
        progress: told of every start frame.
    """
    link = make_link(config)
    trusted = [confident(source, config.min_confidence.get(source.teacher, 0.0)) for source in sources]
    graph = build_graph(trusted, link, frames=frames, size=size, quorum=config.quorum, min_direct=config.min_direct)
    tracks = follow(graph, cycle_px=config.cycle_px)
    checker, selection = Checker(graph, tracks, config), Selection()
    progress.start("propagating", frames)
    for groups in farthest_per_bin(meetings(graph, tracks, checker.rules), config.overlap_bins):
        progress.advance()
        for passed in checker.check(groups):
            if passed is None:
                selection.rejected += 1
            else:
                selection.candidates.append(passed[0])
                selection.labels.append(passed[1])
    return selection


def summarise(selection: Selection) -> Summary:
    """Numbers for people."""
    labels = selection.labels
    hops = np.concatenate([label.hops for label in labels])
    return {
        "pairs": len(labels),
        "correspondences": len(hops),
        "start_frames": len({label.frame0 for label in labels}),
        "median_per_pair": int(np.median([len(label) for label in labels])),
        "median_overlap": round(float(np.median([label.overlap for label in labels])), 3),
        "farthest_frames": max(label.frame1 - label.frame0 for label in labels),
        "hops": {"median": int(np.median(hops)), "max": int(hops.max())},
        "votes_mean": round(float(np.concatenate([label.votes for label in labels]).mean()), 3),
        "rejected": selection.rejected,
        "figures": ["tracks.jpg"],
    }


def gallery(frames: FrameStore, selection: Selection) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The widest pair and the median one, each before and after the final check, coloured by hops."""
    order = sorted(range(len(selection.labels)), key=lambda i: selection.labels[i].overlap)
    rows = []
    for i in dict.fromkeys([order[0], order[len(order) // 2]]):
        before, after = selection.candidates[i], selection.labels[i]
        rows.append(_panel(frames, before, "propagated, before the check"))
        rows.append(_panel(frames, after, "after the check"))
    return stack(rows)


def _panel(frames: FrameStore, label: PairLabel, title: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    seconds = frames.times[label.frame1] - frames.times[label.frame0]
    text = (
        f"{title}: frames {label.frame0}-{label.frame1} ({seconds:.1f} s), {len(label)} correspondences, "
        f"overlap {label.overlap:.2f}, hops 0 green - {label.hops.max(initial=0)} red"
    )
    return draw_matches(
        frames.image(label.frame0),
        frames.image(label.frame1),
        label.points0,
        label.points1,
        colours=colour_by(label.hops, low=0, high=float(max(1, label.hops.max(initial=0)))),
        caption=text,
    )


def _reasons(sources: Sequence[Source], selection: Selection) -> str:
    direct = sum(len(label) > 0 for source in sources for label in source.labels)
    return f"{direct} direct labels with matches, {selection.rejected} pairs failed the final check"
