"""The stages ``base_model`` (0 hours, exact ground truth) and ``model`` (the same recipe at each video budget)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from gim_data.dataset import TrainingIndex
from gim_data.errors import BadInput
from gim_data.files import digest_of, from_home, read_json
from gim_data.ledger import RECORD
from gim_data.posed.layouts import open_posed
from gim_data.stage import Job, Summary
from gim_models.students import student_loader
from gim_models.tracking import RunLog, open_tracker
from gim_models.training.config import Student, TrainConfig, model_key, parse_model_key
from gim_models.training.families.family import Family, family_of
from gim_models.training.launch import Unheard, launch
from gim_models.training.loop import Plan, train_family
from gim_models.training.results import write_student
from gim_models.training.sample import Batch, Sample, collate
from gim_models.training.share import this_share
from gim_models.training.sources import (
    Source,
    TruthSource,
    VideoSource,
    WarpSource,
    all_pairs,
    hold_out,
    open_worlds,
    spread,
)
from gim_models.training.stream import BatchStream

EXPERIMENT = "gim"
_GENTLE = 0.2


@dataclass(frozen=True)
class Supply:
    """Training pairs with their share of a batch, and held-out pairs.

    Attributes:
        sources: where pairs come from.
        weights: their shares, relative to each other.
        held_out: samples never trained on.
    """

    sources: tuple[Source, ...]
    weights: tuple[float, ...]
    held_out: tuple[Sample, ...]

    def __add__(self, other: Supply) -> Supply:
        return Supply(self.sources + other.sources, self.weights + other.weights, self.held_out + other.held_out)


def make_base_model(job: Job) -> Summary:
    """Stage ``base_model``: the student before any video, trained on exact ground truth only.

    Published weights are that already (their authors trained them on posed data), so they are taken as they are.

    Raises:
        BadInput: there are no worlds.
        GimError: weights are missing, or training runs into NaN.
    """
    config: TrainConfig = job.params["train"]
    if config.launch:
        return launch(job, config.launch)
    student = job.params["study"].student(job.unit)
    supply = truth_supply(job, config) + posed_supply(student, config)
    steps = 0 if student.init == "published" else config.base_steps
    plan = _plan(config, supply, steps, config.base_learning_rate)
    family = family_of(student.arch, student.detector)
    network = family.start(student, config.seed)
    return _train(job, plan, student, family, network, f"{student.name}-base", budget=0.0)


def make_model(job: Job) -> Summary:
    """Stage ``model``: a base model trained on, with the videos of a budget among its pairs.

    Every budget takes the same steps, seed and schedule; only where the pairs come from differs.

    Raises:
        BadInput: the budget holds no usable pair.
        GimError: the base model cannot be read, or training runs into NaN.
    """
    config: TrainConfig = job.params["train"]
    if config.launch:
        return launch(job, config.launch)
    name, budget = parse_model_key(job.unit)
    student = job.params["study"].student(name)
    base = job.inputs["base_model"][name]
    network = student_loader(base).network(base)[1]
    supply = truth_supply(job, config) + posed_supply(student, config)
    if budget > 0:
        supply += video_supply(job, config, budget)
    plan = _plan(config, supply, config.steps, config.learning_rate * gentleness(student))
    family = family_of(student.arch, student.detector)
    return _train(job, plan, student, family, network, model_key(name, budget), budget=budget)


def gentleness(student: Student) -> float:
    """Factor of the learning rate: published weights know a lot that full steps would wipe out first."""
    return _GENTLE if student.init == "published" else 1.0


def truth_supply(job: Job, config: TrainConfig) -> Supply:
    """Posed pairs of the worlds, and world frames warped onto themselves.

    Raises:
        BadInput: there are no worlds.
    """
    if not job.inputs.get("worlds"):
        raise BadInput("there is no world with exact ground truth to train on", "set synthetic.worlds above 0")
    stores, pairs = open_worlds(job.inputs["worlds"])
    kept, held = hold_out(pairs)
    truth = TruthSource(stores, kept, config.image_size, config.augment.zoom)
    whole = TruthSource(stores, held, config.image_size, None)
    rng = np.random.default_rng(config.seed)
    chosen = spread(held, config.validation_pairs)
    frames = chosen[["world", "frame0", "frame1"]].itertuples(index=False, name=None)
    samples = [whole.read(str(world), (int(a), int(b)), rng) for world, a, b in frames]
    return Supply((truth, WarpSource(truth)), (config.mix.truth, config.mix.truth_warp), tuple(samples))


def posed_supply(student: Student, config: TrainConfig) -> Supply:
    """Pairs of the posed data sets that the student names, whole; what is held out comes from the worlds.

    Raises:
        GimError: a folder holds no data set that is known.
    """
    sources = []
    for folder in student.posed:
        scenes = open_posed(from_home(folder))
        sources.append(TruthSource(scenes, all_pairs(scenes), config.image_size, config.augment.zoom))
    return Supply(tuple(sources), (config.mix.truth,) * len(sources), ())


def video_supply(job: Job, config: TrainConfig, budget: float) -> Supply:
    """Labelled pairs of a budget, and video frames warped onto themselves.

    Raises:
        BadInput: the budget holds no usable pair.
    """
    index = TrainingIndex.open(job.input("dataset"), job.inputs["frames"], job.inputs["tracks"])
    rows = index.subset(budget)
    if not len(rows):
        raise BadInput(f"budget {budget:g} of the corpus holds no labelled pair", "add videos, or raise the budget")
    video = VideoSource(index, rows, config.image_size, config.augment.zoom)
    held = _held_videos(index, config)
    return Supply((video, WarpSource(video)), (config.mix.video, config.mix.video_warp), tuple(held))


def _held_videos(index: TrainingIndex, config: TrainConfig) -> list[Sample]:
    rows: pd.DataFrame = index.subset(1.0, "val")
    if not len(rows):
        return []
    source = VideoSource(index, rows, config.image_size, None)
    rng = np.random.default_rng(config.seed)
    return [source.read(int(row), rng) for row in spread(rows, config.validation_pairs).index]


def _plan(config: TrainConfig, supply: Supply, steps: int, rate: float) -> Plan:
    stream = BatchStream(supply.sources, supply.weights, config.batch, config.seed)
    return Plan(config, steps, rate, stream, held_batches(supply.held_out, config.batch), config.seed)


def held_batches(samples: Sequence[Sample], size: int) -> list[Batch]:
    """Samples in batches that are wholly posed or wholly labelled."""
    posed = [sample for sample in samples if sample.geometry is not None]
    labelled = [sample for sample in samples if sample.geometry is None]
    return [collate(part[i : i + size]) for part in (posed, labelled) for i in range(0, len(part), size)]


def _train(
    job: Job, plan: Plan, student: Student, family: Family[Any], network: nn.Module, name: str, *, budget: float
) -> Summary:
    config = plan.config
    if this_share(config).rank:  # one of several processes, and not the one that reports
        train_family(plan, network, family, scratch=job.scratch, progress=job.progress, log=Unheard())
        return {}
    job.progress.start(f"train {name}", plan.steps)
    tags = {"arch": student.arch, "student": student.name, "init": student.init, "gim.stage": job.stage}
    params = flat(config.model_dump(mode="json")) | {"budget": budget, "total_steps": plan.steps}
    tracker = open_tracker(job.root)
    settings = {"study": job.params["study"].name, "digest": job.digest, "params": params, "tags": tags}
    with tracker.run(EXPERIMENT, name, **settings) as log:  # type: ignore[arg-type]
        for stage in sorted(name for name, units in job.inputs.items() if units):
            log.dataset(stage, dataset_digest(job.inputs[stage].values()))
        done = train_family(plan, network, family, scratch=job.scratch, progress=job.progress, log=log)
        figures = write_student(job.out, done, plan, network, family)
        _publish(log, job.out, figures)
    judged = {key: round(value, 5) for key, value in done.validations[-1].items()}
    return {"budget": budget, "steps": plan.steps, **judged, "figures": figures}


def dataset_digest(folders: Iterable[Path]) -> str:
    """A digest of input units by what their ledgers say is in them."""
    records = [(path.name, path / RECORD) for path in sorted(folders)]
    found = [[name, read_json(record)["content"] if record.exists() else ""] for name, record in records]
    return digest_of(found)


def flat(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    """Nested settings under dotted names."""
    out: dict[str, object] = {}
    for key, value in values.items():
        out |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return out


def _publish(log: RunLog, folder: Path, figures: Sequence[str]) -> None:
    for name in (*figures, "training.csv", "config.json"):
        log.artifact(folder / name)
