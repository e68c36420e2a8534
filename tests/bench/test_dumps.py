"""GIM's dumps: round trip, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gim_data.bench.dumps import COLUMNS, dump_name, find_dumps, read_dump, write_dump
from gim_data.bench.names import BY_DUMP, BY_FOLDER, ZEB
from gim_data.errors import GimError


@pytest.fixture
def table() -> pd.DataFrame:
    rows = [
        ("a#0#1", 0.5, 0.5, 1.25, 2.5, 0.1, 0.75, 400, 1.0, 300),
        ("a#0#2", 0.1, 0.1, *[np.inf] * 3, 0.0, 3, 0.0, 0),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_what_is_written_is_read_back(tmp_path: Path, table: pd.DataFrame):
    path = tmp_path / dump_name("gim_dkm", "GL3D", "100h")
    write_dump(path, table)
    pd.testing.assert_frame_equal(read_dump(path), table, check_dtype=False)
    assert path.name == "[T] gim_dkm            GL3D 100h.txt"


def test_the_name_says_what_it_is(tmp_path: Path, table: pd.DataFrame):
    write_dump(tmp_path / dump_name("root_sift", "RobotcarWeather", "vanilla"), table)
    (tmp_path / "notes.txt").write_text("not a dump")
    (found,) = find_dumps(tmp_path)
    assert (found.method, found.dataset, found.version) == ("root_sift", "RobotcarWeather", "vanilla")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("R_errs", "R_error", "line 1"),
        ("1.25", "fast", "line 2, R_errs: 'fast'"),
        ("a#0#2", "a#0#1", "line 3, identifiers: a#0#1 appears twice"),
        (" 300", "", "line 2: 9 fields"),
    ],
)
def test_damage_is_named_with_file_and_line(tmp_path: Path, table: pd.DataFrame, old: str, new: str, message: str):
    path = tmp_path / "dump.txt"
    write_dump(path, table)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(GimError, match=rf"dump\.txt, {message}"):
        read_dump(path)


def test_a_folder_without_dumps_is_refused(tmp_path: Path):
    with pytest.raises(GimError, match="holds no dump"):
        list(find_dumps(tmp_path))


def test_the_table_of_names_is_the_published_benchmark():
    assert len(ZEB) == len(BY_DUMP) == len(BY_FOLDER) == 12
    assert sum(row.pairs for row in ZEB) == 45_916
