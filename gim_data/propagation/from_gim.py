"""Propagation of labels that GIM made: its folders in, one folder of propagated pairs a video out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gim_data.errors import BadInput
from gim_data.labels.manifest import MANIFEST, write_manifest
from gim_data.labels.store import LabelMeta, write_labels
from gim_data.propagation.config import PropagationConfig
from gim_data.propagation.gim_sets import GimSet, frame_ids, read_source, video_size
from gim_data.propagation.stage import PAIRS, propagate_video, summarise
from gim_data.stage import Progress, Summary


def propagate_gim(
    root: Path, sets: Sequence[GimSet], out: Path, config: PropagationConfig, progress: Progress
) -> Summary:
    """Propagate one video's label sets into ``out``: ``pairs.parquet`` and, last, ``manifest.json``.

    Args:
        root: GIM's ``data/ZeroMatch``, where the video may be.
        sets: from ``find_sets``, all of one video.
        out: the video's folder; made if it is not there.
        config: rules of propagation.
        progress: told of sets read and pairs checked.

    Returns:
        Numbers for people.

    Raises:
        GimError: a missing or malformed file.
        BadInput: no propagated pair passed the final check.
    """
    (out / MANIFEST).unlink(missing_ok=True)  # until the new one is there, the folder is not whole
    size, ids = video_size(root, sets), frame_ids(sets)
    progress.start(f"reading {len(sets)} label sets", len(sets))
    sources = []
    for each in sets:
        sources.append(read_source(each, ids, size))
        progress.advance()
    selection = propagate_video(sources, len(ids), size, config, progress)
    if not selection.labels:
        raise BadInput(
            f"video {sets[0].video}: no pair of its {len(ids)} frames has {config.min_matches} propagated "
            f"correspondences ({selection.rejected} pairs failed the final check)",
            "lower propagation.min_matches, or add label sets",
        )
    write_labels(out / PAIRS, selection.labels, LabelMeta(size, "propagated", zoom_pass=0))
    summary = {key: value for key, value in summarise(selection).items() if key != "figures"}
    names = [each.folder.parent.name for each in sets]
    write_manifest(out, video=sets[0].video, size=size, frames=ids.tolist(), sources=names, summary=summary)
    return summary
