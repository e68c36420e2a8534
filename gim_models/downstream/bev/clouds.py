"""Point clouds from files: ``.bin`` (float32 rows), ``.ply``, ``.pcd``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gim_data.errors import BadInput
from gim_data.types import Floats
from gim_models.downstream.bev.pcd import read_pcd

FEWEST = 100
"""Points below which nothing can be seen from above."""
_FARTHEST = 1e5  # metres; beyond it a "coordinate" is something else
_COLUMNS = range(3, 9)  # x y z, and up to five more: intensity, ring, time, colour
_ORDERED = 0.1  # step between rows, over the spread of a column, below which a scan is read in its order


@dataclass(frozen=True)
class Cloud:
    """A point cloud.

    Attributes:
        points: (N, 3) float32 metres, finite: x forward, y left, z up.
        left_out: rows of the file that were not finite.
        name: of the file, for messages.
    """

    points: Floats
    left_out: int
    name: str

    def __len__(self) -> int:
        return len(self.points)


def read_cloud(path: Path, *, columns: int | None = None) -> Cloud:
    """Read a point cloud.

    Rows with a NaN or an infinity are how some drivers write "no return": they are left out and counted.

    Args:
        path: a ``.bin``, ``.ply`` or ``.pcd`` file.
        columns: numbers per point of a ``.bin`` file, the first three x, y and z; None to find out from the data.

    Raises:
        BadInput: no such file, damage, an empty cloud, fewer than ``FEWEST`` finite points, more rows that are not
            finite than rows that are, or coordinates that cannot be metres.
    """
    reader = READERS.get(path.suffix.lower())
    if not path.is_file():
        raise BadInput(f"point cloud {path} does not exist", "check the path")
    if reader is None:
        raise BadInput(
            f"point cloud {path}: {path.suffix or 'no suffix'} is unknown", f"give one of {', '.join(READERS)}"
        )
    return checked_cloud(reader(path, columns), str(path))


def checked_cloud(rows: NDArray[np.floating], name: str) -> Cloud:
    """The (N, 3) rows as a cloud, if they are one.

    Raises:
        BadInput: as ``read_cloud``.
    """
    if len(rows) == 0:
        raise BadInput(f"point cloud {name} is empty", "remove it, or record it again")
    finite = np.isfinite(rows).all(axis=1)
    points = np.ascontiguousarray(rows[finite], np.float32)
    if 2 * len(points) < len(rows):
        raise BadInput(
            f"point cloud {name}: {len(rows) - len(points)} of {len(rows)} points are NaN or infinite",
            "write the finite points only; for a .bin file check --columns",
        )
    if len(points) < FEWEST:
        raise BadInput(
            f"point cloud {name} holds {len(points)} point(s), a bird's-eye view needs {FEWEST}",
            "give a whole scan, or several scans put together",
        )
    if np.abs(points).max() > _FARTHEST:
        raise BadInput(
            f"point cloud {name}: a coordinate of {np.abs(points).max():.3g} is no distance in metres",
            "give metres relative to the sensor (not map coordinates); for a .bin file check --columns",
        )
    return Cloud(points, len(rows) - len(points), name)


def guess_columns(values: Floats, name: str) -> int:
    """How many numbers a point has in a flat array of points in scan order.

    Neighbours in a scan are close, so with the right width a column changes little from row to row; with a wrong one
    it mixes x, y and z. Among widths that are as good (six reads every second point of three) the smallest is meant.

    Args:
        values: the whole file.
        name: of the file, for messages.

    Raises:
        BadInput: no width divides the number of values, no point is finite, or the data do not tell.
    """
    fitting = [width for width in _COLUMNS if len(values) % width == 0]
    if not fitting:
        raise BadInput(f"point cloud {name}: {len(values)} numbers are no rows of 3 to 8", "give --columns")
    if not any(np.isfinite(values.reshape(-1, width)[:, :3]).all(axis=1).any() for width in fitting):
        raise BadInput(f"point cloud {name} holds no finite point", "remove it, or record it again")
    steps = {width: _step(values.reshape(-1, width)[:, :3]) for width in fitting}
    best = min(steps.values())
    if not best < _ORDERED:
        raise BadInput(
            f"point cloud {name}: the data do not tell how many numbers a point has", "give --columns (KITTI has 4)"
        )
    return min(width for width, step in steps.items() if step <= 3 * best)


def _step(rows: Floats) -> float:
    """The worst column's median change from row to row, over its spread."""
    finite = rows[np.isfinite(rows).all(axis=1)]
    if len(finite) < 2 or np.abs(finite).max() > _FARTHEST:
        return float("inf")
    spread = np.maximum(finite.std(axis=0), 1e-9)
    return float((np.median(np.abs(np.diff(finite, axis=0)), axis=0) / spread).max())


def _read_bin(path: Path, columns: int | None) -> Floats:
    data = path.read_bytes()
    if len(data) % 4:
        raise BadInput(f"point cloud {path}: {len(data)} bytes are no float32 numbers", "copy it again; it is cut off")
    values = np.frombuffer(data, "<f4")
    if len(values) == 0:
        return values.reshape(0, 3)
    width = columns or guess_columns(values, str(path))
    if width < 3 or len(values) % width:
        raise BadInput(f"point cloud {path}: {len(values)} numbers are no rows of {width}", "correct --columns")
    return values.reshape(-1, width)[:, :3]


def _read_ply(path: Path, _: int | None) -> NDArray[np.floating]:
    import trimesh

    try:
        loaded = trimesh.load(path, process=False)
    except Exception as error:  # whatever a parser of damaged files comes upon
        raise BadInput(f"point cloud {path} is no readable PLY file: {error}", "write it again") from error
    return np.asarray(getattr(loaded, "vertices", np.empty((0, 3))), np.float64).reshape(-1, 3)


def _read_pcd(path: Path, _: int | None) -> Floats:
    return read_pcd(path)


READERS: Mapping[str, Callable[[Path, int | None], NDArray[np.floating]]] = {
    ".bin": _read_bin,
    ".ply": _read_ply,
    ".pcd": _read_pcd,
}
