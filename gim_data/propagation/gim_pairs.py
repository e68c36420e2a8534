"""Propagated pairs in the form that GIM's training code reads (GIM.md 2.4): one ``.npy`` file a pair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gim_data.errors import GimError
from gim_data.files import atomic
from gim_data.labels.folders import label_folders
from gim_data.labels.manifest import read_manifest
from gim_data.labels.store import LabelStore
from gim_data.propagation.stage import PAIRS
from gim_data.types import PairLabel


@dataclass(frozen=True)
class Exported:
    """What was written of one video.

    Attributes:
        video: its name, also that of the folder.
        pairs: files.
        matches: rows in them.
    """

    video: str
    pairs: int
    matches: int


def pair_folders(root: Path) -> list[Path]:
    """The folders at or below ``root`` that hold propagated pairs, one a video.

    Raises:
        GimError: there is none.
    """
    found = [folder.path for folder in label_folders(root) if (folder.path / PAIRS).is_file()]
    if not found:
        raise GimError(f"{root} holds no {PAIRS}, nor does a folder in it", "name the --out of 'gim propagate'")
    return found


def export_pairs(folder: Path, target: Path) -> Exported:
    """Write one video's pairs into ``target/<video>/<a>_<b>.npy``.

    Row 0 of each file is the true span ``[a, b, a, b]``, the others are ``x0, y0, x1, y1`` in float32 pixels. Frames
    have the numbers that the manifest gives them, or, for labels made here, those of the frame store.

    Args:
        folder: holds ``pairs.parquet``.
        target: the folder that GIM calls ``PROPAGATE_ROOT/<sets>``.

    Raises:
        GimError: the labels are broken, or name frames that the manifest does not have.
    """
    store, manifest = LabelStore.open(folder / PAIRS), read_manifest(folder)
    video = manifest.video if manifest is not None else folder.resolve().name
    if Path(video).name != video or video.startswith("."):
        raise GimError(f"{folder}: {video!r} cannot name a folder", "make the labels again")
    written = Exported(video, 0, 0)
    for label in store.labels():
        if len(label):
            span = label.frame0, label.frame1
            if manifest is not None:
                span = _numbers(label, manifest.frames, folder)
            _write_pair(target / video / f"{span[0]}_{span[1]}.npy", span, label)
            written = Exported(video, written.pairs + 1, written.matches + len(label))
    return written


def _numbers(label: PairLabel, frames: tuple[int, ...], folder: Path) -> tuple[int, int]:
    if label.frame1 >= len(frames):
        raise GimError(
            f"{folder / PAIRS} names frame {label.frame1}, its manifest {len(frames)}", "make the labels again"
        )
    return frames[label.frame0], frames[label.frame1]


def _write_pair(path: Path, span: tuple[int, int], label: PairLabel) -> None:
    if max(span) >= 1 << 24:
        raise GimError(f"frame {max(span)} has no exact float32, which GIM stores it as", "cut the video into parts")
    matches = np.concatenate([label.points0, label.points1], axis=1).astype(np.float32)
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, np.concatenate([np.array([span * 2], np.float32), matches]), allow_pickle=False)
