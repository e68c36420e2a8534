"""Pair labels on disk: one Parquet file per label set, one row per frame pair, about eight bytes per match.

Schema, version 1 (``docs`` name it too):

======================  ===================  ==========================================================
column                  type                 meaning
======================  ===================  ==========================================================
frame0, frame1          int32                rows of the video's frame store
n                       int32                correspondences of the pair; 0 records "tried, nothing"
overlap                 float32              share of frame0's covered cells seen in frame1, in [0, 1]
max_hops                uint8                the longest chain among them; 0 for direct matches
raw                     int32                matches before any filter
note                    string               how the pair ended: ``ok``, ``static``, or why it is empty
x0, y0, x1, y1          list<uint16>         (pixel + 0.5) * scale, scale in the metadata (16 below 4096 px)
confidence              list<uint8>          255 * confidence
hops, votes             list<uint8>          per correspondence
======================  ===================  ==========================================================

The file's metadata hold, under the key ``gim``, a JSON object with the version, the scale and the ``LabelMeta``.
Half a pixel is added so that a point on the outer half of the first pixel stays positive.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gim_data.errors import GimError
from gim_data.files import atomic, canonical
from gim_data.types import Floats, PairLabel, Size

VERSION = 1
_KEY = b"gim"
_REMEDY = "delete the file and run 'gim run matches' (or 'gim run tracks' for pairs.parquet) again"
_POINTS = ("x0", "y0", "x1", "y1")
_SCALARS = ("frame0", "frame1", "n", "overlap", "max_hops", "raw", "note")
# Splitting the two bytes of a coordinate apart is what lets zstd take the upper one: 7.9 bytes a match instead of 12.
_ENCODING: dict[str, Any] = {
    "compression": "zstd",
    "write_statistics": False,
    "use_dictionary": ["note", "hops.list.element", "votes.list.element"],
    "column_encoding": {f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in (*_POINTS, "confidence")},
}
_GROUP = 8  # pairs per row group: a random pair then costs under a millisecond
SCHEMA = pa.schema(
    [
        ("frame0", pa.int32()),
        ("frame1", pa.int32()),
        ("n", pa.int32()),
        ("overlap", pa.float32()),
        ("max_hops", pa.uint8()),
        ("raw", pa.int32()),
        ("note", pa.string()),
        *[(name, pa.list_(pa.uint16())) for name in _POINTS],
        *[(name, pa.list_(pa.uint8())) for name in ("confidence", "hops", "votes")],
    ]
)


@dataclass(frozen=True)
class LabelMeta:
    """What a label file is about.

    Attributes:
        size: (width, height) of the frames that the points live in.
        teacher: name of the matcher, or ``"propagated"``.
        skip: seconds between the frames of a pair, 0 where pairs differ.
        zoom_pass: 1 for the plain pass, 2 for the zoomed one (GIM.md 1.5), 0 where it means nothing.
        sparse: whether equal keypoints of different pairs are the same detection.
        rank: place of the teacher in the order of preference; its matches place a track where several agree.
    """

    size: Size
    teacher: str
    skip: float = 0.0
    zoom_pass: int = 1
    sparse: bool = True
    rank: int = 0


@dataclass(frozen=True)
class Note:
    """How a pair ended.

    Attributes:
        raw: matches before any filter.
        text: ``ok``, ``static``, or why the result is empty.
    """

    raw: int
    text: str = "ok"


def write_labels(path: Path, labels: Sequence[PairLabel], meta: LabelMeta, notes: Sequence[Note] | None = None) -> None:
    """Write a label set atomically; the same labels give the same bytes.

    Args:
        path: the ``.parquet`` file.
        labels: one per pair, empty ones included.
        meta: what they are about.
        notes: one per label; by default ``ok`` with the label's own count.

    Raises:
        GimError: a coordinate, confidence or overlap is not finite or out of its range.
    """
    notes = [Note(len(label)) for label in labels] if notes is None else notes
    for label in labels:
        _check_label(path, label, meta.size)
    scale = _scale(meta.size)
    header = canonical({**asdict(meta), "size": list(meta.size), "version": VERSION, "scale": scale})
    schema = SCHEMA.with_metadata({_KEY: header.encode()})
    table = pa.table(_columns(labels, notes, scale), schema=schema)
    with atomic(path) as temporary:
        pq.write_table(table, temporary, row_group_size=_GROUP, **_ENCODING)


def read_labels(path: Path) -> list[PairLabel]:
    """Every pair of a label file, empty ones included.

    Raises:
        GimError: see ``LabelStore.open``.
    """
    return LabelStore.open(path).labels()


@dataclass(frozen=True)
class LabelStore:
    """A label file that is read where it is asked.

    Attributes:
        path: the file.
        meta: what it is about.
        scale: fixed-point units per pixel.
    """

    path: Path
    meta: LabelMeta
    scale: int

    @classmethod
    def open(cls, path: Path) -> LabelStore:
        """Read the header and check the schema.

        Raises:
            GimError: no such file, empty or not Parquet, a missing or mistyped column, another version.
        """
        header = _header(path)
        try:
            header["size"] = tuple(header["size"])
            version, scale = header.pop("version"), header.pop("scale")
            if version != VERSION:
                raise GimError(f"{path}: label schema version {version}, this program reads {VERSION}", _REMEDY)
            return cls(path, LabelMeta(**header), scale)
        except (KeyError, TypeError) as error:
            raise GimError(f"{path}: its label header is not one of this program: {error}", _REMEDY) from error

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row per pair: frame0, frame1, n, overlap, max_hops, raw, note.

        Raises:
            GimError: the columns cannot be read, or an overlap is not in [0, 1].
        """
        frame: pd.DataFrame = self._read(list(_SCALARS)).to_pandas()
        if not frame["overlap"].between(0.0, 1.0).all():
            raise GimError(f"{self.path}: an overlap is NaN or outside [0, 1]", _REMEDY)
        return frame

    def label(self, row: int) -> PairLabel:
        """The pair of one row of ``index``; reads its row group only."""
        with pq.ParquetFile(self.path, metadata=self._footer) as source:
            table = source.read_row_group(row // _GROUP)
        return self._label(table.slice(row % _GROUP, 1).to_pydict(), 0)

    def labels(self) -> list[PairLabel]:
        """Every pair."""
        table = self._read(None)
        columns = {name: _rows(table[name]) for name in table.column_names}
        return [self._label(columns, row) for row in range(table.num_rows)]

    @cached_property
    def _footer(self) -> pq.FileMetaData:
        return pq.read_metadata(self.path)

    def _read(self, columns: list[str] | None) -> pa.Table:
        try:
            return pq.read_table(self.path, columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise GimError(f"{self.path} cannot be read: {error}", _REMEDY) from error

    def _label(self, columns: dict[str, Any], row: int) -> PairLabel:
        x0, y0, x1, y1 = (np.asarray(columns[name][row], np.float32) / self.scale - 0.5 for name in _POINTS)
        label = PairLabel(
            frame0=int(columns["frame0"][row]),
            frame1=int(columns["frame1"][row]),
            points0=np.stack([x0, y0], axis=1).astype(np.float32),
            points1=np.stack([x1, y1], axis=1).astype(np.float32),
            confidence=np.asarray(columns["confidence"][row], np.float32) / np.float32(255),
            hops=np.asarray(columns["hops"][row], np.uint8),
            votes=np.asarray(columns["votes"][row], np.uint8),
            overlap=float(columns["overlap"][row]),
        )
        _check_label(self.path, label, self.meta.size)
        return label


def _header(path: Path) -> dict[str, Any]:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise GimError(f"{path} is not a label file: {error}", _REMEDY) from error
    wrong = [f.name for f in SCHEMA if f.name not in schema.names or schema.field(f.name).type != f.type]
    if wrong:
        raise GimError(f"{path}: column(s) {wrong} missing or of another type", _REMEDY)
    if _KEY not in (schema.metadata or {}):
        raise GimError(f"{path}: no label header in its metadata", _REMEDY)
    try:
        header: dict[str, Any] = json.loads(schema.metadata[_KEY])
    except ValueError as error:
        raise GimError(f"{path}: its label header is not JSON: {error}", _REMEDY) from error
    return header


def _check_label(path: Path, label: PairLabel, size: Size) -> None:
    points = np.concatenate([label.points0, label.points1])
    where = f"{path}: pair ({label.frame0}, {label.frame1})"
    if not np.isfinite(points).all():
        raise GimError(f"{where} has a coordinate that is not finite", _REMEDY)
    if len(points) and (points.min() < -0.5 or (points > np.subtract(size, 0.5) + 1e-3).any()):
        raise GimError(f"{where} has a point outside the {size[0]}x{size[1]} frame", _REMEDY)
    if not (0 <= label.overlap <= 1) or not ((label.confidence >= 0) & (label.confidence <= 1)).all():
        raise GimError(f"{where} has an overlap or confidence that is NaN or outside [0, 1]", _REMEDY)


def _scale(size: Size) -> int:
    return 1 << int(np.floor(np.log2(65535 / max(size)))) if max(size) > 4095 else 16


def _columns(labels: Sequence[PairLabel], notes: Sequence[Note], scale: int) -> dict[str, Any]:
    points = [np.concatenate([label.points0, label.points1], axis=1) for label in labels]
    fixed = np.round((np.concatenate([np.zeros((0, 4), np.float32), *points]) + 0.5) * scale).astype(np.uint16)
    offsets = np.cumsum([0, *map(len, labels)], dtype=np.int32)
    lists: dict[str, NDArray[np.unsignedinteger[Any]]] = {name: fixed[:, i] for i, name in enumerate(_POINTS)}
    lists["confidence"] = _flat([np.round(label.confidence * 255).astype(np.uint8) for label in labels])
    lists["hops"] = _flat([label.hops for label in labels])
    lists["votes"] = _flat([label.votes for label in labels])
    return {
        "frame0": np.array([label.frame0 for label in labels], np.int32),
        "frame1": np.array([label.frame1 for label in labels], np.int32),
        "n": np.array([len(label) for label in labels], np.int32),
        "overlap": np.array([label.overlap for label in labels], np.float32),
        "max_hops": np.array([label.hops.max(initial=0) for label in labels], np.uint8),
        "raw": np.array([note.raw for note in notes], np.int32),
        "note": [note.text for note in notes],
        **{name: pa.ListArray.from_arrays(offsets, pa.array(values)) for name, values in lists.items()},
    }


def _flat(arrays: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.concatenate([np.zeros(0, np.uint8), *arrays])


def _rows(column: pa.ChunkedArray) -> Any:
    """A column as something indexable by row, without a Python object per value."""
    if not pa.types.is_list(column.type):
        return column.to_pylist()
    joined = column.combine_chunks()
    values = joined.flatten().to_numpy(zero_copy_only=False)
    offsets = joined.offsets.to_numpy() - joined.offsets[0].as_py()
    return [values[a:b] for a, b in pairwise(offsets)]


def quantised(points: Floats, size: Size) -> Floats:
    """(N, 2) the points as the store gives them back: within half a fixed-point unit."""
    scale = _scale(size)
    return (np.round((points + 0.5) * scale) / scale - 0.5).astype(np.float32)
