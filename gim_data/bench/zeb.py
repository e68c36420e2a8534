"""ZEB's released layout: images ``<scene>{sep}<name>.png`` and one text file of 38 fields per pair (GIM.md 4.3).

``name0 name1 overlap0 overlap1 K0(9) K1(9) T_0to1(16)``, row-major, separated by blanks, in
``<scene>{sep}<name0>{sep}<name1>.txt``. The separator is found by looking: it is the one that makes the file's name end
with its own two names. Pairs come back in the lexicographic order of their file names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gim_data.bench.checks import (
    check_decodable,
    check_intrinsics,
    check_name,
    check_pose,
    check_principal,
    image_size,
    load_image,
    save_image,
)
from gim_data.errors import BadInput
from gim_data.files import atomic
from gim_data.types import TwoViewPair

FIELDS = 38
SEPARATORS = ("-", "_")
_NAMES = (
    *("name0", "name1", "overlap0", "overlap1"),
    *(f"{m}[{r},{c}]" for m, n in (("K0", 3), ("K1", 3), ("T_0to1", 4)) for r in range(n) for c in range(n)),
)
_REMEDY = "restore the pair file from the release; it holds one line of 38 fields"


@dataclass(frozen=True)
class Placed:
    """A pair and the names it gets in the layout.

    Attributes:
        scene: first part of the file names.
        name0, name1: image names without suffix.
        pair: images, cameras, overlap; its files may lie anywhere.
    """

    scene: str
    name0: str
    name1: str
    pair: TwoViewPair


def place(pair: TwoViewPair) -> Placed:
    """A pair under the names that its identifier ``scene#name0#name1`` gives."""
    scene, name0, name1 = pair.identifier.split("#")
    return Placed(scene, name0, name1, pair)


def is_zeb(folder: Path) -> bool:
    """Whether a folder looks like a data set in the released layout: it has pair files and images beside each other."""
    return any(folder.glob("*.txt")) and any(folder.glob("*.png"))


def read_zeb(folder: Path) -> list[TwoViewPair]:
    """Read and check every pair of one data set, and that every image decodes.

    Raises:
        BadInput: as ``list_zeb``, or an image is cut short or damaged. The error names file, line and field.
    """
    pairs = list_zeb(folder)
    check_decodable(named_images(zip(sorted(folder.glob("*.txt")), pairs, strict=True)))
    return pairs


def named_images(pairs: Iterable[tuple[Path, TwoViewPair]]) -> dict[Path, str]:
    """Every image of (pair file, pair) once, with the first file, line and field that name it."""
    found: dict[Path, str] = {}
    for path, pair in pairs:
        for image, field in zip((pair.image0, pair.image1), _NAMES, strict=False):
            found.setdefault(image, f"{path}, line 1, {field}")
    return found


def list_zeb(folder: Path) -> list[TwoViewPair]:
    """Read and check every pair of one data set; an overlap below 0 means unknown and comes back as NaN.

    Of images only the headers are read.

    Raises:
        BadInput: no pair, or a pair file with a missing, non-numeric or impossible field, an image that is missing, a
            name that leaves the folder, or an identifier that appears twice. The error names file, line and field.
    """
    files = sorted(folder.glob("*.txt"))
    pairs = [read_pair(path) for path in files]
    if not pairs:
        raise BadInput(f"{folder} holds no pair file", "unpack one data set of the benchmark into it")
    seen: dict[str, Path] = {}
    for path, pair in zip(files, pairs, strict=True):
        if pair.identifier in seen:
            first = seen[pair.identifier].name
            raise BadInput(f"{path}, line 1, name0: {pair.identifier} is already in {first}", "remove one of the two")
        seen[pair.identifier] = path
    return pairs


def read_pair(path: Path) -> TwoViewPair:
    """Read and check one pair file.

    Raises:
        BadInput: as ``read_zeb``.
    """
    lines = [line for line in _text(path).splitlines() if line.strip()]
    if len(lines) != 1:
        raise BadInput(f"{path}: {len(lines)} lines instead of 1", _REMEDY)
    fields = lines[0].split()
    if len(fields) != FIELDS:
        at = _NAMES[len(fields)] if len(fields) < FIELDS else f"field {FIELDS + 1}"
        raise BadInput(f"{path}, line 1, {at}: {len(fields)} fields instead of {FIELDS}", _REMEDY)
    where = f"{path}, line 1"
    name0, name1 = (check_name(fields[i], f"{where}, {_NAMES[i]}") for i in (0, 1))
    numbers = np.array([_number(fields[i], f"{where}, {_NAMES[i]}") for i in range(2, FIELDS)])
    scene, image0, image1 = _locate(path, name0, name1)
    cameras = [check_intrinsics(numbers[2 + 9 * i : 11 + 9 * i].reshape(3, 3), f"{where}, K{i}") for i in (0, 1)]
    for i, image in enumerate((image0, image1)):
        check_principal(cameras[i], image_size(image, f"{where}, name{i}"), f"{where}, K{i}")
    return TwoViewPair(
        f"{scene}#{name0}#{name1}",
        image0,
        image1,
        cameras[0],
        cameras[1],
        check_pose(numbers[20:].reshape(4, 4), f"{where}, T_0to1"),
        _overlap(numbers[:2].tolist(), where),
    )


