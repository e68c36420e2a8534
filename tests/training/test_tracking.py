"""MLflow: first use by many processes at once, one run per digest, children under their study."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("mlflow")

FIRST_USE = """
import sys, pathlib
from gim_models.tracking import open_tracker
tracker = open_tracker(pathlib.Path(sys.argv[1]))
with tracker.run("gim", "unit-" + sys.argv[2], study="s", digest=sys.argv[2], params={"lr": 1}) as log:
    log.metrics({"val/auc_5deg": 0.5}, 3)
"""


@pytest.mark.slow
def test_four_processes_may_come_first(tmp_path):
    running = [subprocess.Popen([sys.executable, "-c", FIRST_USE, str(tmp_path), str(n)]) for n in range(4)]
    assert [process.wait(300) for process in running] == [0, 0, 0, 0]
    from gim_models.tracking import PARENT, open_tracker

    tracker = open_tracker(tmp_path)
    runs = tracker.client.search_runs([tracker.experiment("gim")])
    parents = [run for run in runs if run.data.tags.get("gim.study") == "s"]
    children = [run for run in runs if PARENT in run.data.tags]
    assert len(parents) == 1
    assert len(children) == 4
    assert {run.data.tags[PARENT] for run in children} == {parents[0].info.run_id}
    assert all(run.data.metrics == {"val/auc_5deg": 0.5} for run in children)


def test_the_same_digest_finds_its_run_again(tmp_path):
    from gim_models.tracking import open_tracker

    tracker = open_tracker(tmp_path)
    settings = {"study": "s", "digest": "abc", "params": {"steps": 3}, "tags": {"arch": "lightglue"}}
    with pytest.raises(KeyboardInterrupt), tracker.run("gim", "m", **settings) as first:
        raise KeyboardInterrupt
    assert tracker.client.get_run(first.run_id).info.status == "FAILED"
    with tracker.run("gim", "m", **settings) as second:
        second.dataset("videos", "0123456789abcdef" * 4)
        path = tmp_path / "note.txt"
        path.write_text("kept")
        second.artifact(path)
    found = tracker.client.get_run(second.run_id)
    assert second.run_id == first.run_id
    assert found.info.status == "FINISHED"
    assert found.data.params == {"steps": "3"}
    assert found.inputs.dataset_inputs[0].dataset.name == "videos"
    assert (tmp_path / "mlruns" / "artifacts" / first.run_id / "artifacts" / "note.txt").read_text() == "kept"


def test_outside_a_repository_the_commit_is_unknown(tmp_path):
    from gim_models.tracking import git_sha

    assert git_sha(tmp_path) == "unknown"
