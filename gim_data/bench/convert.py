"""Posed pairs from one form into the other: ``pairs.json`` with ``images/``, and ZEB's released layout.

Nothing is lost: identifiers, numbers to the last bit, overlaps, and every pixel.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from gim_data.bench.checks import check_name
from gim_data.bench.listing import PAIRS_FILE
from gim_data.bench.names import BY_FOLDER
from gim_data.bench.posed import read_posed
from gim_data.bench.sources import PairSource
from gim_data.bench.zeb import SEPARATORS, place, read_zeb, write_zeb
from gim_data.errors import BadInput
from gim_data.files import atomic, canonical
from gim_data.types import TwoViewPair


def convert(source: PairSource, out: Path, *, separator: str | None = None) -> int:
    """Write the pairs of a folder in the other form.

    Args:
        source: of kind ``posed`` or ``zeb``.
        out: the folder to write.
        separator: of the names in ZEB's layout; None for that of the data set whose folder has the source's name,
            else ``-``.

    Returns:
        How many pairs were written.

    Raises:
        BadInput: a pair is wrong, or cannot be named in the other form.
    """
    if source.kind == "zeb":
        pairs = read_zeb(Path(source.place))
        write_posed(out, pairs)
        return len(pairs)
    row = BY_FOLDER.get(source.name)
    pairs = read_posed(Path(source.place))
    return write_zeb(out, map(place, pairs), separator=separator or (row.separator if row else SEPARATORS[0]))


def write_posed(folder: Path, pairs: Sequence[TwoViewPair]) -> None:
    """Write pairs as ``pairs.json`` with their images as ``images/<scene>/<name>.<suffix>``, byte for byte.

    Raises:
        BadInput: two different images get one name, or a name leaves the folder.
    """
    written: dict[Path, Path] = {}
    rows = []
    for pair in pairs:
        scene, *names = pair.identifier.split("#")
        files = [
            _put(folder, f"{check_name(scene, pair.identifier)}/{check_name(name, pair.identifier)}", image, written)
            for name, image in zip(names, (pair.image0, pair.image1), strict=True)
        ]
        row = {"scene": scene, "image0": files[0], "image1": files[1]}
        matrices = {"K0": pair.K0.tolist(), "K1": pair.K1.tolist(), "T_0to1": pair.T_0to1.tolist()}
        rows.append({**row, **matrices, **({} if math.isnan(pair.overlap) else {"overlap": pair.overlap})})
    with atomic(folder / PAIRS_FILE) as temporary:
        lines = ",\n".join(canonical(row) for row in rows)  # a pair a line: errors name it
        temporary.write_text(f'{{"pairs": [\n{lines}\n]}}\n')


def _put(folder: Path, stem: str, source: Path, written: dict[Path, Path]) -> str:
    """Copy an image; its name below ``images/``."""
    name = f"{stem}{source.suffix}"
    target = folder / "images" / name
    if written.setdefault(target, source) != source:
        raise BadInput(f"{source} and {written[target]} both become {target}", "give them different names")
    if not target.is_file():
        with atomic(target) as temporary:
            shutil.copyfile(source, temporary)
    return name
