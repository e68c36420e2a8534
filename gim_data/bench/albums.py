"""Every picture that training may read: frames of videos, frames of synthetic worlds, images of posed data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from gim_data.bench.checks import load_image
from gim_data.files import digest_of, read_json
from gim_data.ledger import RECORD
from gim_data.posed.layouts import posed_images
from gim_data.synthetic.truth import TruthStore
from gim_data.types import Image
from gim_data.video.framestore import FrameStore


@dataclass(frozen=True)
class Album:
    """Pictures of one origin.

    Attributes:
        name: of the video or the world, or the posed data set's folder.
        count: how many pictures.
        read: the picture at an index, RGB.
        place: where the picture at an index is, for people.
        content: what identifies all of them, or None where nothing does.
    """

    name: str
    count: int
    read: Callable[[int], Image]
    place: Callable[[int], str]
    content: str | None


def workspace_albums(data: Path) -> list[Album]:
    """The videos and worlds of a workspace's ``data`` folder, those that were skipped aside.

    Raises:
        GimError: a store is damaged.
    """
    videos = [_video(FrameStore.open(path.parent)) for path in sorted((data / "frames").glob("*/frames.json"))]
    worlds = [_world(TruthStore.open(path.parent)) for path in sorted((data / "worlds").glob("*/truth.json"))]
    return [*videos, *worlds]


def posed_albums(folders: Iterable[Path]) -> list[Album]:
    """Posed data sets in the layouts of MegaDepth and ScanNet; images that are not on this disk are left out.

    Raises:
        GimError: a folder holds no such data set.
    """
    return [_posed(folder) for folder in dict.fromkeys(folders)]


def _video(store: FrameStore) -> Album:
    name = store.folder.name
    return Album(
        name,
        len(store),
        store.image,
        lambda i: f"{name}, frame {i} at {float(store.times[i]):.2f} s",
        _recorded(store.folder),
    )


def _world(store: TruthStore) -> Album:
    name = store.folder.name
    return Album(name, len(store), store.image, lambda i: f"world {name}, frame {i}", _recorded(store.folder))


def _posed(folder: Path) -> Album:
    files = [path for path in posed_images(folder) if path.is_file()]
    stats = [(path, path.stat()) for path in files]
    content = digest_of([[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in stats])
    return Album(str(folder), len(files), lambda i: load_image(files[i]), lambda i: str(files[i]), content)


def _recorded(folder: Path) -> str | None:
    """What the ledger says is in a unit."""
    record = folder / RECORD
    content: str | None = read_json(record).get("content") if record.is_file() else None
    return content or None
