"""What 'gim status' tells."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy import open_toy, run_all, write_params, write_workspace

from orchestration.status import workspace_status


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_workspace(tmp_path, {"a": "alpha", "b": "beta"})


def states(root: Path) -> dict[str, str]:
    return {name: " ".join(u.state for u in units) for name, units in workspace_status(open_toy(root)).items()}


def test_before_and_after(root: Path) -> None:
    assert set(" ".join(states(root).values()).split()) == {"missing"}
    run_all(root)
    assert set(" ".join(states(root).values()).split()) == {"made"}


def test_what_reads_something_stale_is_stale(root: Path) -> None:
    run_all(root)
    write_params(root, ["a", "b"], upper=True)
    assert states(root) == {"videos": "made made", "matches": "stale stale", "dataset": "stale", "model": "made stale"}


def test_added_removed_and_impossible_videos(root: Path) -> None:
    run_all(root)
    write_params(root, ["a", "nowhere"])
    assert states(root)["videos"] == "made missing gone"
    run_all(root)
    assert states(root)["videos"] == "made skipped"
    assert states(root)["matches"] == "made skipped"
    assert states(root)["dataset"] == "made"
