"""Every family in the one loop: it learns to the pixel, all of it learns, and a killed run ends at the same bits."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from planted_pairs import SIZE, STILL, Planted, PlantedExact, Quiet, affinity
from pydantic import ValidationError
from tiny_networks import ARCHES, tiny

from gim_data.errors import GimError
from gim_data.stage import Silent
from gim_data.types import Matcher
from gim_models.folder import CONFIG, write_folder
from gim_models.students import LOADERS, open_student
from gim_models.training.augment import augment
from gim_models.training.config import AugmentConfig, Student, TrainConfig
from gim_models.training.families.family import FAMILIES, family_of
from gim_models.training.loop import CHECKPOINT, Plan, resume_step, train_family
from gim_models.training.sample import collate
from gim_models.training.stream import BatchStream

NEW = tuple(arch for arch in ARCHES if arch != "lightglue")  # whose own tests are older


class InTurn(PlantedExact):
    """The four planted pairs, one after the other."""

    def draw(self, rng):
        self.__dict__["drawn"] = self.__dict__.get("drawn", -1) + 1
        return self.pair(self.drawn % 4)


def recipe(**changes):
    still = STILL.model_copy(update={"occlusion": 0.0})
    values = {"image_size": SIZE, "keypoints": 64, "batch": 2, "augment": still, "warmup": 2, "log_every": 1}
    return TrainConfig(**(values | {"validate_every": 2, "workers": 0, "threads": 1} | changes))


def run(config, arch, steps, scratch, *, source=None, rate=2e-3, log=None):
    scratch.mkdir(exist_ok=True)
    source = source or Planted()
    plan = Plan(config, steps, rate, BatchStream([source], [1.0], config.batch, 3), [collate([source.pair(0)])], 3)
    network = tiny(arch)
    options = {"scratch": scratch, "progress": Silent(), "log": log or Quiet()}
    return train_family(plan, network, family_of(arch), **options), network


class KilledError(Exception):
    """What a kill looks like from inside."""


class KillAt(Quiet):
    """Dies when metrics of a step arrive."""

    def metrics(self, values, step=0):
        if step == 3:
            raise KilledError


@pytest.mark.slow
@pytest.mark.parametrize(("arch", "accumulate"), [("dkm", 1), ("loftr", 2), ("roma", 1), ("superglue", 2)])
def test_a_killed_run_of_any_family_ends_at_the_same_bits(arch, accumulate, extractor, tmp_path):
    config = recipe(accumulate=accumulate)
    whole, _ = run(config, arch, 3, tmp_path / "whole")
    with pytest.raises(KilledError):
        run(config, arch, 3, tmp_path / "cut", log=KillAt())
    assert resume_step(tmp_path / "cut" / CHECKPOINT) == 2
    resumed, _ = run(config, arch, 3, tmp_path / "cut")
    assert whole.validations == resumed.validations
    assert whole.history == resumed.history
    assert all(torch.equal(value, resumed.weights[name]) for name, value in whole.weights.items())


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["superglue", "dkm"])
def test_compiled_blocks_compute_what_they_did(arch, extractor, tmp_path):
    eager, _ = run(recipe(), arch, 3, tmp_path / "eager")
    compiled, _ = run(recipe(compiler="inductor"), arch, 3, tmp_path / "compiled")
    losses = [[row["train/loss"] for row in trained.history] for trained in (eager, compiled)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)  # what Adam makes of rounding
    assert eager.weights.keys() == compiled.weights.keys()


def test_compiling_without_a_compiler_is_an_error_with_a_remedy(extractor, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GimError, match=r"no C\+\+ compiler") as caught:
        run(recipe(compiler="inductor"), "superglue", 1, tmp_path / "run")
    assert "eager" in caught.value.remedy


@pytest.mark.parametrize("arch", NEW)
def test_all_that_is_not_frozen_learns_from_labels_and_from_geometry(arch, extractor):
    """One batch of both kinds reaches every trainable parameter, and none that is frozen."""
    network, family = tiny(arch).train(), family_of(arch)
    batch = collate([Planted().pair(0), PlantedExact().pair(1)])
    generator = torch.Generator().manual_seed(0)
    config = recipe(augment=AugmentConfig(occlusion=1.0))
    loss = family.loss(network, batch, augment(batch, config.augment, generator), config, generator)
    loss.total.backward()
    assert all(np.isfinite(list(loss.terms.values())))
    for name, value in network.named_parameters():
        assert (value.grad is not None and bool(torch.isfinite(value.grad).all())) == value.requires_grad, name
    assert any("xfeat" in name for name, _ in network.named_parameters()) == (arch != "superglue")


@pytest.mark.parametrize("arch", NEW)
def test_a_loss_that_is_no_number_names_its_pairs_in_any_family(arch, extractor, tmp_path):
    network, config = tiny(arch), recipe()
    with torch.no_grad():
        for value in network.parameters():
            if value.requires_grad:
                value.fill_(torch.nan)
    plan = Plan(config, 1, 1e-3, BatchStream([Planted()], [1.0], 2, 3), [], 3)
    with pytest.raises(GimError, match=r"step 0 is not finite; its pairs: planted \d; planted \d"):
        train_family(plan, network, family_of(arch), scratch=tmp_path, progress=Silent(), log=Quiet())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "steps", "rate"),
    [("superglue", 40, 2e-3), ("loftr", 35, 8e-3), ("dkm", 150, 2e-3), ("roma", 120, 4e-3)],
)
def test_four_planted_pairs_are_learned_to_the_pixel(arch, steps, rate, extractor, tmp_path):
    """From the loop through the folder that training leaves to the matcher that opens it.

    DKM and RoMa have to learn from nothing where anything is; the others start as matchers by nearest descriptors and
    need fewer steps. What DKM lacks at 60 is at its coarse scales: the finer ones see no farther than a few cells.
    Dense ones are asked at the size they learned at: four pairs by heart are no matcher of larger images.
    """
    config = recipe(batch=4, keypoints=128, max_keypoints=128, validate_every=steps, log_every=steps, ema=0.8)
    source = InTurn()
    done, network = run(config, arch, steps, tmp_path / "run", source=source, rate=rate)
    described = family_of(arch).describe(network, config)
    dense = {"samples": 500, "longest": None}  # thinning costs the square of the samples
    few = dense if "samples" in type(described).model_fields else {}
    write_folder(tmp_path / "model", described.model_copy(update=few), done.weights)
    matcher = open_student(tmp_path / "model")
    assert isinstance(matcher, Matcher)
    for n in range(4):
        pair = source.pair(n)
        found = matcher.match(pair.image0, pair.image1)
        assert len(found) > 20
        expected = cv2.perspectiveTransform(found.keypoints0[None].astype(np.float64), affinity(n))[0]
        assert np.median(np.linalg.norm(expected - found.keypoints1, axis=1)) < 1


def test_every_architecture_that_trains_can_be_opened():
    assert set(FAMILIES) == set(LOADERS) == set(ARCHES) == set(Student.model_fields["arch"].annotation.__args__)


@pytest.mark.parametrize("arch", NEW)
def test_a_seed_is_all_that_a_start_depends_on(arch, extractor):
    first, second = (family_of(arch).start(Student(name="s", arch=arch), 3).state_dict() for _ in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_only_lightglue_can_start_from_published_weights():
    with pytest.raises(ValidationError, match="published"):
        Student(name="loftr", arch="loftr", init="published")


def test_a_folder_of_no_known_architecture_is_named(tmp_path):
    (tmp_path / CONFIG).write_text('{"arch": "sift"}')
    with pytest.raises(GimError, match=str(tmp_path)):
        open_student(tmp_path)


def test_a_roma_of_paper_size_asks_for_its_frozen_weights(monkeypatch, tmp_path):
    from gim_models.training.families.frozen import start_roma

    monkeypatch.setenv("GIM_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(GimError, match="DINOv2") as caught:
        start_roma(Student(name="roma", arch="roma", size="paper"), 0)
    assert "GIM_WEIGHTS" in caught.value.remedy
