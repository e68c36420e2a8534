"""Splats as the .ply file that 3DGS viewers read: one vertex per gaussian, 62 numbers each.

The layout of Kerbl et al.'s release: position, an unused normal, the constant harmonic, 45 further harmonics (zeros:
colour here does not depend on the direction; readers expect the columns), opacity before the sigmoid, logarithms of
the scales, quaternion w x y z.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gim_data.errors import BadInput
from gim_data.files import atomic
from gim_models.downstream.splatting.gaussians import Gaussians

_COLUMNS = {
    "means": ("x", "y", "z"),
    "harmonics": ("f_dc_0", "f_dc_1", "f_dc_2"),
    "logits": ("opacity",),
    "log_scales": ("scale_0", "scale_1", "scale_2"),
    "quaternions": ("rot_0", "rot_1", "rot_2", "rot_3"),
}
_HARMONICS = tuple(f"f_rest_{i}" for i in range(45))
_ORDER = (
    *(*_COLUMNS["means"], "nx", "ny", "nz", *_COLUMNS["harmonics"]),
    *_HARMONICS,
    *(*_COLUMNS["logits"], *_COLUMNS["log_scales"], *_COLUMNS["quaternions"]),
)
_TYPES = {"float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8", "uchar": "u1", "uint8": "u1"}
_REMEDY = "give a binary .ply of gaussian splats, such as 'gim splat' writes"
_LONGEST_HEADER = 1 << 16


def write_ply(path: Path, gaussians: Gaussians) -> None:
    """Write gaussians, whole or not at all."""
    rows = np.zeros(len(gaussians), np.dtype([(name, "<f4") for name in _ORDER]))
    for name, values in gaussians.tensors().items():
        columns = values.detach().cpu().numpy().reshape(len(gaussians), -1)
        for column, label in enumerate(_COLUMNS[name]):
            rows[label] = columns[:, column]
    properties = "".join(f"property float {name}\n" for name in _ORDER)
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(rows)}\n{properties}end_header\n"
    with atomic(path) as temporary:
        temporary.write_bytes(header.encode() + rows.tobytes())


def read_ply(path: Path) -> Gaussians:
    """Read gaussians; harmonics beyond the constant one are left out.

    Raises:
        BadInput: no such file, no splats in it, or numbers that are not finite.
    """
    rows = _rows(path)
    missing = [label for labels in _COLUMNS.values() for label in labels if label not in (rows.dtype.names or ())]
    if missing:
        raise BadInput(f"{path} holds no splats: {', '.join(missing)} missing", _REMEDY)
    values = {
        name: np.stack([rows[label].astype(np.float32) for label in labels], axis=1)
        for name, labels in _COLUMNS.items()
    }
    if not all(np.isfinite(columns).all() for columns in values.values()):
        raise BadInput(f"{path} holds numbers that are not finite", _REMEDY)
    tensors = {name: torch.from_numpy(columns) for name, columns in values.items()}
    return Gaussians(**tensors | {"logits": tensors["logits"][:, 0]})


def _rows(path: Path) -> NDArray[np.void]:
    """The vertices of a binary little-endian file.

    Raises:
        BadInput: it cannot be read, or is something else.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error}", "check the path") from None
    head, found, _ = data[:_LONGEST_HEADER].partition(b"end_header\n")
    body = data[len(head) + len(found) :]
    try:
        kind, count = _layout(head.decode("ascii").splitlines())
    except (ValueError, IndexError, KeyError) as error:
        raise BadInput(f"{path} is no binary little-endian .ply file of numbers: {error}", _REMEDY) from None
    if count < 1 or len(body) != count * kind.itemsize:
        raise BadInput(f"{path} should hold {count} splats and does not: it is empty or cut short", "write it again")
    return np.frombuffer(body, kind)


def _layout(lines: Sequence[str]) -> tuple[np.dtype[np.void], int]:
    """Type and number of the vertices that a header announces.

    Raises:
        ValueError, IndexError, KeyError: it announces something else.
    """
    if lines[0] != "ply" or "format binary_little_endian 1.0" not in lines:
        raise ValueError("the header says otherwise")
    words = [line.split() for line in lines]
    ((_, element, count),) = [word for word in words if word[:1] == ["element"]]
    if element != "vertex":
        raise ValueError(f"it holds a {element}")
    return np.dtype([(word[2], _TYPES[word[1]]) for word in words if word[:1] == ["property"]]), int(count)
