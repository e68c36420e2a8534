"""A job that goes to other processes as a file: nothing of it is lost, and nothing in the file is run."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

import gim_data.stages
import gim_models.stages
from gim_data.errors import GimError
from gim_data.stage import Job, load
from gim_data.video.config import AcquireConfig
from gim_models.training.config import AugmentConfig, Student, StudyConfig, TrainConfig
from gim_models.training.launch import main, read_job, write_job

SECTIONS = {**gim_data.stages.SECTIONS, **gim_models.stages.SECTIONS}
TRAIN = TrainConfig(
    image_size=(160, 128), accumulate=2, workers=3, device="meta", learning_rate=1 / 3, augment=AugmentConfig(dark=0.5)
)  # fields that no digest holds, a nested section, a number without a short decimal


@pytest.fixture
def job(tmp_path):
    params = {name: load(target)() for name, target in SECTIONS.items()}
    study = StudyConfig(students=(Student(name="semi", arch="loftr", posed=("/data/scannet",)),), budgets=(0.0, 0.5))
    params |= {"train": TRAIN, "study": study, "acquire": AcquireConfig(retries=9)}
    inputs = {"worlds": {"room-0": tmp_path / "worlds" / "room-0"}, "frames": {}}
    return Job("model", "semi-050", tmp_path / "out", tmp_path / "scratch", inputs, params, tmp_path, 7, "d")


def test_a_job_comes_back_as_it_was_with_the_fields_that_no_digest_holds(job, tmp_path):
    write_job(tmp_path / "job.json", job)
    back = read_job(tmp_path / "job.json")
    assert {k: v for k, v in vars(back).items() if k != "progress"} == {
        k: v for k, v in vars(job).items() if k != "progress"
    }


def test_a_relative_folder_means_the_same_from_elsewhere(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_job(tmp_path / "job.json", replace(job, root=Path(), inputs={"worlds": {"room-0": Path("worlds/room-0")}}))
    monkeypatch.chdir("/")
    back = read_job(tmp_path / "job.json")
    assert (back.root, back.inputs["worlds"]["room-0"]) == (tmp_path, tmp_path / "worlds" / "room-0")


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_a_pickled_job_is_refused_and_not_run(tmp_path):
    (tmp_path / "job.pickle").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(GimError, match=r"job\.pickle cannot be read"):
        main(tmp_path / "job.pickle")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stage": "model", "params": {"nothing": {}}}'])
def test_what_is_no_job_is_named(text, tmp_path):
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(GimError, match=r"job\.json cannot be read"):
        read_job(tmp_path / "job.json")


def test_only_training_stages_are_done(job, tmp_path):
    write_job(tmp_path / "job.json", replace(job, stage="videos"))
    with pytest.raises(GimError, match="'videos' is no training stage"):
        main(tmp_path / "job.json")


def test_an_unknown_setting_is_refused(job, tmp_path):
    write_job(tmp_path / "job.json", job)
    text = (tmp_path / "job.json").read_text()
    (tmp_path / "job.json").write_text(text.replace('"accumulate": 2', '"accumulate": 2, "surprise": 1'))
    with pytest.raises(GimError, match="surprise"):
        read_job(tmp_path / "job.json")
