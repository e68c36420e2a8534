"""Baselines by name: their keys are safe, distinct and stable, and their digests follow the weights."""

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gim_data.errors import GimError
from gim_models.evaluation.baselines import baseline_key, distinct_keys, located, outside
from gim_models.evaluation.config import EvaluateConfig
from gim_models.registry import matcher_names, open_matcher
from gim_models.stages import matcher_keys
from gim_models.training.config import StudyConfig


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("rootsift", "rootsift"),
        ("xfeat+lighterglue", "xfeat+lighterglue"),
        ("loftr:weights/gim_loftr_50h", "loftr.gim_loftr_50h"),
        ("student:/data/model/lightglue-100/", "student.lightglue-100"),
        ("dkm:C:\\weights\\my dkm", "dkm.my_dkm"),
        ("vismatch:superpoint-lightglue", "vismatch.superpoint-lightglue"),
    ],
)
def test_a_name_becomes_a_key_that_people_recognise(name: str, key: str):
    assert baseline_key(name) == key


@given(st.text(max_size=150) | st.from_regex(r"[a-z]+:.*", fullmatch=True))
def test_a_key_is_safe_as_a_file_name_or_there_is_none(name: str):
    try:
        key = baseline_key(name)
    except ValueError:
        return
    assert key.isascii()
    assert 0 < len(key) <= 100
    assert not set(key) & set('/\\:*?"<>|%@# \0\n\t')
    assert not key.startswith(".")
    assert baseline_key(key) == key
    assert Path("unit", key).name == key


@pytest.mark.parametrize(
    "name", ["", "..", ".hidden", "a/b", "student:", "student:..", "student:x/..", "nul", "x" * 101]
)
def test_what_cannot_name_a_folder_is_refused(name: str):
    with pytest.raises(ValueError, match=r"cannot name|ends in no name"):
        EvaluateConfig(baselines=(name,))


def test_two_baselines_of_one_key_are_refused():
    with pytest.raises(ValueError, match=r"both student\.Best.*|both student\.best"):
        EvaluateConfig(baselines=("student:a/best", "student:b/Best"))


def test_units_are_keys_and_open_as_names():
    config = EvaluateConfig(baselines=("rootsift", "loftr:weights/gim"))
    keys = matcher_keys({"evaluate": config, "study": StudyConfig(budgets=(0.0,))}, None)
    assert keys == ["rootsift", "loftr.gim", "lightglue-000"]
    assert distinct_keys(config.baselines)["loftr.gim"] == "loftr:weights/gim"


def test_relative_paths_start_at_the_workspace(tmp_path: Path):
    assert located("loftr:weights/gim", tmp_path) == f"loftr:{tmp_path}/weights/gim"
    assert located("loftr:/elsewhere/gim", tmp_path) == "loftr:/elsewhere/gim"
    assert located("vismatch:roma", tmp_path) == "vismatch:roma"


def test_other_weights_are_another_digest_and_another_place_is_not(tmp_path: Path):
    params = {"evaluate": EvaluateConfig(baselines=("loftr:a/x", "rootsift"))}
    with pytest.raises(GimError, match=r"loftr:a/x: .*a/x is not a folder"):
        outside("loftr.x", params, tmp_path)
    (tmp_path / "a" / "x").mkdir(parents=True)
    (tmp_path / "a" / "x" / "weights.safetensors").write_bytes(b"1")
    first = outside("loftr.x", params, tmp_path)
    moved = {"evaluate": EvaluateConfig(baselines=("loftr:b/x",))}
    (tmp_path / "a").rename(tmp_path / "b")
    assert outside("loftr.x", moved, tmp_path) == first
    (tmp_path / "b" / "x" / "weights.safetensors").write_bytes(b"2")
    assert outside("loftr.x", moved, tmp_path) != first
    assert outside("rootsift", params, tmp_path) is None
    assert outside("lightglue-100", params, tmp_path) is None


class Shifter:
    """Stands for a model of vismatch: takes (3, H, W) in [0, 1], gives a dictionary."""

    def __call__(self, image0: object, image1: object) -> dict[str, object]:
        assert image0.shape == (3, 60, 80)  # type: ignore[attr-defined]
        assert 0 <= float(image0.min()) <= float(image0.max()) <= 1  # type: ignore[attr-defined]
        points = np.array([[10.0, 5.0], [70.0, 50.0]])
        return {"matched_kpts0": points, "matched_kpts1": points + 3, "matched_confidences": None}


@pytest.fixture
def vismatch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A package of that name with one model, for the border between the two only."""
    (tmp_path / "vismatch").mkdir()
    (tmp_path / "vismatch" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    package = ModuleType("vismatch")
    package.available_models = ["shifter", "broken"]  # type: ignore[attr-defined]

    def get_matcher(name: str, device: str) -> Shifter:
        print("downloading")
        if name == "broken":
            raise RuntimeError("no route to host")
        return Shifter()

    package.get_matcher = get_matcher  # type: ignore[attr-defined]
    package.__spec__ = find_spec("vismatch")
    monkeypatch.setitem(sys.modules, "vismatch", package)


def test_a_vismatch_model_matches_like_any_other(vismatch: None, capsys: pytest.CaptureFixture[str]):
    matcher = open_matcher("vismatch:shifter")
    image = np.full((60, 80, 3), 255, np.uint8)
    found = matcher.match(image, image)
    assert matcher.name == "vismatch:shifter"
    np.testing.assert_array_equal(found.keypoints1 - found.keypoints0, 3)
    assert found.keypoints0.dtype == found.confidence.dtype == np.float32
    assert found.size0 == (80, 60)
    assert "downloading" not in capsys.readouterr().out
    mask = np.ones((60, 80), bool)
    mask[5, 10] = False
    assert len(matcher.match(image, image, mask, None)) == 1


def test_an_unknown_or_broken_vismatch_model_is_named(vismatch: None):
    with pytest.raises(GimError, match=r"no model 'rome'.*\n.*broken, shifter"):
        open_matcher("vismatch:rome")
    with pytest.raises(GimError, match="cannot open broken: RuntimeError: no route to host"):
        open_matcher("vismatch:broken")


@pytest.mark.skipif(find_spec("vismatch") is not None, reason="vismatch is installed")
def test_without_vismatch_the_remedy_is_named():
    with pytest.raises(GimError, match=r"vismatch is not installed\n.*pip install"):
        open_matcher("vismatch:roma")
    assert "vismatch:<model>" in matcher_names()
