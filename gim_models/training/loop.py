"""One training run: Lightning's loop around the module, resumable at every checkpoint."""

from __future__ import annotations

import logging
import pickle
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy, Strategy
from torch import Tensor, nn

from gim_data.errors import GimError
from gim_data.stage import Progress
from gim_models.sparse.lightglue import GlueNet
from gim_models.sparse.xfeat import XFeatExtractor
from gim_models.training.callbacks import Judge, Log, Reporter, Saver
from gim_models.training.config import TrainConfig
from gim_models.training.families.family import Family
from gim_models.training.families.sparse import over_extractor
from gim_models.training.module import StudentModule
from gim_models.training.prefetch import ahead
from gim_models.training.sample import Batch
from gim_models.training.share import Share, this_share
from gim_models.training.speed import make_fast
from gim_models.training.stream import BatchStream

CHECKPOINT = "last.ckpt"


@dataclass(frozen=True)
class Plan:
    """What one run trains, on what, for how long.

    Attributes:
        config: the recipe.
        steps: optimizer steps.
        rate: peak learning rate.
        stream: training batches.
        held_out: validation batches.
        seed: of augmentation.
    """

    config: TrainConfig
    steps: int
    rate: float
    stream: BatchStream
    held_out: Sequence[Batch]
    seed: int


@dataclass(frozen=True)
class Trained:
    """What a run leaves.

    Attributes:
        weights: of the averaged network after the last step.
        validations, history: one row per validation and per report, each with ``step``.
    """

    weights: dict[str, Tensor]
    validations: list[dict[str, float]]
    history: list[dict[str, float]]


def train(
    plan: Plan, network: GlueNet, extractor: XFeatExtractor, *, scratch: Path, progress: Progress, log: Log
) -> Trained:
    """``train_family`` for a LightGlue over a given extractor."""
    return train_family(plan, network, over_extractor(extractor), scratch=scratch, progress=progress, log=log)


def train_family(
    plan: Plan, network: nn.Module, family: Family[Any], *, scratch: Path, progress: Progress, log: Log
) -> Trained:
    """Train ``network`` (changed in place) and return the averaged weights after the last step.

    Args:
        plan: the run.
        network: where it starts.
        family: of its architecture.
        scratch: where the checkpoint lives; one found there is resumed, to the same bits on a CPU.
        progress: a bar that the caller has started.
        log: where metrics go.

    Raises:
        GimError: a loss or gradient is not finite, the checkpoint cannot be read, or the batch does not divide among
            the processes.
    """
    config, checkpoint = plan.config, scratch / CHECKPOINT
    start = resume_step(checkpoint)
    share = this_share(config)
    stream = share.stream(plan.stream, start)
    make_fast(network, config.compiler)
    module = StudentModule(network, family, config, steps=plan.steps, rate=plan.rate, seed=plan.seed, share=share)
    family.to(torch.device(config.device))
    judged = [batch.to(torch.device(config.device)) for batch in plan.held_out]
    judge = Judge(lambda averaged: family.validate(averaged, judged, config), every=config.validate_every)
    reporter = Reporter(progress, log, judge, every=config.log_every)
    saver = Saver(checkpoint, every=config.validate_every)
    with _quiet(config.threads):
        if plan.steps == 0:
            judge.judge(0, module.averaged.to(config.device))
        trainer = _trainer(plan, share, [judge, reporter, saver], scratch)
        batches = ahead(stream, config.workers)
        resume = str(checkpoint) if start else None
        trainer.fit(module, train_dataloaders=_Endless(batches), ckpt_path=resume, weights_only=True)
        batches.close()
    weights = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in module.averaged.state_dict().items()
    }
    return Trained(weights, judge.rows, reporter.rows)


def resume_step(checkpoint: Path) -> int:
    """The step a checkpoint was written after; 0 where there is none.

    Raises:
        GimError: the file cannot be read.
    """
    if not checkpoint.exists():
        return 0
    try:
        return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"])
    except (OSError, KeyError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise GimError(f"the checkpoint {checkpoint} cannot be read: {error}", "delete it to start over") from error


class _Endless:
    """An iterator as the loader that Lightning wants: without a length."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Batch]:
        return self.batches


def _trainer(plan: Plan, share: Share, callbacks: list[pl.Callback], scratch: Path) -> pl.Trainer:
    device = torch.device(plan.config.device)
    several = share.world > 1
    one: int | list[int] = 1 if device.index is None else [device.index]
    return pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else device.type,
        strategy=_together() if several else "auto",
        devices=share.local if several else one,
        num_nodes=share.world // share.local,
        accumulate_grad_batches=share.accumulate,
        max_steps=plan.steps,
        callbacks=callbacks,
        default_root_dir=scratch,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _together() -> Strategy:
    """Gradients are averaged; what one step leaves out (a layer that was not read out) is found out each time."""
    return DDPStrategy(find_unused_parameters=True)


@contextmanager
def _quiet(threads: int) -> Iterator[None]:
    """Set torch's threads and Lightning's voice for the length of a run."""
    before, logger = torch.get_num_threads(), logging.getLogger("pytorch_lightning")
    level = logger.level
    torch.set_num_threads(min(threads, before))  # never more than the process was started with
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            yield
    finally:
        torch.set_num_threads(before)
        logger.setLevel(level)
