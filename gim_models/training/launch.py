"""A training stage in several processes, on one machine or many: ``train.launch`` names the command that starts them.

The engine's process writes the job down as JSON and starts the command with it; every process it starts does the stage,
sharing each batch with the others (``share.py``), and the first of them writes the result.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import gim_data.stages
import gim_models.stages
from gim_data.errors import GimError
from gim_data.files import atomic, read_json, write_json
from gim_data.stage import Job, Section, Silent, Summary, load
from gim_models.training.config import TrainConfig
from gim_models.training.share import this_share

JOB = "job.json"
SUMMARY = "summary.json"
_STAGES = {stage.name: stage.fn for stage in (gim_models.stages.BASE_MODEL, gim_models.stages.MODEL)}
_SECTIONS = {**gim_data.stages.SECTIONS, **gim_models.stages.SECTIONS}
_FOLDERS = ("out", "scratch", "root")


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
    write_job(written, replace(job, params={**job.params, "train": config.model_copy(update={"launch": ""})}))
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


def write_job(path: Path, job: Job) -> None:
    """Write a job as JSON: all it is but where it reports. Folders become absolute."""
    values = {name: value for name, value in vars(job).items() if name != "progress"}
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(values, default=_plain, indent=1))


def _plain(value: Any) -> Any:
    """Paths as text, sections as all of their fields: those that no digest holds count here."""
    return str(value.absolute()) if isinstance(value, Path) else dict(value)


def read_job(path: Path) -> Job:
    """The job that ``write_job`` wrote; it reports to nobody.

    Raises:
        GimError: the file cannot be read, or holds no job of a training stage.
    """
    try:
        values = read_json(path)
        values |= {name: Path(values[name]) for name in _FOLDERS}
        values["inputs"] = {
            s: {u: Path(folder) for u, folder in units.items()} for s, units in values["inputs"].items()
        }
        values["params"] = {name: _section(name).model_validate(v) for name, v in values["params"].items()}
        job = Job(**values, progress=Silent())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GimError(
            f"{path} cannot be read as a job: {error!r}",
            "name the job.json in the scratch folder of the unit, which the same version of gim wrote",
        ) from error
    if job.stage not in _STAGES:
        raise GimError(f"{path}: {job.stage!r} is no training stage", f"the training stages are {sorted(_STAGES)}")
    return job


def _section(name: str) -> type[Section]:
    return cast(type[Section], load(_SECTIONS[name]))


def main(path: Path) -> None:
    """Do the job in a file that ``launch`` wrote, as one of several processes."""
    job = read_job(path)
    summary = load(_STAGES[job.stage])(job)
    if this_share(job.params["train"]).rank == 0:
        write_json(job.scratch / SUMMARY, summary)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
