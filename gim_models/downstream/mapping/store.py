"""What a matcher said about images and pairs, one file each, so that a killed run goes on where it was.

A file's name is a digest of what decides its content: matcher, resolution, the bytes of images and masks. A changed
image is matched again, everything else is found; a file that exists is whole.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gim_data.files import atomic, digest_of, fingerprint
from gim_data.types import Features, Matches
from gim_models.downstream.mapping.images import MapImage

VERSION = 1
_LETTERS = 32  # of a digest in a file name
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class MatchStore:
    """Features per image and matches per pair in a folder.

    Attributes:
        folder: where the files are.
        settings: digest of everything but the images that decides a result, see ``settings_digest``.
    """

    folder: Path
    settings: str

    def image_key(self, image: MapImage) -> str:
        """Identifies the pixels (and the mask) of one image under these settings."""
        mask = fingerprint(image.mask) if image.mask else None
        return digest_of([self.settings, fingerprint(image.path), mask])[:_LETTERS]

    def features(self, key: str) -> Features | None:
        """The stored features of an image, or None where there are none."""
        found = _read(self.folder / "features" / f"{key}.npz")
        if found is None:
            return None
        extra = {name.removeprefix("extra."): found[name] for name in found if name.startswith("extra.")}
        width, height = found["size"].tolist()
        return Features(
            found["keypoints"], found["descriptors"], found["scores"], (width, height), extra if extra else None
        )

    def put_features(self, key: str, features: Features) -> None:
        """Keep the features of an image."""
        extra = {f"extra.{name}": np.asarray(values) for name, values in (features.extra or {}).items()}
        _write(
            self.folder / "features" / f"{key}.npz",
            {
                "keypoints": features.keypoints,
                "descriptors": features.descriptors,
                "scores": features.scores,
                "size": np.array(features.size),
                **extra,
            },
        )

    def matches(self, key0: str, key1: str) -> Matches | None:
        """The stored matches of a pair, or None where there are none."""
        found = _read(self._pair_file(key0, key1))
        if found is None:
            return None
        (width0, height0), (width1, height1) = found["sizes"].tolist()
        return Matches(
            found["keypoints0"],
            found["keypoints1"],
            found["confidence"],
            (width0, height0),
            (width1, height1),
            found.get("index0"),
            found.get("index1"),
        )

    def put_matches(self, key0: str, key1: str, matches: Matches) -> None:
        """Keep the matches of a pair."""
        arrays: dict[str, NDArray[Any]] = {
            "keypoints0": matches.keypoints0,
            "keypoints1": matches.keypoints1,
            "confidence": matches.confidence,
            "sizes": np.array([matches.size0, matches.size1]),
        }
        if matches.index0 is not None and matches.index1 is not None:
            arrays |= {"index0": matches.index0, "index1": matches.index1}
        _write(self._pair_file(key0, key1), arrays)

    def has_matches(self, key0: str, key1: str) -> bool:
        """Whether a pair is done."""
        return self._pair_file(key0, key1).is_file()

    def _pair_file(self, key0: str, key1: str) -> Path:
        return self.folder / "pairs" / f"{digest_of([key0, key1])[:_LETTERS]}.npz"


def settings_digest(matcher: str, max_side: int) -> str:
    """Digest of what decides matches beside the images: the matcher with its files, the resolution, the format.

    Args:
        matcher: registry name; of ``student:<folder>`` the files in the folder count, not where it lies.
        max_side: long side that images are reduced to, pixels.
    """
    prefix, _, folder = matcher.partition(":")
    files = sorted(p for p in Path(folder).iterdir() if p.is_file()) if folder and Path(folder).is_dir() else []
    weights = [[p.name, fingerprint(p)] for p in files if p.suffix in {".safetensors", ".json"}]
    return digest_of([VERSION, prefix if weights else matcher, weights, max_side])


def _write(path: Path, arrays: Arrays) -> None:
    with atomic(path) as temporary, temporary.open("wb") as stream:
        named: dict[str, Any] = dict(arrays)
        np.savez(stream, **named)


def _read(path: Path) -> dict[str, NDArray[Any]] | None:
    """The arrays of a file; None where it is absent or damaged, so that it is made again."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        return None