def write_zeb(folder: Path, placed: Iterable[Placed], *, separator: str = "-") -> int:
    """Write pairs and their images in the released layout; each image once, as PNG.

    An unknown overlap (NaN) is written as -1, since the format has no word for it and NaN is refused.

    Returns:
        How many pairs were written.

    Raises:
        BadInput: an image does not decode, or a name would leave the folder or be read back differently.
    """
    written: dict[str, Path] = {}
    count = 0
    for item in placed:
        names = (item.name0, item.name1)
        for name, source in zip(names, (item.pair.image0, item.pair.image1), strict=True):
            _put_image(folder, f"{item.scene}{separator}{check_name(name, str(source))}", source, written)
        path = folder / f"{item.scene}{separator}{names[0]}{separator}{names[1]}.txt"
        if path.exists():
            raise BadInput(f"{path}: the pair appears twice", "give every pair its own names")
        with atomic(path) as temporary:
            temporary.write_text(format_pair(item) + "\n")
        count += 1
    return count


def format_pair(item: Placed) -> str:
    """The 38 fields of one pair in one line, in full precision."""
    overlap = -1.0 if math.isnan(item.pair.overlap) else float(item.pair.overlap)
    numbers = np.concatenate([np.ravel(m) for m in (item.pair.K0, item.pair.K1, item.pair.T_0to1)]).astype(float)
    return " ".join([item.name0, item.name1, *(repr(float(v)) for v in (overlap, overlap, *numbers))])


def _put_image(folder: Path, stem: str, source: Path, written: dict[str, Path]) -> None:
    if " " in stem or "#" in stem:
        raise BadInput(f"{source}: the name {stem!r} holds a blank or '#'", "rename the image")
    if written.setdefault(stem, source) != source:
        raise BadInput(f"{source} and {written[stem]} both become {stem}.png", "give them different names")
    target = folder / f"{stem}.png"
    if not target.exists():
        save_image(target, load_image(source))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not text", _REMEDY) from None


def _number(field: str, where: str) -> float:
    try:
        return float(field)
    except ValueError:
        raise BadInput(f"{where}: {field!r} is not a number", _REMEDY) from None


def _overlap(values: Sequence[float], where: str) -> float:
    for value, name in zip(values, _NAMES[2:4], strict=True):
        if not (0 <= value <= 1 or value == -1):
            raise BadInput(f"{where}, {name}: overlap {value:g} is not in 0 to 1", "write -1 where it is unknown")
    return float("nan") if min(values) < 0 else float(min(values))


def _locate(path: Path, name0: str, name1: str) -> tuple[str, Path, Path]:
    """Scene and image files of a pair, by trying both separators, and names with and without their suffix."""
    flat = path.stem
    candidates = [
        (flat[: -len(tail)], separator, a, b)
        for separator in SEPARATORS
        for a, b in ((name0, name1), (_stem(name0), _stem(name1)))
        if flat.endswith(tail := f"{separator}{a}{separator}{b}") and len(flat) > len(tail)
    ]
    if not candidates:
        raise BadInput(
            f"{path}, line 1, name0: the file name does not end with its two image names {name0} and {name1}",
            "name pair files <scene>{sep}<name0>{sep}<name1>.txt",
        )
    scene, separator, a, b = candidates[0]
    images = [path.parent / f"{scene}{separator}{name}.png" for name in (a, b)]
    for image, field in zip(images, _NAMES, strict=False):
        if not image.is_file():
            raise BadInput(f"{path}, line 1, {field}: image {image.name} is missing", "unpack the images beside it")
    return scene, images[0], images[1]


def _stem(name: str) -> str:
    """The name without what follows its last dot, as GIM's loaders strip it for some data sets."""
    return name.rpartition(".")[0] or name
