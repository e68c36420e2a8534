"""The loop: it learns, it resumes to the same bits, it names the batch that breaks it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from kornia.feature.lightglue import filter_matches
from planted_pairs import Planted, PlantedExact, Quiet, affinity, homography

from gim_data.errors import GimError
from gim_data.stage import Silent
from gim_models.sparse.lightglue import GlueNet, GlueShape, seeded_glue
from gim_models.training.augment import plain
from gim_models.training.features import supervise
from gim_models.training.loop import CHECKPOINT, Plan, resume_step, train
from gim_models.training.sample import collate
from gim_models.training.stream import BatchStream

PAIRS = Planted()
TINY = GlueShape(descriptor_dim=64, n_layers=2)


def plan(config, steps, *, workers=0, seed=3, source=PAIRS):
    stream = BatchStream([source], [1.0], config.batch, seed)
    held = [collate([source.pair(n) for n in range(4)])]
    return Plan(config.model_copy(update={"workers": workers}), steps, 2e-3, stream, held, seed)


def run(the_plan, extractor, scratch, network=None, log=None):
    scratch.mkdir(exist_ok=True)
    network = network or seeded_glue(TINY, 0)
    return train(the_plan, network, extractor, scratch=scratch, progress=Silent(), log=log or Quiet())


class KilledError(Exception):
    """What a kill looks like from inside."""


class KillAt(Quiet):
    """Dies when metrics of a step arrive."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def metrics(self, values, step=0):
        if step == self.step:
            raise KilledError
        super().metrics(values, step)


@pytest.mark.slow
def test_a_killed_run_ends_at_the_same_bits(tmp_path, extractor, small):
    """KilledError after step 6, resumed from the checkpoint of step 4, as if nothing had happened."""
    whole = run(plan(small, 10), extractor, tmp_path / "whole")
    with pytest.raises(KilledError):
        run(plan(small, 10), extractor, tmp_path / "cut", log=KillAt(6))
    assert resume_step(tmp_path / "cut" / CHECKPOINT) == 4
    resumed = run(plan(small, 10, workers=1), extractor, tmp_path / "cut")
    assert whole.validations == resumed.validations
    assert whole.history == resumed.history
    assert all(torch.equal(value, resumed.weights[name]) for name, value in whole.weights.items())


@pytest.mark.slow
def test_four_planted_pairs_are_learned_to_the_pixel(tmp_path, extractor, small):
    config = small.model_copy(update={"batch": 4, "validate_every": 60, "keypoints": 128, "ema": 0.9})
    log, source = Quiet(), PlantedExact()
    done = run(plan(config, 60, source=source), extractor, tmp_path, log=log)
    losses = [row["train/loss"] for _, row in log.rows if "train/loss" in row]
    assert losses[-1] < 0.4 * losses[0]
    network = GlueNet(TINY)
    network.load_state_dict(done.weights)
    batch = collate([source.pair(n) for n in range(4)])
    known = supervise(batch, plain(batch), extractor, config, torch.Generator())
    found = filter_matches(network.assignment(network.eval().layers(known.side0, known.side1)), 0.1)[0]
    for n in range(4):
        rows = torch.nonzero(found[n] >= 0).flatten()
        expected = cv2.perspectiveTransform(known.side0.points[n, rows].numpy()[None], affinity(n))[0]
        error = np.linalg.norm(known.side1.points[n, found[n, rows]].numpy() - expected, axis=1)
        assert len(rows) > 20
        assert np.median(error) < 1


def test_a_loss_that_is_no_number_names_its_pairs(tmp_path, extractor, small):
    network = seeded_glue(TINY, 0)
    torch.nn.init.constant_(network.log_assignment[-1].matchability.bias, torch.nan)
    with pytest.raises(GimError, match=r"step 0 is not finite; its pairs: planted \d; planted \d"):
        run(plan(small, 4), extractor, tmp_path, network)


def test_a_broken_checkpoint_is_an_error_with_a_remedy(tmp_path, extractor, small):
    (tmp_path / CHECKPOINT).write_bytes(b"not a checkpoint")
    with pytest.raises(GimError, match="cannot be read") as caught:
        run(plan(small, 4), extractor, tmp_path)
    assert "delete" in caught.value.remedy


def test_inserted_labels_keep_the_number_of_keypoints_and_become_matches(extractor, small):
    batch = collate([Planted().pair(0)])
    none, some = (
        supervise(batch, plain(batch), extractor, small.model_copy(update={"inserted": share}), torch.Generator())
        for share in (0.0, 0.5)
    )
    assert none.side0.points.shape == some.side0.points.shape
    assert (some.targets.match0 >= 0).sum() >= (none.targets.match0 >= 0).sum() + 20
    matched = torch.nonzero(some.targets.match0[0] >= 0).flatten()
    ends0 = some.side0.points[0, matched].numpy()
    ends1 = some.side1.points[0, some.targets.match0[0, matched]].numpy()
    assert np.linalg.norm(cv2.perspectiveTransform(ends0[None], homography(0))[0] - ends1, axis=1).max() < 6


def test_too_many_labels_are_thinned_without_a_preference_for_the_left(extractor, small):
    from gim_models.training.features import insert_labels

    labels = torch.cartesian_prod(torch.arange(0.0, 1000), torch.tensor([0.0, 50]))
    far = torch.full((96, 2), -500.0)
    half = small.model_copy(update={"inserted": 0.5})
    new0, _ = insert_labels(far, far, labels, labels, half, torch.Generator().manual_seed(0))
    x = new0[48:, 0]
    assert 350 < x.mean() < 650
    assert x.max() > 800
