"""The training pictures of a workspace against its benchmark images, or any others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np

from gim_data.bench.albums import Album
from gim_data.bench.checks import load_image
from gim_data.bench.leakage import HASHING, WORDS, Hashes, find_twins, perceptual_hash, stack_hashes
from gim_data.errors import GimError
from gim_data.files import atomic, digest_of
from gim_data.stage import Progress

Item = TypeVar("Item")
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".ppm", ".webp", ".bmp", ".tif", ".tiff"})
_BATCH = 256  # images in flight


@dataclass(frozen=True)
class Leak:
    """A benchmark image that is in the training data.

    Attributes:
        image: the benchmark image.
        source: the video, the world or the posed data set's folder.
        frame: which of its pictures.
        place: the same for people, with the time of a video's frame or the file of a posed image.
        bits: how many of the 256 bits of the two hashes differ.
    """

    image: Path
    source: str
    frame: int
    place: str
    bits: int


@dataclass(frozen=True)
class LeakReport:
    """What was compared, and what was found: ``unseen`` images are almost one colour and cannot be told."""

    pictures: int
    images: int
    unseen: int
    leaks: tuple[Leak, ...]


def find_leaks(
    albums: Sequence[Album], images: Sequence[Path], progress: Progress, *, cache: Path | None = None
) -> LeakReport:
    """Compare every training picture with every image.

    Args:
        albums: pictures that training may read.
        images: benchmark images.
        progress: advanced by one per picture.
        cache: folder where the hashes of albums are kept under their content; what no album of this call has is removed
            from it. None to keep nothing.

    Raises:
        BadInput: an image does not decode.
        GimError: a frame store is damaged.
    """
    places = [(album, i) for album in albums for i in range(album.count)]
    progress.start("hashing", len(places) + len(images))
    known, rows = stack_hashes([found for album in albums for found in _album_hashes(album, cache, progress)])
    wanted, columns = stack_hashes(list(_hashes(images, _hash_file, progress)))
    leaks = []
    for twin in find_twins(known, wanted):
        album, frame = places[rows[twin.training]]
        leaks.append(Leak(images[columns[twin.benchmark]], album.name, frame, album.place(frame), twin.bits))
    if cache is not None:
        _forget(cache, {_kept(album, cache) for album in albums})
    return LeakReport(len(places), len(images), len(images) - len(wanted), tuple(leaks))


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


def cache_folder(data: Path) -> Path:
    """Where a workspace keeps hashes; it may be deleted at any time."""
    return data / ".work" / "hashes"


def _album_hashes(album: Album, cache: Path | None, progress: Progress) -> list[Hashes | None]:
    """The hash of every picture of an album, from the cache where it is there."""
    path = _kept(album, cache) if cache is not None else None
    found = _read(path, album.count) if path is not None else None
    if found is not None:
        progress.advance(album.count)
        return found
    found = list(_hashes(range(album.count), lambda i: perceptual_hash(album.read(i)), progress))
    if path is not None:
        _write(path, found)
    return found


def _kept(album: Album, cache: Path) -> Path | None:
    """The file of an album's hashes; None where nothing says what is in it."""
    return cache / f"{digest_of([HASHING, album.content])[:32]}.npz" if album.content else None


def _read(path: Path, frames: int) -> list[Hashes | None] | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            hashes, known = arrays["hashes"], arrays["known"]
    except (OSError, ValueError, KeyError, BadZipFile):
        return None
    if hashes.shape != (frames, WORDS) or known.shape != (frames,):
        return None
    return [row if seen else None for row, seen in zip(hashes, known, strict=True)]


def _write(path: Path, found: Sequence[Hashes | None]) -> None:
    blank = np.zeros(WORDS, np.uint64)
    rows = np.array([blank if row is None else row for row in found], np.uint64).reshape(-1, WORDS)
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, hashes=rows, known=np.array([row is not None for row in found], bool))


def _forget(cache: Path, wanted: set[Path | None]) -> None:
    for path in set(cache.glob("*.npz")) - wanted:
        path.unlink(missing_ok=True)


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


def _hash_file(path: Path) -> Hashes | None:
    return perceptual_hash(load_image(path))
