"""A folder of posed scans: the clouds, and ``poses.json`` with where each was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gim_data.bench.checks import check_name, check_pose
from gim_data.errors import BadInput, GimError
from gim_data.files import read_json
from gim_data.synthetic.spec import SyntheticSpec

POSES = "poses.json"


@dataclass(frozen=True)
class Scan:
    """One scan: its file, and T_s2w (4, 4) from the sensor (x forward, y left, z up) to the common frame, metres."""

    path: Path
    T_s2w: NDArray[np.float64]


def read_scans(folder: Path) -> list[Scan]:
    """The scans that ``poses.json`` lists, in order of name.

    Raises:
        BadInput: no ``poses.json``, a pose that is none, a missing file, or fewer than two scans.
    """
    path = folder / POSES
    try:
        raw = read_json(path)
        listed: dict[str, Any] = raw["T_s2w"]
        scans = [_scan(folder, name, listed[name], path) for name in sorted(listed)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path} cannot be read: {error!r}", 'write {"T_s2w": {"scan.bin": [[...], ...]}}, a 4x4 matrix per scan'
        ) from error
    if len(scans) < 2:
        raise BadInput(f"{path} lists {len(scans)} scan(s)", "a pair needs two")
    return scans


def scans_at(given: str, folder: Path) -> Path:
    """The folder of scans that a user names; ``synthetic:SPEC`` is scanned into ``folder``, a scan a second.

    Raises:
        GimError: no such folder, or the text is no valid spec.
    """
    if given.startswith("synthetic:"):
        from gim_data.synthetic.lidar import write_scans

        spec = SyntheticSpec.parse(given)
        write_scans(folder, spec, np.arange(0, spec.seconds, 1.0))
        return folder
    if not Path(given).is_dir():
        raise GimError(
            f"there is no folder {given}", f"name a folder with scans and {POSES}, or synthetic:street?path=drive"
        )
    return Path(given)


def _scan(folder: Path, name: str, rows: Any, path: Path) -> Scan:
    where = f"{path}, {name}"
    T = np.asarray(rows, np.float64)
    if T.shape != (4, 4):
        raise BadInput(f"{where}: shape {T.shape} is not (4, 4)", "write T_s2w row by row")
    file = folder / check_name(name, where)
    if not file.is_file():
        raise BadInput(f"{where}: {file} does not exist", "restore it, or remove its pose")
    return Scan(file, check_pose(T, where))
