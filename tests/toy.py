"""A graph of four stages over text files, small enough to see everything that the runner, Dagster and DVC do to it.

Every call of a stage function appends "stage unit" to the file ``calls`` in the workspace.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from pydantic import Field

from gim_data.errors import BadInput
from gim_data.files import fingerprint
from gim_data.params import read_params
from gim_data.runner import Runner
from gim_data.stage import Axis, Job, Params, Progress, Section, Silent, Stage, Summary
from orchestration.graph import collect


class Corpus(Section):
    """Which text files."""

    videos: tuple[str, ...] = Field((), description="names below src/")


class Label(Section):
    """How to label."""

    upper: bool = Field(False, description="in capitals")
    times: int = Field(1, ge=1, le=9, description="repetitions")


class Train(Section):
    """What to train."""

    budgets: tuple[int, ...] = Field((0, 100), description="percent")


SECTIONS = {"corpus": "toy:Corpus", "labels": "toy:Label", "train": "toy:Train"}
VIDEO = Axis("video", "toy:video_keys", ("corpus",))
MODEL = Axis("model", "toy:model_keys", ("train",))
CORPUS = Axis("corpus", "gim_data.stages:one_unit")
GRAPH = collect(
    [
        Stage("videos", "acquire", "toy:make_video", VIDEO, "The text.", external="toy:outside", code=("code.txt",)),
        Stage("matches", "label", "toy:make_matches", VIDEO, "Labels.", deps=("videos",), params=("labels",)),
        Stage("dataset", "dataset", "toy:make_dataset", CORPUS, "All labels.", deps=("matches",)),
        Stage(
            "model",
            "train",
            "toy:make_model",
            MODEL,
            "Models.",
            deps=("dataset",),
            params=("train",),
            pool="gpu",
            upstream="toy:model_upstream",
        ),
    ]
)
PARAMS = """\
corpus:
  videos: [{videos}]
labels:
  upper: {upper}
train: {{}}
profile: base
profiles: {{base: {{}}}}
"""


def video_keys(params: Params, root: Path) -> list[str]:
    return list(params["corpus"].videos)


def model_keys(params: Params, root: Path) -> list[str]:
    return [f"m-{budget:03d}" for budget in params["train"].budgets]


def model_upstream(unit: str, dep: str, dep_units: list[str], params: Params) -> list[str]:
    return [] if unit == "m-000" else dep_units


def outside(unit: str, params: Params, root: Path) -> object:
    path = root / "src" / unit
    return fingerprint(path) if path.exists() else "missing"


def make_video(job: Job) -> Summary:
    _called(job)
    source = job.root / "src" / job.unit
    if not source.exists():
        raise BadInput(f"{source} does not exist", "put a file there")
    text = source.read_text()
    if text == "crash":
        raise RuntimeError("out of luck")
    if text == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if text == "slow":
        _hang(job)
    (job.out / "text.txt").write_text(text)
    return {"letters": len(text)}


def make_matches(job: Job) -> Summary:
    _called(job)
    text = (job.input("videos") / "text.txt").read_text()
    config = job.params["labels"]
    job.progress.start("letters", len(text))
    job.progress.advance(len(text))
    (job.out / "labels.txt").write_text((text.upper() if config.upper else text) * config.times)
    return {"letters": len(text)}


def make_dataset(job: Job) -> Summary:
    _called(job)
    parts = {unit: (folder / "labels.txt").read_text() for unit, folder in sorted(job.inputs["matches"].items())}
    (job.out / "index.json").write_text(json.dumps(parts))
    return {"videos": len(parts), "names": sorted(parts)}


def make_model(job: Job) -> Summary:
    _called(job)
    (job.out / "training.csv").write_text("step,loss\n0,1.0\n1,0.5\n")
    return {"seed": job.seed % 1000}


def open_toy(root: Path, progress: Progress | None = None) -> Runner:
    """A runner over the toy graph."""
    return Runner(GRAPH, read_params(root, SECTIONS), root, progress or Silent())


def write_workspace(root: Path, texts: dict[str, str], *, upper: bool = False) -> Path:
    """Source files and params.yaml; keeps what is there already."""
    (root / "src").mkdir(parents=True, exist_ok=True)
    (root / "code.txt").write_text("code")
    for name, text in texts.items():
        (root / "src" / name).write_text(text)
    write_params(root, texts, upper=upper)
    return root


def write_params(root: Path, videos: object, *, upper: bool = False) -> None:
    """params.yaml with these videos."""
    (root / "params.yaml").write_text(PARAMS.format(videos=", ".join(videos), upper=str(upper).lower()))  # type: ignore


def calls(root: Path) -> list[str]:
    """The stage functions called since the last question, sorted."""
    path = root / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(lines)


def run_all(root: Path) -> list[str]:
    """Run every stage; the calls it took."""
    runner = open_toy(root)
    for name in GRAPH:
        runner.run(name).raise_failures()
    return calls(root)


def _called(job: Job) -> None:
    with (job.root / "calls").open("a") as stream:
        stream.write(f"{job.stage} {job.unit}\n")


def _hang(job: Job) -> None:
    """Write half of the unit, say so, and wait to be killed."""
    (job.out / "text.txt").write_text("half")
    (job.scratch / "checkpoint").write_text("kept")
    (job.root / "hanging").write_text(str(os.getpid()))
    time.sleep(60)


if __name__ == "__main__":
    open_toy(Path.cwd()).run(sys.argv[1]).raise_failures()
