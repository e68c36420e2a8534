"""NumPy archives with arrays of objects, read without running what is in them.

``numpy.load`` reads such arrays by ``pickle``, which runs any code that a file names. Lists of paths, intrinsics and
pairs need a handful of NumPy's own constructors; here nothing else can be called.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from gim_data.errors import GimError

_HARMLESS = {"_reconstruct", "scalar", "ndarray", "dtype", "_frombuffer"}
_MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
_REMEDY = "fetch the file anew from its publisher"


class _NumpyOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in _MODULES and name in _HARMLESS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")


def read_objects(path: Path) -> Mapping[str, NDArray[Any]]:
    """The arrays of an ``.npz`` by name, arrays of objects among them.

    Raises:
        GimError: the file is missing, damaged, or wants to run code.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy"): _read(archive, name) for name in archive.namelist()}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise GimError(f"{path} cannot be read: {error}", _REMEDY) from error


def _read(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(name) as stream:
        version = npy.read_magic(stream)
        shape, fortran, dtype = _header(stream, version)
        if not dtype.hasobject:
            flat: NDArray[Any] = np.frombuffer(stream.read(), dtype, int(np.prod(shape, dtype=np.int64)))
            return flat.reshape(shape, order="F" if fortran else "C")
        found = _NumpyOnly(stream).load()
        if not isinstance(found, np.ndarray):
            raise pickle.UnpicklingError(f"{name} is no array")
        return found.reshape(shape)


def _header(stream: IO[bytes], version: tuple[int, int]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    if version == (1, 0):
        return npy.read_array_header_1_0(stream)
    return npy.read_array_header_2_0(stream)
