"""Lists of image pairs in JSON (``{"pairs": [{...}, ...]}``): entries with the words that name them in errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gim_data.bench.checks import check_name
from gim_data.errors import BadInput

PAIRS_FILE = "pairs.json"
Entry = Mapping[str, Any]
_BLANKS = " \t\r\n"


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        BadInput: the file is missing, is not JSON, or holds no object.
    """
    return _parse(path, _text(path))


def read_listing(path: Path) -> list[tuple[str, Entry]]:
    """Every entry of the list ``pairs``, each with ``<file>, line <n>, pair <i>``, where it begins.

    Raises:
        BadInput: not JSON, no such list, an empty one, or an entry that is no object.
    """
    text = _text(path)
    entries = _parse(path, text).get("pairs")
    if not isinstance(entries, list) or not entries:
        raise BadInput(f"{path} lists no pair", "write {'pairs': [{...}, ...]}, or remove the folder from the sources")
    lines = entry_lines(text, "pairs")
    named = [(f"{path}, line {line}, pair {i}", e) for i, (line, e) in enumerate(zip(lines, entries, strict=True))]
    for where, entry in named:
        if not isinstance(entry, dict):
            raise BadInput(f"{where}: not an object", "write {'image0': ..., 'image1': ..., ...}")
    return named


def entry_lines(text: str, key: str) -> list[int]:
    """The line, from 1, on which each element of the array ``key`` of a valid JSON object begins."""
    decoder = json.JSONDecoder()
    lines: list[int] = []
    for name, at in _members(text, decoder):
        if name == key:
            lines = [text.count("\n", 0, start) + 1 for start in _elements(text, at, decoder)]
    return lines


def image_field(folder: Path, entry: Entry, field: str, where: str, remedy: str) -> Path:
    """The image file that a field names, below ``folder/images``.

    Raises:
        BadInput: the field is missing, its name leaves the folder, or there is no such file.
    """
    name = entry.get(field)
    if not isinstance(name, str):
        raise BadInput(f"{where}, {field}: missing", remedy)
    path = folder / "images" / check_name(name, f"{where}, {field}")
    if not path.is_file():
        raise BadInput(f"{where}, {field}: image {path} does not exist", "restore it, or remove its pairs")
    return path


def array_field(
    entry: Entry, field: str, shape: tuple[int | None, ...], where: str, remedy: str
) -> NDArray[np.float64]:
    """The array of numbers in a field; ``None`` in ``shape`` takes any length.

    Raises:
        BadInput: it is missing, not made of numbers, or of another shape.
    """
    value = entry.get(field)
    if value is None:
        raise BadInput(f"{where}, {field}: missing", remedy)
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadInput(f"{where}, {field}: not a matrix of numbers", remedy) from None
    if len(array.shape) != len(shape) or any(b not in (None, a) for a, b in zip(array.shape, shape, strict=True)):
        wanted = tuple("any" if n is None else n for n in shape)
        raise BadInput(f"{where}, {field}: shape {array.shape} instead of {wanted}", remedy)
    return array


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise BadInput(f"{path} is not JSON: {error}", "restore the file") from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadInput(f"{path} is not JSON: {error}", "restore the file") from None
    if not isinstance(raw, dict):
        raise BadInput(f"{path} does not hold an object", "write {'pairs': [...]}") from None
    return raw


def _members(text: str, decoder: json.JSONDecoder) -> Iterator[tuple[str, int]]:
    """Names of a JSON object's members, each with where its value begins."""
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        name, at = decoder.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        yield name, at
        at = _skip(text, decoder.raw_decode(text, at)[1])
        at = _skip(text, at + 1) if text[at] == "," else at


def _elements(text: str, at: int, decoder: json.JSONDecoder) -> Iterator[int]:
    """Where each element of the JSON array that begins at ``at`` begins."""
    at = _skip(text, at + 1)
    while text[at] != "]":
        yield at
        at = _skip(text, decoder.raw_decode(text, at)[1])
        at = _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    while text[at] in _BLANKS:
        at += 1
    return at
