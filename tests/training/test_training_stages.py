"""Both training stages on one rendered world and a video made of its frames."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from planted_pairs import STILL

from gim_data.dataset import DatasetConfig, make_dataset
from gim_data.errors import BadInput, GimError
from gim_data.labels.store import LabelMeta, write_labels
from gim_data.stage import Job
from gim_data.synthetic.config import SyntheticConfig
from gim_data.synthetic.truth import TruthStore, make_world
from gim_data.types import PairLabel
from gim_data.video.framestore import StoredFrame, write_frames
from gim_models.registry import open_matcher
from gim_models.sparse.lightglue import published_glue
from gim_models.sparse.matcher import load_student
from gim_models.training.config import Student, StudyConfig, TrainConfig
from gim_models.training.stages import make_base_model, make_model

SYNTHETIC = SyntheticConfig(worlds=1, scenes=("room",), frames=12, width=160, height=128, seconds=6)
RECIPE = TrainConfig(
    image_size=(160, 128), keypoints=64, batch=2, base_steps=3, steps=2, validate_every=2, validation_pairs=2,
    augment=STILL, workers=0, threads=1,
)  # fmt: skip


def job(root, stage, unit, inputs, **params):
    out, scratch = root / stage / unit, root / "scratch" / stage / unit
    for folder in (out, scratch):
        folder.mkdir(parents=True, exist_ok=True)
    params = {"train": RECIPE, "study": StudyConfig(), "synthetic": SYNTHETIC, "dataset": DatasetConfig()} | params
    return Job(stage, unit, out, scratch, inputs, params, root, 1, f"{stage}-{unit}")


def film(root, store: TruthStore):
    """A video of the world's frames, labelled by the truth."""
    frames, tracks = root / "frames" / "v", root / "tracks" / "v"
    for folder in (frames, tracks):
        folder.mkdir(parents=True)
    shot = [StoredFrame(0.5 * i, 0, store.image(i)) for i in range(len(store))]
    write_frames(frames, shot, source_size=store.size)
    grid = np.stack(np.meshgrid(np.arange(8.0, 150, 6), np.arange(8.0, 120, 6)), -1).reshape(-1, 2).astype(np.float32)
    labels = []
    for i, j, overlap in store.pairs.itertuples(index=False, name=None):
        moved, seen = store.correspond(i, j, grid)
        one = np.ones(int(seen.sum()), np.uint8)
        labels.append(PairLabel(i, j, grid[seen], moved[seen], one.astype(np.float32), one, one, float(overlap)))
    write_labels(tracks / "pairs.parquet", labels, LabelMeta(store.size, "propagated"))
    return {"frames": {"v": frames}, "tracks": {"v": tracks}}


@pytest.mark.slow
def test_base_then_models_at_two_budgets(tmp_path, extractor):
    make_world(made := job(tmp_path, "worlds", "room-0", {}))
    worlds = {"room-0": made.out}
    base = job(tmp_path, "base_model", "lightglue", {"worlds": worlds})
    assert make_base_model(base)["steps"] == 3
    start = {"worlds": worlds, "base_model": {"lightglue": base.out}}
    zero = job(tmp_path, "model", "lightglue-000", start)
    assert "val/video_recall" not in make_model(zero)
    video = film(tmp_path, TruthStore.open(made.out))
    make_dataset(indexed := job(tmp_path, "dataset", "all", video))
    full = job(tmp_path, "model", "lightglue-100", start | video | {"dataset": {"all": indexed.out}})
    summary = make_model(full)
    assert summary["budget"] == 1.0
    assert all((full.out / name).stat().st_size > 1000 for name in summary["figures"])
    header = (full.out / "training.csv").read_text().splitlines()[0]
    assert header.startswith("step,train/loss")
    assert load_student(full.out).network.shape == load_student(base.out).network.shape


@pytest.mark.slow
def test_published_weights_are_a_base_as_they_are(tmp_path, extractor):
    make_world(made := job(tmp_path, "worlds", "room-0", {}))
    study = StudyConfig(students=(Student(init="published"),))
    base = job(tmp_path, "base_model", "lightglue", {"worlds": {"room-0": made.out}}, study=study)
    assert make_base_model(base)["steps"] == 0
    ours, theirs = load_student(base.out).network.state_dict(), published_glue().state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_without_worlds_there_is_no_base(tmp_path):
    with pytest.raises(BadInput, match="no world"):
        make_base_model(job(tmp_path, "base_model", "lightglue", {"worlds": {}}))


@pytest.mark.slow
def test_a_student_of_another_family_goes_through_both_stages_in_a_process_of_its_own(tmp_path, extractor):
    """LoFTR, started by a command as ``torchrun`` would be: base, then the model without video, which opens by name."""
    make_world(made := job(tmp_path, "worlds", "room-0", {}))
    study = StudyConfig(students=(Student(name="semi", arch="loftr"),))
    recipe = RECIPE.model_copy(update={"launch": sys.executable, "base_steps": 2, "steps": 1})
    base = job(tmp_path, "base_model", "semi", {"worlds": {"room-0": made.out}}, study=study, train=recipe)
    assert make_base_model(base)["steps"] == 2
    inputs = {"worlds": {"room-0": made.out}, "base_model": {"semi": base.out}}
    model = job(tmp_path, "model", "semi-000", inputs, study=study, train=recipe)
    assert set(make_model(model)["figures"]) == {"loss.png", "matches.png"}
    opened = open_matcher(f"student:{model.out}")
    assert opened.name == "student:semi-000"
    image = TruthStore.open(made.out).image(0)
    assert opened.match(image, image).size0 == (160, 128)


def test_a_command_that_does_not_exist_is_named(tmp_path):
    recipe = RECIPE.model_copy(update={"launch": "no-such-launcher --nproc-per-node 2"})
    with pytest.raises(GimError, match="no-such-launcher"):
        make_base_model(job(tmp_path, "base_model", "lightglue", {}, train=recipe))


def test_processes_that_fail_are_an_error_that_says_how_to_go_on(tmp_path):
    recipe = RECIPE.model_copy(update={"launch": f"{sys.executable} -c pass"})
    with pytest.raises(GimError, match="ended with code 0") as caught:
        make_base_model(job(tmp_path, "base_model", "lightglue", {}, train=recipe))
    assert "checkpoint" in caught.value.remedy
