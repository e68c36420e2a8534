"""Predictions on disk: one Parquet file per sequence, one row per pair, written once and scored many times.

Columns: ``identifier``; ``keypoints0`` and ``keypoints1``, lists of 2 N float32 (x0, y0, x1, y1, ...) in pixels of the
stored benchmark image, centre of the top-left pixel at (0, 0); ``confidence``, N float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
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


def write_predictions(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write the predictions of one sequence, in the order given."""
    columns = [
        pa.array([p.identifier for p in predictions], pa.string()),
        *(_lists([np.ravel(getattr(p, name)) for p in predictions]) for name in _SCHEMA.names[1:]),
    ]
    with atomic(path) as temporary:
        pq.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA), temporary, compression="zstd", row_group_size=256)


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
    for batch in stream.iter_batches(batch_size=256):
        identifiers = batch.column(0).to_pylist()
        for i, identifier in enumerate(identifiers):
            points0, points1, confidence = (batch.column(c)[i].values.to_numpy() for c in (1, 2, 3))
            yield Prediction(identifier, points0.reshape(-1, 2), points1.reshape(-1, 2), confidence)


def _lists(rows: Sequence[np.ndarray]) -> pa.Array:
    offsets = np.cumsum([0, *(len(row) for row in rows)]).astype(np.int32)
    flat = np.concatenate(rows).astype(np.float32) if rows else np.zeros(0, np.float32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))
