"""Thousands of small ``.npy`` files: read as ``np.load`` reads them, but like headers are understood once."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

_HEADER = 10  # bytes before the text of a version 1 header; its length is in the last two


def read_npy(path: Path) -> NDArray[Any]:
    """The array in an ``.npy`` file; nothing is unpickled.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no whole ``.npy`` file, or one of objects.
    """
    data = path.read_bytes()
    if data[:8] != npy.magic(1, 0):  # other versions are rare; numpy knows them, and what to say of the rest
        return np.asarray(npy.read_array(BytesIO(data), allow_pickle=False))
    begin = _HEADER + int.from_bytes(data[8:_HEADER], "little")
    shape, by_column, dtype = _layout(data[:begin])
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    count = int(np.prod(shape))
    array = np.frombuffer(data, dtype, count, begin) if count else np.zeros(0, dtype)
    return array.reshape(shape, order="F" if by_column else "C")


@lru_cache(maxsize=4096)
def _layout(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns run first, and type, from the head of a version 1 file."""
    stream = BytesIO(header)
    npy.read_magic(stream)
    shape, by_column, dtype = npy.read_array_header_1_0(stream)
    return shape, by_column, dtype
