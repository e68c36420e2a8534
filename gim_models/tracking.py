"""Runs, curves and files in MLflow: sqlite at ``mlruns/mlflow.db``, files in ``mlruns/artifacts`` (FIELD.md B.5)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from gim_data.errors import GimError

if TYPE_CHECKING:
    from mlflow import MlflowClient

PARENT = "mlflow.parentRunId"
DIGEST = "stage.digest"
_AT_ONCE = 1000  # metrics that MLflow takes in one request


@dataclass
class RunLog:
    """One MLflow run that can be written to.

    Attributes:
        client: of the database.
        run_id: which run.
    """

    client: MlflowClient
    run_id: str

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of one step; names may not hold ``@``."""
        from mlflow.entities import Metric

        now = round(1000 * time.time())
        metrics = [Metric(k, float(v), now, step) for k, v in values.items()]
        for start in range(0, len(metrics), _AT_ONCE):
            self.client.log_batch(self.run_id, metrics=metrics[start : start + _AT_ONCE])

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Copy a file into the run."""
        self.client.log_artifact(self.run_id, str(path), folder)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        for key, value in values.items():
            self.client.set_tag(self.run_id, key, value)

    def dataset(self, name: str, digest: str, context: str = "training") -> None:
        """Say which data the run used, by the digest that the ledger knows it by."""
        import numpy as np
        from mlflow.data.numpy_dataset import from_numpy
        from mlflow.entities import DatasetInput, InputTag

        used = from_numpy(np.empty(0), name=name, digest=digest[:36])
        entry = DatasetInput(used._to_mlflow_entity(), [InputTag("mlflow.data.context", context)])
        self.client.log_inputs(self.run_id, [entry])


@dataclass
class Tracker:
    """The MLflow database of one workspace.

    Attributes:
        client: of the database.
        artifacts: where files go.
        root: the workspace.
    """

    client: MlflowClient
    artifacts: Path
    root: Path

    def experiment(self, name: str) -> str:
        """The id of an experiment, made on first use; processes may ask at once."""
        with FileLock(_lock(self.root)):
            found = self.client.get_experiment_by_name(name)
            if found is not None:
                return str(found.experiment_id)
            return str(self.client.create_experiment(name, artifact_location=self.artifacts.as_uri()))

    def study(self, experiment: str, name: str) -> RunLog:
        """The parent run of a study, one per name, made on first use; it stays open to further children."""
        where = self.experiment(experiment)
        with FileLock(_lock(self.root)):
            run_id = self._find([where], f"tags.`gim.study` = '{name}'")
            if run_id is None:
                tags = {"gim.study": name, "mlflow.runName": name}
                run_id = self.client.create_run(where, tags=tags).info.run_id
        return RunLog(self.client, run_id)

    @contextmanager
    def run(
        self,
        experiment: str,
        name: str,
        *,
        study: str,
        digest: str,
        params: Mapping[str, object],
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[RunLog]:
        """A child run of a study, ended as FINISHED or FAILED when the block ends.

        The same digest finds the run it had before, so that a resumed or repeated unit leaves one run and not two.

        Args:
            experiment: its experiment.
            name: its name.
            study: its parent, by name.
            digest: of the unit of work.
            params: what was configured, for comparison in the UI.
            tags: further tags.
        """
        parent = self.study(experiment, study)
        where = self.experiment(experiment)
        run_id = self._find([where], _of_digest(digest))
        labels = {"mlflow.runName": name, PARENT: parent.run_id, DIGEST: digest, "git.sha": git_sha(self.root)}
        if run_id is None:
            run_id = self.client.create_run(where, tags=labels | dict(tags or {})).info.run_id
            self._params(run_id, params)
        self.client.update_run(run_id, status="RUNNING")
        log = RunLog(self.client, run_id)
        try:
            yield log
        except BaseException:
            self.client.set_terminated(run_id, "FAILED")
            raise
        self.client.set_terminated(run_id, "FINISHED")

    def find(self, digest: str) -> str | None:
        """The run of the unit with this digest, in any experiment and of any study; None where there is none."""
        everywhere = [str(e.experiment_id) for e in self.client.search_experiments()]
        return self._find(everywhere, _of_digest(digest))

    def _find(self, experiment_ids: list[str], query: str) -> str | None:
        found = self.client.search_runs(experiment_ids, query, max_results=1)
        return str(found[0].info.run_id) if found else None

    def _params(self, run_id: str, params: Mapping[str, object]) -> None:
        from mlflow.entities import Param

        self.client.log_batch(run_id, params=[Param(key, str(value)[:6000]) for key, value in params.items()])


def tracking_uri(root: Path) -> str:
    """The database of a workspace, as MLflow wants it named."""
    return f"sqlite:///{(root / 'mlruns' / 'mlflow.db').resolve()}"


def open_tracker(root: Path) -> Tracker:
    """The tracker of a workspace; a fresh database is made by one process while the others wait.

    Two processes that touch a fresh database together would destroy it for good (FIELD.md finding 11).

    Raises:
        GimError: the database cannot be opened.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    artifacts = (root / "mlruns" / "artifacts").resolve()
    artifacts.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(_lock(root)):
            client = MlflowClient(tracking_uri(root))
            client.search_experiments(max_results=1)
    except MlflowException as error:
        raise GimError(
            f"{root / 'mlruns' / 'mlflow.db'} cannot be opened: {error}", "move it away, or mend it"
        ) from error
    return Tracker(client, artifacts, root)


def git_sha(root: Path) -> str:
    """The commit of the workspace, or ``unknown`` outside a repository."""
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _of_digest(digest: str) -> str:
    return f"tags.`{DIGEST}` = '{digest}'"


def _lock(root: Path) -> Path:
    folder = root / "mlruns"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / ".init.lock"
