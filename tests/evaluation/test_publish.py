"""Scores reach the run that trained the model they are of, whatever else was trained under its name since."""

from __future__ import annotations

from pathlib import Path

import pytest

from gim_data.ledger import Entry, Ledger
from gim_data.stage import Job
from gim_models.downstream.tasks import TASKS
from gim_models.downstream.tasks import publish as publish_downstream
from gim_models.evaluation.config import EvaluateConfig
from gim_models.evaluation.publish import publish_scores
from gim_models.training.config import StudyConfig

pytest.importorskip("mlflow")

MODEL = "lightglue-100"


def job_of(root: Path, stage: str, unit: str, digest: str) -> Job:
    params = {"study": StudyConfig(), "evaluate": EvaluateConfig(baselines=("rootsift",))}
    return Job(stage, unit, root / "out", root / "scratch", {}, params, root, 0, digest)


def train(root: Path, recipe: str, study: str = "scaling") -> str:
    """As the stage ``model`` does: a run with the unit's digest, then the unit with the same digest; the run's id."""
    from gim_models.tracking import open_tracker

    with open_tracker(root).run("gim", MODEL, study=study, digest=recipe, params={"recipe": recipe}) as log:
        pass
    ledger = Ledger(root)
    out, _ = ledger.begin("model", MODEL, recipe)
    ledger.commit("model", MODEL, out, Entry(recipe, "", {}))
    return log.run_id


def scores(accuracy: float) -> dict[str, object]:
    mean = {f"auc_{t}deg": accuracy for t in (5, 10, 20)} | {"failures": 0}
    return {"headline": "p", "protocols": {"p": {"mean": mean, "sequences": {}, "overlaps": []}}}


def judge(root: Path, accuracy: float, unit: str = MODEL) -> None:
    publish_scores(job_of(root, "zeb_scores", unit, f"scores {unit} {accuracy}"), scores(accuracy), [])


def metrics(root: Path) -> dict[str, dict[str, float]]:
    """Metrics of every run that has some, by its id."""
    from gim_models.tracking import open_tracker

    client = open_tracker(root).client
    runs = [run for e in client.search_experiments() for run in client.search_runs([e.experiment_id])]
    return {run.info.run_id: run.data.metrics for run in runs if run.data.metrics}


def test_a_recipe_taken_up_again_is_scored_in_its_own_run(tmp_path: Path) -> None:
    """A, then B, then A: the run of A is found again and older than that of B, which is also of another study."""
    first = train(tmp_path, "a")
    judge(tmp_path, 0.1)
    second = train(tmp_path, "b", study="other")
    judge(tmp_path, 0.2)
    assert train(tmp_path, "a") == first
    judge(tmp_path, 0.3)
    publish_downstream(job_of(tmp_path, "planes", MODEL, "planes"), TASKS["planes"], {"wall": {"pairs": 7}}, [])
    found = metrics(tmp_path)
    assert set(found) == {first, second}
    assert found[first]["p/mean_auc_5deg"] == 0.3
    assert found[first]["downstream/planes/wall/pairs"] == 7
    assert found[second] == {"p/failures": 0} | {f"p/mean_auc_{t}deg": 0.2 for t in (5, 10, 20)}


def test_a_model_whose_run_was_deleted_and_a_baseline_get_runs_of_their_own(tmp_path: Path) -> None:
    from gim_models.tracking import open_tracker

    deleted = train(tmp_path, "a")
    open_tracker(tmp_path).client.delete_run(deleted)
    for _ in range(2):
        judge(tmp_path, 0.1)
        judge(tmp_path, 0.2, "rootsift")
        for name in ("wall", "door"):  # two tasks: other digests, other numbers
            job = job_of(tmp_path, "planes", "rootsift", name)
            publish_downstream(job, TASKS["planes"], {name: {"pairs": 7}}, [])
    found = metrics(tmp_path)
    assert deleted not in found
    assert sorted(run["p/mean_auc_5deg"] for run in found.values() if "p/failures" in run) == [0.1, 0.2]
    both = {f"downstream/planes/{name}/pairs" for name in ("wall", "door")}
    assert [both <= set(run) for run in found.values()].count(True) == 1
