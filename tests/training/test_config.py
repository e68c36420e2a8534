"""The section ``train`` and the units it makes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from gim_data.errors import GimError
from gim_models.training.config import (
    Student,
    StudyConfig,
    TrainConfig,
    model_keys,
    model_upstream,
    parse_model_key,
    student_keys,
    student_of,
)

PARAMS = {"study": StudyConfig(students=(Student(), Student(name="tuned", init="published")), budgets=(1, 0, 0.25))}


def test_units_are_students_and_students_at_budgets(tmp_path):
    assert student_keys(PARAMS, tmp_path) == ["lightglue", "tuned"]
    assert model_keys(PARAMS, tmp_path)[:3] == ["lightglue-000", "lightglue-025", "lightglue-100"]
    assert [parse_model_key(key) for key in model_keys(PARAMS, tmp_path)][4] == ("tuned", 0.25)


def test_the_zero_hour_model_reads_no_video():
    for dep in ("dataset", "frames", "tracks"):
        assert model_upstream("tuned-000", dep, ["x"], PARAMS) == []
        assert model_upstream("tuned-025", dep, ["x"], PARAMS) == ["x"]
    assert model_upstream("tuned-000", "worlds", ["a", "b"], PARAMS) == ["a", "b"]
    assert model_upstream("tuned-025", "base_model", ["lightglue", "tuned"], PARAMS) == ["tuned"]


@pytest.mark.parametrize("wrong", [{"arch": "loftr"}, {"init": "published"}, {"detector": "orb"}])
def test_a_detector_is_for_sparse_students_and_has_no_published_glue_but_xfeats(wrong):
    with pytest.raises(ValidationError):
        Student(**({"detector": "sift"} | wrong))
    assert Student(detector="xfeat", init="published").detector == "xfeat"


def test_a_younger_field_leaves_the_digest_of_older_students_as_it_was(tmp_path):
    old = student_of("lightglue", PARAMS, tmp_path)
    assert not {"detector", "posed", "size"} & set(old)
    named = {"study": StudyConfig(students=(Student(detector="sift"),))}
    assert student_of("lightglue", named, tmp_path)["detector"] == "sift"


@pytest.mark.parametrize("key", ["lightglue", "lightglue-", "-", "lightglue-x5"])
def test_a_wrong_key_is_an_error(key):
    with pytest.raises(GimError, match="names no model"):
        parse_model_key(key)


@pytest.mark.parametrize(
    ("section", "wrong"),
    [
        (StudyConfig, {"budgets": (0.0, 1.5)}),
        (StudyConfig, {"budgets": (0.251, 0.252)}),
        (StudyConfig, {"budgets": (0.5, 0.5)}),
        (StudyConfig, {"students": ()}),
        (StudyConfig, {"students": (Student(), Student())}),
        (TrainConfig, {"image_size": (480, 350)}),
        (TrainConfig, {"positive_px": 6}),
        (TrainConfig, {"rate": 1}),
        (TrainConfig, {"steps": "many"}),
    ],
)
def test_nonsense_is_refused(section, wrong):
    with pytest.raises(ValidationError):
        section(**wrong)


def test_reading_the_configuration_imports_no_torch():
    code = "import sys, gim_models.training.config; sys.exit('torch' in sys.modules or 'mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
