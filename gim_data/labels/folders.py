"""Where label files are: the units of a workspace, imported labels, any folder that holds some."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gim_data.errors import GimError
from gim_data.files import read_json, sha256, tree_digest
from gim_data.labels.manifest import read_manifest
from gim_data.labels.store import LabelStore
from gim_data.ledger import RECORD
from gim_data.video.framestore import FrameStore

STAGES = ("matches", "tracks")


@dataclass(frozen=True)
class LabelFolder:
    """The label files of one video from one maker.

    Attributes:
        stage: ``matches`` or ``tracks`` for units of a workspace, else the name of the folder above.
        video: the name of the folder.
        path: the folder.
    """

    stage: str
    video: str
    path: Path

    @property
    def files(self) -> list[Path]:
        """Its label files."""
        return sorted(self.path.glob("*.parquet"))

    def frames(self) -> FrameStore | None:
        """The frames that a unit of a workspace is about, None where they are not beside it.

        Raises:
            GimError: they are there and broken.
        """
        folder = self.path.parent.parent / "frames" / self.video
        return FrameStore.open(folder) if self.stage in STAGES and folder.is_dir() else None


def workspace_folders(root: Path) -> list[LabelFolder]:
    """The label units of a workspace, direct ones first; skipped ones hold no file and are left out."""
    stages = [root / "data" / stage for stage in STAGES]
    return [folder for stage in stages if stage.is_dir() for folder in _below(stage)]


def label_folders(path: Path) -> list[LabelFolder]:
    """The folders with label files at or below ``path``, which may be a workspace.

    Raises:
        GimError: there is none.
    """
    own = [_folder(path)] if any(path.glob("*.parquet")) else []
    found = own or workspace_folders(path) or list(_below(path))
    if not found:
        raise GimError(f"{path} holds no label file", "run 'gim run matches tracks', or name a folder of labels")
    return found


def summary(file: Path) -> dict[str, Any]:
    """What a label file holds, in numbers.

    Raises:
        GimError: it is broken.
    """
    store = LabelStore.open(file)
    matches = int(store.index["n"].sum())
    return {
        "teacher": store.meta.teacher,
        "skip": store.meta.skip,
        "pass": store.meta.zoom_pass,
        "pairs": len(store.index),
        "empty": int((store.index["n"] == 0).sum()),
        "matches": matches,
        "bytes": file.stat().st_size,
        "bytes_per_match": round(file.stat().st_size / max(1, matches), 2),
    }


def inspection(file: Path) -> dict[str, Any]:
    """What is in a label file: its header, how pairs ended, and the spread of matches, overlap, hops and votes.

    Raises:
        GimError: it is broken.
    """
    store = LabelStore.open(file)
    full = [label for label in store.labels() if len(label)]
    endings = Counter(re.sub(r"\d+", "N", note) for note in store.index["note"])
    found: dict[str, Any] = {"header": asdict(store.meta), "endings": dict(endings.most_common())}
    if full:
        found["matches a pair"] = _spread([len(label) for label in full])
        found["overlap"] = _spread([label.overlap for label in full])
        found["frames apart"] = _spread([label.frame1 - label.frame0 for label in full])
        for name in ("hops", "votes", "confidence"):
            found[name] = _spread(np.concatenate([getattr(label, name) for label in full]))
    return found


def problems(folder: LabelFolder) -> list[str]:
    """Everything that is wrong with a folder: hashes against its record, schema, values, frames that are not there."""
    found = list(_record_problems(folder))
    try:
        frames = folder.frames()
    except GimError as error:
        found.append(error.problem)
        frames = None
    for file in folder.files:
        try:
            store = LabelStore.open(file)
            labels = store.labels()
            counted = store.index["n"].tolist() == [len(label) for label in labels]
        except GimError as error:
            found.append(error.problem)
            continue
        last = max((label.frame1 for label in labels), default=-1)
        if not counted:
            found.append(f"{file} counts other matches in its column n than it holds")
        if any(not 0 <= label.frame0 < label.frame1 for label in labels):
            found.append(f"{file} has a pair that does not go forward in time")
        if frames is not None and last >= len(frames):
            found.append(f"{file} names frame {last}; the video has {len(frames)}")
    return found


def _spread(values: ArrayLike) -> str:
    low, middle, high = np.quantile(np.asarray(values, np.float64), (0.05, 0.5, 0.95))
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def _record_problems(folder: LabelFolder) -> Iterator[str]:
    """Where the bytes differ from what the ledger or the manifest sealed."""
    if (folder.path / RECORD).is_file():
        try:
            content = read_json(folder.path / RECORD)["content"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            yield f"{folder.path / RECORD} cannot be read: {error!r}"
            return
        if content != tree_digest(folder.path):
            yield f"{folder.path} holds other bytes than its {RECORD} says"
        return
    try:
        manifest = read_manifest(folder.path)
    except GimError as error:
        yield error.problem
        return
    if manifest is None:
        yield f"{folder.path} has neither {RECORD} nor a manifest: it was not finished"
        return
    present = {file.name for file in folder.files}
    for name in sorted(set(manifest.files) | present):
        if name not in present:
            yield f"{folder.path / name} is missing"
        elif manifest.files.get(name) != sha256(folder.path / name):
            yield f"{folder.path / name} is not what the manifest lists"


def _below(path: Path) -> Iterator[LabelFolder]:
    for folder in sorted(each for each in path.glob("*") if each.is_dir()):
        if any(folder.glob("*.parquet")):
            yield _folder(folder)


def _folder(path: Path) -> LabelFolder:
    real = path.resolve()
    return LabelFolder(real.parent.name, real.name, path)
