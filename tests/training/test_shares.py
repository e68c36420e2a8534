"""Batches computed in parts: by one process after another, or by several at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from planted_pairs import Planted
from pydantic import ValidationError
from two_processes import STEPS, curve

from gim_data.errors import GimError
from gim_data.files import read_json
from gim_models.training.config import TrainConfig
from gim_models.training.share import Share, this_share
from gim_models.training.stream import BatchStream

HERE = Path(__file__).parent
WHOLE = BatchStream([Planted(50)], [1.0], batch=12, seed=5)


def names(share: Share, step: int, steps: int) -> dict[int, list[str]]:
    """Part number of the run -> the pairs that one process draws for it."""
    numbers, made = share.stream(WHOLE, step).numbers(), {}
    for batch_idx in range(steps * share.accumulate):
        number = next(numbers)
        assert number % share.parts == share.part(batch_idx)
        made[number] = share.stream(WHOLE, 0).make(number).identifiers
    return made


@pytest.mark.parametrize(("world", "accumulate"), [(1, 4), (2, 2), (4, 1)])
def test_the_parts_of_a_batch_are_the_same_however_they_are_shared(world, accumulate):
    drawn: dict[int, list[str]] = {}
    for rank in range(world):
        drawn |= names(Share(rank, world, world, accumulate), 0, 3)
    assert drawn == names(Share(accumulate=4), 0, 3)
    assert sorted(drawn) == list(range(12))
    assert all(len(pairs) == 3 for pairs in drawn.values())


def test_a_resumed_process_goes_on_where_it_was():
    share = Share(1, 2, 2, 3)
    whole, later = names(share, 0, 5), names(share, 3, 2)
    assert later == {number: whole[number] for number in list(whole)[9:]}


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(GimError, match="12 pairs does not divide into 5"):
        Share(0, 5, 5).stream(WHOLE, 0)
    with pytest.raises(ValidationError, match="equal parts"):
        TrainConfig(batch=4, accumulate=3)


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert this_share(TrainConfig(accumulate=2)) == Share(0, 1, 1, 2)
    variables = {"TORCHELASTIC_RUN_ID": "none", "RANK": "3", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert this_share(TrainConfig()) == Share(3, 4, 2, 1)


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_that_computes_two_parts(extractor, tmp_path):
    """The same losses to 1e-4 relative and weights to 1e-4: sums are taken in another order, nothing else differs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    command += ["--master-port", str(port), str(HERE / "two_processes.py"), str(tmp_path), "1"]
    paths = [str(HERE.parents[1]), str(HERE.parent), str(HERE), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    (tmp_path / "alone").mkdir()
    losses, weights = curve(tmp_path / "alone", 2)
    together = read_json(tmp_path / "losses.json")
    assert len(losses) == len(together) == STEPS
    assert np.allclose(losses, together, rtol=1e-4)
    theirs = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert all(torch.allclose(value, theirs[name], atol=1e-4) for name, value in weights.items())
