"""ZEB's frozen pair list: which pairs the published scores are about, and the overlap of each (GIM.md 4.2).

A rule that draws pairs drifts with its code; a list does not. ``zeb_pairs.parquet`` holds the 45,916 pairs that the
published result dumps name, without any result. Image names are bare: the dumps print the name of the source data set
(``img/img0001_0.png``), the archives hold ``img0001_0``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from gim_data.bench.dumps import find_dumps, read_dump
from gim_data.bench.names import BY_DUMP
from gim_data.errors import GimError
from gim_data.files import atomic

PAIRS_FILE = Path(__file__).with_name("zeb_pairs.parquet")
_STEPS = np.iinfo(np.uint16).max
_SUFFIX = re.compile(r"\.(png|jpe?g)$", re.IGNORECASE)

FrozenPairs = Mapping[str, Mapping[str, float]]
"""Folder of the data set -> identifier ``scene#name0#name1`` with bare names -> overlap in [0, 1]."""


def bare_identifier(identifier: str) -> str:
    """``scene#name0#name1`` with image names reduced to what the archives call them: no folder, no image suffix."""
    scene, *names = identifier.split("#")
    return "#".join([scene, *(_SUFFIX.sub("", name.rpartition("/")[2]) for name in names)])


def read_frozen(path: Path = PAIRS_FILE) -> FrozenPairs:
    """The list that comes with the project; overlaps to 1/65535."""
    table = pd.read_parquet(path)
    overlaps = table["overlap"] / _STEPS
    identifiers = table["scene"] + "#" + table["name0"] + "#" + table["name1"]
    groups = table.groupby("folder", observed=True).indices
    return {
        str(folder): dict(zip(identifiers.iloc[rows], overlaps.iloc[rows], strict=True))
        for folder, rows in groups.items()
    }


def is_released(frozen: FrozenPairs, folder: str, identifiers: Iterable[str]) -> bool:
    """Whether a folder is a data set of ZEB by its name and by its pairs: a part of the list's, and no other."""
    return folder in frozen and all(bare_identifier(name) in frozen[folder] for name in identifiers)


def frozen_from_dumps(folder: Path) -> FrozenPairs:
    """The list that a folder of result dumps implies.

    Raises:
        GimError: no dump, a dump that cannot be read or is of no data set of ZEB, or two that name different pairs.
    """
    found: dict[str, dict[str, float]] = {}
    for dump in find_dumps(folder):
        if dump.dataset not in BY_DUMP:
            raise GimError(f"{dump.path}: ZEB has no data set {dump.dataset}", f"it has {', '.join(sorted(BY_DUMP))}")
        table = read_dump(dump.path)
        pairs = dict(zip(map(bare_identifier, table["identifiers"]), table["covisible0"].astype(float), strict=True))
        if found.setdefault(BY_DUMP[dump.dataset].folder, pairs) != pairs:
            raise GimError(f"{dump.path} names other pairs than another dump of {dump.dataset}", "keep one release")
    return found


def write_frozen(path: Path, frozen: FrozenPairs) -> None:
    """Write the compact form: overlaps as 16-bit steps, names by what they share with the one before."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        (folder, *identifier.split("#"), round(overlap * _STEPS))
        for folder, pairs in sorted(frozen.items())
        for identifier, overlap in sorted(pairs.items())
    ]
    table = pd.DataFrame(rows, columns=["folder", "scene", "name0", "name1", "overlap"])
    columns = pa.Table.from_pandas(table.astype({"overlap": np.uint16}), preserve_index=False).replace_schema_metadata()
    with atomic(path) as temporary:
        pq.write_table(
            columns,
            temporary,
            compression="zstd",
            compression_level=22,
            use_dictionary=["folder", "scene"],
            column_encoding={"name0": "DELTA_BYTE_ARRAY", "name1": "DELTA_BYTE_ARRAY"},
            write_statistics=False,
        )
