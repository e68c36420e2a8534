"""The Lightning module: one optimizer step on one batch, with averaged weights and a guard against NaN."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gim_data.errors import GimError
from gim_models.training.augment import augment
from gim_models.training.config import TrainConfig
from gim_models.training.families.family import Family
from gim_models.training.sample import Batch
from gim_models.training.share import WHOLE, Share

_FAR_APART = 1 << 40  # between the seeds of the parts of one batch; far more than there are steps


def _ema(decay: float) -> Callable[..., Any]:
    average: Callable[..., Any] = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return average


class StudentModule(pl.LightningModule):
    """Trains a network of any family.

    Args:
        network: what is trained.
        family: says what a batch costs; what it keeps frozen stays out of the checkpoint.
        config: the recipe.
        steps: how long the whole run is, which shapes the learning rate.
        rate: the peak learning rate.
        seed: of augmentation; the numbers of step n depend on it and n alone.
        share: which part of every batch is computed here.
    """

    def __init__(
        self,
        network: nn.Module,
        family: Family[Any],
        config: TrainConfig,
        *,
        steps: int,
        rate: float,
        seed: int,
        share: Share = WHOLE,
    ) -> None:
        super().__init__()
        self.network = network
        self.average = AveragedModel(network, multi_avg_fn=_ema(config.ema))
        self.average.requires_grad_(False)
        self.family, self.share = family, share
        self.config, self.steps, self.rate, self.seed = config, steps, rate, seed
        self.batch_names: list[str] = []
        self.last: dict[str, float] = {}

    @property
    def averaged(self) -> nn.Module:
        """The averaged network, which is what is validated and kept."""
        return self.average.module

    def on_fit_start(self) -> None:
        """Bring what is frozen to where the network is."""
        self.family.to(self.device)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch."""
        return batch.to(device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch, or of a part of it.

        Raises:
            GimError: it is not finite; the error names the pairs.
        """
        part = self.share.part(batch_idx)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.global_step + part * _FAR_APART)
        self.batch_names = batch.identifiers
        views = augment(batch, self.config.augment, generator)
        try:
            loss = self.family.loss(self.network, batch, views, self.config, generator)
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # what a Gaussian process makes of NaN
            raise self._broken("loss") from error
        self._check(loss.total, "loss")
        self.last = {"loss": loss.total.item(), **loss.terms}
        return loss.total

    def configure_optimizers(self) -> Any:
        """AdamW with linear warm-up and cosine decay."""
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=self.rate, weight_decay=self.config.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate_at)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate_at(self, step: int) -> float:
        warm = min(self.config.warmup, self.steps // 2)
        if step < warm:
            return (step + 1) / (warm + 1)
        done = min(1.0, (step - warm) / max(1, self.steps - warm))
        return self.config.final_rate + (1 - self.config.final_rate) * 0.5 * (1 + math.cos(math.pi * done))

    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        """Clip the gradient's norm.

        Raises:
            GimError: it is not finite; the error names the pairs.
        """
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self._check(norm, "gradient")

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, and average the weights at once: callbacks that validate or save come before the batch's end."""
        super().optimizer_step(*args, **kwargs)
        self.average.update_parameters(self.network)

    def _check(self, value: Tensor, what: str) -> None:
        if not torch.isfinite(value):
            raise self._broken(what)

    def _broken(self, what: str) -> GimError:
        return GimError(
            f"the {what} of step {self.global_step} is not finite; its pairs: {'; '.join(self.batch_names)}",
            "look at these pairs, lower train.learning_rate or train.clip, and run again: it resumes before them",
        )
