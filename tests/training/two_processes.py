"""Run by ``torchrun``: a few steps of a tiny LightGlue in every process; the first one writes the loss curve.

Arguments: a folder for the checkpoint and ``losses.json``, parts per process.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from planted_pairs import SIZE, STILL, Planted, Quiet
from tiny_networks import tiny

from gim_data.files import write_json
from gim_data.stage import Silent
from gim_models.training.config import TrainConfig
from gim_models.training.families.family import family_of
from gim_models.training.loop import Plan, train_family
from gim_models.training.sample import collate
from gim_models.training.share import this_share
from gim_models.training.stream import BatchStream

STEPS = 4


def curve(folder: Path, accumulate: int) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Losses by step, and the weights at the end."""
    config = TrainConfig(
        image_size=SIZE, keypoints=64, batch=4, accumulate=accumulate, augment=STILL, warmup=1, log_every=1,
        validate_every=2, workers=0, threads=1,
    )  # fmt: skip
    source, log = Planted(), Quiet()
    plan = Plan(config, STEPS, 2e-3, BatchStream([source], [1.0], 4, 3), [collate([source.pair(0)])], 3)
    network = tiny("lightglue")
    train_family(plan, network, family_of("lightglue"), scratch=folder, progress=Silent(), log=log)
    losses = [row["train/loss"] for _, row in log.rows if "train/loss" in row]
    return losses, {name: value.detach().clone() for name, value in network.state_dict().items()}


if __name__ == "__main__":
    where = Path(sys.argv[1])
    found, weights = curve(where, int(sys.argv[2]))
    if this_share(TrainConfig()).rank == 0:
        write_json(where / "losses.json", found)
        torch.save(weights, where / "weights.pt")
