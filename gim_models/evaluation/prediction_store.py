"""Predictions on disk: one Parquet file per sequence, one row per pair, written once and scored many times.

Columns: ``identifier``; ``keypoints0`` and ``keypoints1``, lists of 2 N float32 (x0, y0, x1, y1, ...) in pixels of the
stored benchmark image, centre of the top-left pixel at (0, 0); ``confidence``, N float32.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gim_data.errors import GimError
from gim_data.files import atomic
from gim_data.types import Floats

_SCHEMA = pa.schema(
    [
        ("identifier", pa.string()),
        ("keypoints0", pa.list_(pa.float32())),
        ("keypoints1", pa.list_(pa.float32())),
        ("confidence", pa.list_(pa.float32())),
    ]
)
_ROWS = 256  # of a row group


@dataclass(frozen=True)
class Prediction:
    """The matches of one benchmark pair.

    Attributes:
        identifier: of the pair.
        keypoints0, keypoints1: (N, 2) float32 pixels of the stored images.
        confidence: (N,) float32.
    """

    identifier: str
    keypoints0: Floats
    keypoints1: Floats
    confidence: Floats


class Journal:
    """The predictions of one sequence while they are made: what is entered survives a killed process.

    Each flush writes one file, whole or not at all, named by the number of its first pair. Batches are never parted,
    so that a matcher that goes on sees the same batches, and finds the same bits, as one that was not interrupted.

    Args:
        folder: of the files.
        seconds: of work that an interruption may cost, besides the batch that is being matched.
    """

    def __init__(self, folder: Path, *, seconds: float = 2.0) -> None:
        self._folder, self._seconds = folder, seconds
        self._waiting: list[Prediction] = []
        self._length: int = sum(pq.read_metadata(path).num_rows for path in self._files())
        self._flushed = time.monotonic()

    def __len__(self) -> int:
        """How many pairs were entered."""
        return self._length + len(self._waiting)

    def enter(self, batch: Iterable[Prediction]) -> None:
        """Add the predictions of one batch."""
        self._waiting += batch
        if time.monotonic() - self._flushed >= self._seconds:
            self.flush()

    def flush(self) -> None:
        """Bring what was entered to the disk."""
        if self._waiting:
            write_predictions(self._folder / f"{self._length:09d}.parquet", self._waiting)
        self._length += len(self._waiting)
        self._waiting = []
        self._flushed = time.monotonic()

    def read(self) -> Iterator[Prediction]:
        """Everything that was flushed, in order."""
        for path in self._files():
            yield from read_predictions(path)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.parquet"))


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write the predictions of one sequence, in the order given, one row group in memory at a time."""
    rest = iter(predictions)
    with atomic(path) as temporary, pq.ParquetWriter(temporary, _SCHEMA, compression="zstd") as writer:
        while rows := list(islice(rest, _ROWS)):
            writer.write_table(_table(rows))


def count_matches(path: Path) -> int:
    """How many matches a file of predictions holds, over all its pairs."""
    lengths = pc.list_value_length(pq.read_table(path, columns=["confidence"])["confidence"])
    return int(pc.sum(lengths).as_py() or 0)


def read_predictions(path: Path) -> Iterator[Prediction]:
    """Read the predictions of one sequence, in the order written, one row group in memory at a time.

    Raises:
        GimError: the file is missing or is no prediction file.
    """
    try:
        stream = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise GimError(f"{path} holds no predictions: {error}", "run 'gim run zeb_predictions' again") from None
    if stream.schema_arrow.names != _SCHEMA.names:
        raise GimError(f"{path} has the columns {stream.schema_arrow.names}", "run 'gim run zeb_predictions' again")
    for batch in stream.iter_batches(batch_size=_ROWS):
        identifiers = batch.column(0).to_pylist()
        for i, identifier in enumerate(identifiers):
            points0, points1, confidence = (batch.column(c)[i].values.to_numpy() for c in (1, 2, 3))
            yield Prediction(identifier, points0.reshape(-1, 2), points1.reshape(-1, 2), confidence)


def _table(predictions: Sequence[Prediction]) -> pa.Table:
    columns = [
        pa.array([p.identifier for p in predictions], pa.string()),
        *(_lists([np.ravel(getattr(p, name)) for p in predictions]) for name in _SCHEMA.names[1:]),
    ]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)


def _lists(rows: Sequence[np.ndarray]) -> pa.Array:
    offsets = np.cumsum([0, *(len(row) for row in rows)]).astype(np.int32)
    flat = np.concatenate(rows).astype(np.float32) if rows else np.zeros(0, np.float32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))
