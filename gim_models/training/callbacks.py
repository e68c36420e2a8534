"""What happens around the steps: validation, a resumable checkpoint, and reports."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from gim_data.files import atomic
from gim_data.stage import Progress
from gim_models.training.module import StudentModule

Validate = Callable[[Any], dict[str, float]]


class Log(Protocol):
    """Where metrics go; a ``tracking.RunLog`` is one."""

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        """Log metrics of one step."""
        ...


def stepped(trainer: pl.Trainer, batch_idx: int) -> bool:
    """Whether an optimizer step has just ended, and not only one of the parts that its batch is computed in."""
    return (batch_idx + 1) % trainer.accumulate_grad_batches == 0


class Judge(pl.Callback):
    """Validates the averaged weights every so often.

    It picks none of them: the models of a curve over video must have taken equally many steps.

    Args:
        validate: metrics of a network.
        every: steps between validations; the last step is always judged.

    Attributes:
        rows: every validation, with its ``step``.
    """

    def __init__(self, validate: Validate, *, every: int) -> None:
        self.validate, self.every = validate, every
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Validate when it is time, in the first process only."""
        step = trainer.global_step
        assert isinstance(pl_module, StudentModule)
        if not stepped(trainer, batch_idx) or not trainer.is_global_zero:
            return
        if step % self.every == 0 or step == trainer.max_steps:
            self.judge(step, pl_module.averaged)

    def judge(self, step: int, network: nn.Module) -> None:
        """Validate."""
        network.eval()
        self.rows.append({"step": float(step), **self.validate(network)})

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.rows = state_dict["rows"]


class Reporter(pl.Callback):
    """Tells progress, history and MLflow how training goes.

    Args:
        progress: a bar that the caller has started.
        sink: where metrics go.
        judge: whose validations are reported.
        every: steps between metrics.
    """

    def __init__(self, progress: Progress, sink: Log, judge: Judge, *, every: int) -> None:
        self.progress, self.sink, self.judge, self.every = progress, sink, judge, every
        self.rows: list[dict[str, float]] = []
        self._sums: dict[str, float] = {}
        self._count = 0
        self._clock = time.monotonic()
        self._told = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock; where training resumes, move the bar to where it was."""
        self._clock = time.monotonic()
        self._told = len(self.judge.rows)
        if trainer.global_step:
            self.progress.advance(trainer.global_step, "resumed")

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Gather, and report every so often."""
        assert isinstance(pl_module, StudentModule)
        step = trainer.global_step
        for name, value in pl_module.last.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        if not stepped(trainer, batch_idx):
            return
        if step % self.every == 0 or step == trainer.max_steps:
            self._write(step, trainer)
        for row in self.judge.rows[self._told :]:
            self.sink.metrics({k: v for k, v in row.items() if k != "step"}, int(row["step"]))
        self._told = len(self.judge.rows)
        self.progress.advance(1, self._note(pl_module.last))

    def _write(self, step: int, trainer: pl.Trainer) -> None:
        means = _over_processes(trainer, {name: total / self._count for name, total in self._sums.items()})
        row = {f"train/{name}": mean for name, mean in means.items()}
        row["train/learning_rate"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        self.rows.append({"step": float(step), **row})
        rate = self._count / trainer.accumulate_grad_batches / max(1e-9, time.monotonic() - self._clock)
        self.sink.metrics({**row, "train/steps_per_second": rate}, step)
        self._sums, self._count, self._clock = {}, 0, time.monotonic()

    def _note(self, last: dict[str, float]) -> str:
        known = self.judge.rows[-1] if self.judge.rows else {}
        told = f", AUC@10 {100 * known['val/auc_10deg']:.0f} held out" if "val/auc_10deg" in known else ""
        return f"loss {last.get('loss', float('nan')):.2f}{told}"

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"rows": self.rows, "sums": self._sums, "count": self._count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.rows, self._sums, self._count = state_dict["rows"], state_dict["sums"], state_dict["count"]


def _over_processes(trainer: pl.Trainer, values: dict[str, float]) -> dict[str, float]:
    """Means over all processes, which must all ask."""
    if trainer.world_size == 1:
        return values
    here = torch.tensor(list(values.values()), dtype=torch.float64, device=trainer.strategy.root_device)
    mean = trainer.strategy.reduce(here, reduce_op="mean")
    assert isinstance(mean, Tensor)
    return dict(zip(values, mean.tolist(), strict=True))


class Saver(pl.Callback):
    """Writes a whole checkpoint every so often, never half of one. Comes last, so that it holds what the others know.

    Args:
        path: the file, replaced each time.
        every: steps between.
    """

    def __init__(self, path: Path, *, every: int) -> None:
        self.path, self.every = path, every

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when it is time; the first process writes, but all must come."""
        if not stepped(trainer, batch_idx) or trainer.global_step % self.every:
            return
        if trainer.is_global_zero:
            with atomic(self.path) as temporary:
                trainer.save_checkpoint(temporary)
        else:
            trainer.save_checkpoint(self.path)
