"""GIM's result dumps: one text file per method and data set, one row per pair (GIM.md 4.5, 4.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gim_data.errors import GimError
from gim_data.files import atomic

COLUMNS = (
    "identifiers covisible0 covisible1 R_errs t_errs t_errs2 Bef.Prec Bef.Num Aft.Prec Aft.Num".split()  # noqa: SIM905
)
_NAME = re.compile(r"^\[T\] (?P<method>\S+) +(?P<dataset>\S+) (?P<version>\S+)\.txt$")
_REMEDY = "download the file again, or remove it from the folder"


@dataclass(frozen=True)
class DumpFile:
    """What a dump's name says.

    Attributes:
        path: the file.
        method, dataset, version: such as ``gim_dkm``, ``GL3D`` and ``100h``.
    """

    path: Path
    method: str
    dataset: str
    version: str


def dump_name(method: str, dataset: str, version: str) -> str:
    """``[T] <method> <dataset, right-aligned to 15> <version>.txt``."""
    return f"[T] {method} {dataset:>15} {version}.txt"


def find_dumps(folder: Path) -> Iterator[DumpFile]:
    """Every dump in a folder, by name.

    Raises:
        GimError: the folder is missing or holds none.
    """
    found = [(path, _NAME.match(path.name)) for path in sorted(folder.glob("*.txt"))]
    dumps = [DumpFile(path, match["method"], match["dataset"], match["version"]) for path, match in found if match]
    if not dumps:
        raise GimError(f"{folder} holds no dump", f"a dump is named like '{dump_name('gim_dkm', 'GL3D', '100h')}'")
    yield from dumps


def read_dump(path: Path) -> pd.DataFrame:
    """Read a dump: one row per pair, ``COLUMNS``; errors in degrees, ``inf`` for a failed pair.

    Raises:
        GimError: not a dump, a row with the wrong number of fields, a field that is no number, or a pair named twice.
    """
    lines = path.read_text().splitlines()
    if not lines or lines[0].split() != COLUMNS:
        raise GimError(f"{path}, line 1: the columns are not {' '.join(COLUMNS)}", _REMEDY)
    rows = [line.split() for line in lines[1:]]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(COLUMNS):
            raise GimError(f"{path}, line {number}: {len(row)} fields instead of {len(COLUMNS)}", _REMEDY)
    table = pd.DataFrame(rows, columns=COLUMNS)
    for column in COLUMNS[1:]:
        table[column] = _numbers(path, table[column])
    twice = table["identifiers"].duplicated()
    if twice.any():
        at = int(np.flatnonzero(twice)[0])
        raise GimError(f"{path}, line {at + 2}, identifiers: {rows[at][0]} appears twice", _REMEDY)
    return table


def _numbers(path: Path, column: pd.Series) -> pd.Series:
    values = pd.to_numeric(column, errors="coerce")
    bad = values.isna() & (column.str.lower() != "nan")
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise GimError(f"{path}, line {at + 2}, {column.name}: {column.iloc[at]!r} is not a number", _REMEDY)
    return values


def write_dump(path: Path, table: pd.DataFrame) -> None:
    """Write rows with ``COLUMNS`` as a dump; counts as integers, everything else in full precision."""
    counts = {"Bef.Num", "Aft.Num"}
    with atomic(path) as temporary, temporary.open("w") as stream:
        stream.write(" ".join(COLUMNS) + "\n")
        for row in table[COLUMNS].itertuples(index=False):
            fields = [str(int(v)) if c in counts else str(v) for c, v in zip(COLUMNS, row, strict=True)]
            stream.write(" ".join(fields) + "\n")
