"""What a folder of label files is, where no ledger says it: the manifest beside imported and handed-on labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gim_data.errors import GimError
from gim_data.files import read_json, sha256, write_json
from gim_data.types import Size

MANIFEST = "manifest.json"
_REMEDY = "make the labels again"


class Manifest(BaseModel):
    """The contents of ``manifest.json``; written last, so that a folder with one is whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    video: str = Field(min_length=1)
    size: Size
    frames: tuple[int, ...] = Field(description="the source's own number of every frame; labels name rows of this list")
    sources: tuple[str, ...] = Field(description="the label sets that went in")
    files: dict[str, str] = Field(description="file name -> SHA-256")
    summary: dict[str, Any] = Field(default_factory=dict, description="numbers for people")


def write_manifest(
    folder: Path,
    *,
    video: str,
    size: Size,
    frames: Sequence[int],
    sources: Sequence[str],
    summary: Mapping[str, Any],
) -> Manifest:
    """Seal the label files of ``folder`` with their hashes.

    Args:
        folder: holds the ``.parquet`` files of one video.
        video: its name.
        size: (width, height) of the frames that the points live in.
        frames: the source's own number of every frame.
        sources: names of the label sets that went in.
        summary: JSON numbers for people.
    """
    files = {path.name: sha256(path) for path in sorted(folder.glob("*.parquet"))}
    manifest = Manifest(
        video=video, size=size, frames=tuple(frames), sources=tuple(sources), files=files, summary=dict(summary)
    )
    write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
    return manifest


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, None where it has none.

    Raises:
        GimError: it cannot be read, or is of another version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        return Manifest.model_validate(read_json(path))
    except (OSError, ValueError, ValidationError) as error:
        raise GimError(f"{path} is not a manifest of labels: {error}", _REMEDY) from error
