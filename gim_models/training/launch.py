"""A training stage in several processes, on one machine or many: ``train.launch`` names the command that starts them.

The engine's process writes down the job and starts the command with it; every process it starts does the stage, sharing
each batch with the others (``share.py``), and the first of them writes the result.
"""

from __future__ import annotations

import pickle
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from gim_data.errors import GimError
from gim_data.files import atomic, read_json, write_json
from gim_data.stage import Job, Silent, Summary, load
from gim_models.training.config import TrainConfig
from gim_models.training.share import this_share

JOB = "job.pickle"
SUMMARY = "summary.json"
_STAGES = {
    "base_model": "gim_models.training.stages:make_base_model",
    "model": "gim_models.training.stages:make_model",
}


class Unheard:
    """Takes metrics and drops them: only the first process reports."""

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        """Ignore."""


def launch(job: Job, command: str) -> Summary:
    """Do a job in the processes that ``command`` starts, and return what the first of them says.

    Args:
        job: a unit of a training stage.
        command: such as ``torchrun --nproc-per-node 8``; it is not run by a shell.

    Raises:
        GimError: the command cannot be started, or ends with an error.
    """
    written, summary = job.scratch / JOB, job.scratch / SUMMARY
    summary.unlink(missing_ok=True)
    config: TrainConfig = job.params["train"]
    alone = replace(job, progress=Silent(), params={**job.params, "train": config.model_copy(update={"launch": ""})})
    with atomic(written) as temporary:
        temporary.write_bytes(pickle.dumps(alone))
    words = [*shlex.split(command), "-m", "gim_models.training.launch", str(written)]
    try:
        code = subprocess.run(words, check=False).returncode
    except OSError as error:
        raise GimError(
            f"train.launch: {words[0]} cannot be started: {error}", "name a command of this machine"
        ) from error
    if code or not summary.exists():
        raise GimError(
            f"training in several processes ended with code {code}: {shlex.join(words)}",
            "what went wrong stands above; run the stage again, it goes on from its last checkpoint",
        )
    found: Summary = read_json(summary)
    return found


def main(path: Path) -> None:
    """Do the job in a file that ``launch`` wrote, as one of several processes."""
    job: Job = pickle.loads(path.read_bytes())
    summary = load(_STAGES[job.stage])(job)
    if this_share(job.params["train"]).rank == 0:
        write_json(job.scratch / SUMMARY, summary)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
