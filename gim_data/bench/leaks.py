"""The training frames of a workspace against its benchmark images, or any others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from gim_data.bench.checks import load_image
from gim_data.bench.leakage import Hashes, find_twins, perceptual_hash, stack_hashes
from gim_data.errors import GimError
from gim_data.stage import Progress
from gim_data.video.framestore import FrameStore

Item = TypeVar("Item")
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".ppm", ".webp", ".bmp", ".tif", ".tiff"})
_BATCH = 256  # images in flight


@dataclass(frozen=True)
class Leak:
    """A benchmark image that is in the training data.

    Attributes:
        image: the benchmark image.
        video: the unit of the frame store.
        frame, time: which frame, and its presentation seconds.
        bits: how many of the 256 bits of the two hashes differ.
    """

    image: Path
    video: str
    frame: int
    time: float
    bits: int


@dataclass(frozen=True)
class LeakReport:
    """What was compared, and what was found: ``unseen`` images are almost one colour and cannot be told."""

    frames: int
    images: int
    unseen: int
    leaks: tuple[Leak, ...]


def find_leaks(stores: Sequence[FrameStore], images: Sequence[Path], progress: Progress) -> LeakReport:
    """Compare every stored frame with every image.

    Args:
        stores: frame stores that training may read.
        images: benchmark images.
        progress: advanced by one per picture.

    Raises:
        BadInput: an image does not decode.
        GimError: a frame store is damaged.
    """
    places = [(store, i) for store in stores for i in range(len(store))]
    progress.start("hashing", len(places) + len(images))
    frames, rows = stack_hashes(list(_hashes(places, _hash_frame, progress)))
    wanted, columns = stack_hashes(list(_hashes(images, _hash_file, progress)))
    leaks = []
    for twin in find_twins(frames, wanted):
        store, frame = places[rows[twin.training]]
        image = images[columns[twin.benchmark]]
        leaks.append(Leak(image, store.folder.name, frame, float(store.times[frame]), twin.bits))
    return LeakReport(len(places), len(images), len(images) - len(wanted), tuple(leaks))


def frame_stores(data: Path) -> list[FrameStore]:
    """The frame stores of a workspace's ``data`` folder, those of skipped videos aside."""
    folders = sorted(path.parent for path in (data / "frames").glob("*/frames.json"))
    return [FrameStore.open(folder) for folder in folders]


def image_files(folder: Path) -> list[Path]:
    """Every image below a folder, in order of name.

    Raises:
        GimError: there is none.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not found:
        raise GimError(f"{folder} holds no image", "name the folder of a benchmark, or make one with 'gim run bench'")
    return found


def bench_images(data: Path) -> list[Path]:
    """The images of the workspace's own benchmark: those of its sequences, not the pictures beside them."""
    return sorted((data / "bench" / "all").glob("*/*.png"))


def _hashes(
    items: Iterable[Item], function: Callable[[Item], Hashes | None], progress: Progress
) -> Iterator[Hashes | None]:
    """``map`` over threads, in order, with bounded memory: decoding leaves the interpreter alone."""
    rest = iter(items)
    with ThreadPoolExecutor() as pool:
        while batch := list(islice(rest, _BATCH)):
            for found in pool.map(function, batch):
                yield found
                progress.advance(1)


def _hash_frame(place: tuple[FrameStore, int]) -> Hashes | None:
    store, index = place
    return perceptual_hash(store.image(index))


def _hash_file(path: Path) -> Hashes | None:
    return perceptual_hash(load_image(path))
