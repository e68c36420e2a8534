"""'gim use' and the profiles: what lands in params.yaml, and what never does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from gim_data.errors import GimError
from gim_data.params import read_params
from orchestration.graph import SECTIONS
from orchestration.use import edit_params, from_root

PROJECT_ROOT = Path(__file__).parents[2]
PROFILES = list(yaml.safe_load((PROJECT_ROOT / "params.yaml").read_text())["profiles"])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copy(PROJECT_ROOT / "params.yaml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_validates(root: Path, profile: str) -> None:
    edit_params(root, profile, {})
    assert set(read_params(root, SECTIONS)) == set(SECTIONS)


def test_values_are_set_and_comments_stay(root: Path) -> None:
    comments = [line.partition("#")[2] for line in (root / "params.yaml").read_text().splitlines() if "#" in line]
    edit_params(root, "small", {("corpus", "videos"): ["a.mp4"], ("evaluate", "pairs"): ["pairs"]})
    params = read_params(root, SECTIONS)
    assert params["corpus"].videos == ("a.mp4",)
    assert params["evaluate"].pairs == ("pairs",)
    text = (root / "params.yaml").read_text()
    assert "profile: small" in text
    assert [line.partition("#")[2] for line in text.splitlines() if "#" in line] == comments


def test_a_value_goes_where_the_profile_would_hide_it(root: Path) -> None:
    path = root / "params.yaml"
    path.write_text("profile: x\ncorpus: {videos: [base]}\nprofiles:\n  x: {corpus: {videos: [over]}}\n")
    edit_params(root, None, {("corpus", "videos"): ["mine"]})
    assert read_params(root, SECTIONS)["corpus"].videos == ("mine",)


def test_an_edit_that_does_not_validate_leaves_the_file_alone(root: Path) -> None:
    before = (root / "params.yaml").read_bytes()
    for profile, values in (("huge", {}), (None, {("frames", "interval"): "often"}), (None, {("frames", "nope"): 1})):
        with pytest.raises(GimError):
            edit_params(root, profile, values)
        assert (root / "params.yaml").read_bytes() == before


def test_paths_become_relative_to_the_workspace(tmp_path: Path) -> None:
    root, here = tmp_path / "project", tmp_path / "films"
    root.mkdir()
    here.mkdir()
    (here / "a.mp4").touch()
    absolute = str(here / "a.mp4")
    typed = ["a.mp4", "*.mp4", absolute, "dQw4w9WgXcQ", "https://example.org/a.mp4", "synthetic:street?seed=1"]
    assert from_root(typed, root, here) == ["../films/a.mp4", "../films/*.mp4", *typed[2:]]


@pytest.mark.parametrize("typed", ["./nowhere", "/nowhere/at/all", "nowhere.mp4", "list.txt"])
def test_a_path_that_leads_nowhere_is_refused(tmp_path: Path, typed: str) -> None:
    with pytest.raises(GimError, match="nothing at"):
        from_root([typed], tmp_path, tmp_path)


def test_an_empty_name_is_not_the_working_directory(tmp_path: Path) -> None:
    with pytest.raises(GimError, match="empty name"):
        from_root([" "], tmp_path, tmp_path)
