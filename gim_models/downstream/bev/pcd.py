"""The PCD format of the Point Cloud Library, version 0.7: x, y and z from ``ascii`` and ``binary`` files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gim_data.errors import BadInput
from gim_data.types import Floats

_TYPES = {"F": "f", "I": "i", "U": "u"}
_LONGEST_HEADER = 64 * 1024
_REMEDY = "write it again as PCD 0.7, ascii or binary"


def read_pcd(path: Path) -> Floats:
    """The (N, 3) float32 points of a PCD file, NaN where the sensor saw nothing.

    Raises:
        BadInput: a damaged header, fields without x, y and z, too few bytes, or the ``binary_compressed`` encoding.
    """
    data = path.read_bytes()
    header, start = _header(data, path)
    try:
        row, count, encoding = _row_type(header), int(header["POINTS"][0]), header["DATA"][0]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise BadInput(f"point cloud {path}: damaged PCD header ({error!r})", _REMEDY) from error
    if row.names is None or not {"x", "y", "z"} <= set(row.names):
        raise BadInput(f"point cloud {path}: fields {header['FIELDS']} are without x, y, z", _REMEDY)
    if encoding == "ascii":
        return _ascii(data[start:], row, count, path)
    if encoding != "binary":
        raise BadInput(f"point cloud {path}: encoding {encoding} is not read", "pcl_convert_pcd_ascii_binary IN OUT 1")
    if count < 0 or len(data) - start < count * row.itemsize:
        raise BadInput(
            f"point cloud {path}: {len(data) - start} bytes for {count} points", "copy it again; it is cut off"
        )
    table = np.frombuffer(data, row, count, start)
    return np.stack([table[axis].reshape(count, -1)[:, 0] for axis in "xyz"], axis=1).astype(np.float32)


def _header(data: bytes, path: Path) -> tuple[dict[str, list[str]], int]:
    """Words by keyword up to the line ``DATA``, and where the points start."""
    found: dict[str, list[str]] = {}
    position = 0
    while position < min(len(data), _LONGEST_HEADER):
        end = data.find(b"\n", position)
        end = len(data) if end < 0 else end
        words = data[position:end].decode("ascii", "replace").split("#")[0].split()
        position = end + 1
        if words:
            found[words[0].upper()] = words[1:]
            if words[0].upper() == "DATA":
                return found, position
    raise BadInput(f"point cloud {path} has no PCD header", _REMEDY)


def _row_type(header: dict[str, list[str]]) -> np.dtype[np.void]:
    """What one point is in a binary file; fields may share a name (``_`` is padding)."""
    names = header["FIELDS"]
    counts = [int(c) for c in header.get("COUNT", ["1"] * len(names))]
    kinds = [f"<{_TYPES[t]}{int(s)}" for t, s in zip(header["TYPE"], header["SIZE"], strict=True)]
    unique = [name if names.index(name) == i else f"{name}{i}" for i, name in enumerate(names)]
    return np.dtype([(n, k, (c,)) for n, k, c in zip(unique, kinds, counts, strict=True)])


def _ascii(data: bytes, row: np.dtype[np.void], count: int, path: Path) -> Floats:
    names = row.names or ()
    widths = [int(np.prod(row[name].shape)) for name in names]
    first = dict(zip(names, np.cumsum([0, *widths[:-1]]), strict=True))
    try:
        table = np.array([line.split() for line in data.decode("ascii").splitlines() if line.strip()], np.float64)
        points = table.reshape(-1, sum(widths))[:count, [first[axis] for axis in "xyz"]]
    except ValueError as error:
        raise BadInput(f"point cloud {path}: a line does not hold {sum(widths)} numbers", _REMEDY) from error
    if len(points) < count:
        raise BadInput(f"point cloud {path}: {len(points)} of {count} points", "copy it again; it is cut off")
    return points.astype(np.float32)
