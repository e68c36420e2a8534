"""What the students of a workspace are trained on, as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gim_data.files import from_home
from gim_data.params import read_params
from orchestration.graph import SECTIONS

if TYPE_CHECKING:
    from gim_data.bench.albums import Album


def training_albums(root: Path) -> list[Album]:
    """The workspace's videos and worlds, and the posed data sets of its students (``study.students[].posed``).

    Raises:
        GimError: parameters that do not validate, a damaged store, or a folder without a posed data set.
    """
    from gim_data.bench.albums import posed_albums, workspace_albums

    return [*workspace_albums(root / "data"), *posed_albums(posed_folders(root))]


def posed_folders(root: Path) -> list[Path]:
    """The posed data sets that the students of a workspace are trained on.

    Raises:
        GimError: parameters that do not validate.
    """
    students = read_params(root, SECTIONS)["study"].students
    return [root / from_home(folder) for student in students for folder in student.posed]
