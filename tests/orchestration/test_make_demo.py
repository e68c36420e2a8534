"""'make demo': what VIDEOS and PAIRS become, run with a stand-in for gim that writes down its arguments."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).parents[2]
GIM = """#!{python}
import json, sys
with open("calls", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
sys.exit({status} if sys.argv[1] == "run" else 0)
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on this machine")


def demo(root: Path, *variables: str, status: int = 0) -> tuple[int, list[list[str]]]:
    """Run the Makefile's demo as if set up; its exit status and gim's calls."""
    (root / "bin").mkdir(exist_ok=True)
    (root / "bin" / "gim").write_text(GIM.format(python=sys.executable, status=status))
    (root / "bin" / "gim").chmod(0o755)
    makefile = str(PROJECT_ROOT / "Makefile")
    ready = [f"--old-file={name}" for name in ("setup", ".venv/.ready", ".venv-dvc/.ready")]
    clean = {
        name: value for name, value in os.environ.items() if name not in ("VIDEOS", "PAIRS", "PROFILE", "MAKEFLAGS")
    }
    command = ["make", "-f", makefile, *ready, "demo", "BIN=bin", "PYTHON=python3", "TORCH=torch", *variables]
    done = subprocess.run(command, cwd=root, env=clean, capture_output=True, text=True, check=False)
    return done.returncode, [json.loads(line) for line in (root / "calls").read_text().splitlines()]


def used(root: Path, *variables: str) -> list[str]:
    """The arguments of 'gim use'."""
    return demo(root, *variables)[1][0]


def test_nothing_named_changes_nothing(tmp_path: Path) -> None:
    assert demo(tmp_path) == (0, [["run", "--all"], ["report"]])


def test_what_exists_is_one_source_blanks_and_all(tmp_path: Path) -> None:
    (tmp_path / "My Videos").mkdir()
    (tmp_path / "my pairs").mkdir()
    sources = [f"VIDEOS={tmp_path}/My Videos", "PAIRS=my pairs", "PROFILE=small"]
    assert used(tmp_path, *sources) == ["use", f"--videos={tmp_path}/My Videos", "--pairs=my pairs", "--profile=small"]


def test_else_blanks_separate_and_globs_are_left_to_gim(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    given = "VIDEOS=*.mp4 -d2w4w9WgXcQ synthetic:street?seed=7&seconds=20"
    assert used(tmp_path, given) == ["use", *[f"--videos={text}" for text in given.partition("=")[2].split()]]


@pytest.mark.parametrize("text", ["'; touch harm; '", "`touch${IFS}harm`", '";touch${IFS}harm;"', "a|touch${IFS}harm"])
def test_no_name_is_ever_run(tmp_path: Path, text: str) -> None:
    escaped = text.replace("$", "$$")
    assert used(tmp_path, f"VIDEOS={escaped}") == ["use", *[f"--videos={word}" for word in text.split()]]
    assert not (tmp_path / "harm").exists()


def test_the_report_is_written_where_a_unit_failed_and_make_still_fails(tmp_path: Path) -> None:
    status, calls = demo(tmp_path, status=1)
    assert status != 0
    assert calls == [["run", "--all"], ["report"]]
