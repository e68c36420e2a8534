"""params.yaml: overlays, and errors that name the file and the field."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import SECTIONS

from gim_data.errors import GimError
from gim_data.labels.config import LabelsConfig
from gim_data.params import dump, merge, read_params
from gim_models.labelling import file_name

TREES = st.dictionaries(st.sampled_from("abc"), st.integers() | st.dictionaries(st.sampled_from("xyz"), st.integers()))


@given(TREES, TREES)
def test_overlay_wins_and_the_rest_stays(base: dict[str, object], overlay: dict[str, object]) -> None:
    merged = merge(base, overlay)
    assert merge(merged, overlay) == merged
    assert merge(base, {}) == base
    assert set(merged) == {*base, *overlay}
    assert all(merged[key] == value for key, value in overlay.items() if not isinstance(value, dict))


def read(tmp_path: Path, text: str) -> object:
    (tmp_path / "params.yaml").write_text(text)
    return read_params(tmp_path, SECTIONS)


def test_the_profile_lies_over_the_sections(tmp_path: Path) -> None:
    params = read(tmp_path, "profile: p\nlabels: {times: 2, upper: true}\nprofiles: {p: {labels: {times: 3}}, q: null}")
    assert dump(params, ("labels",)) == {"labels": {"times": 3, "upper": True}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("labels: {upper: 7}", "labels.upper"),
        ("labels: {times: 10}", "labels.times"),
        ("labels: {tims: 1}", "labels.tims: Extra inputs"),
        ("lables: {}", r"unknown section\(s\) \['lables'\]"),
        ("profile: q\nprofiles: {p: {}}", "profile 'q'"),
        ("profiles: {p: {lables: {}}}", "profiles.p"),
        ("labels: [1, 2]", "labels"),
        ("- a\n- b", "mapping"),
        ("labels: {", "not YAML"),
        ("", "mapping"),
    ],
)
def test_mistakes_name_the_file_and_the_field(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(GimError, match=problem) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "params.yaml") in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(GimError, match=r"no params.yaml"):
        read_params(tmp_path, SECTIONS)


TIMES = {"frames": "gim_data.video.config:FramesConfig", "labels": "gim_data.labels.config:LabelsConfig"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("frames: {interval: 0}", r"frames\.interval: .*greater than 0"),
        ("frames: {interval: -1}", r"frames\.interval: .*greater than 0"),
        ("frames: {interval: .inf}", r"frames\.interval: .*finite"),
        ("frames: {interval: .nan}", r"frames\.interval: "),
        ("labels: {skips: [0.5, 0]}", r"labels\.skips: .*finite time above 0"),
        ("labels: {skips: [-0.5]}", r"labels\.skips: .*finite time above 0"),
        ("labels: {skips: [.inf]}", r"labels\.skips: .*finite time above 0"),
        ("labels: {skips: [.nan, 1]}", r"labels\.skips: .*finite time above 0"),
        ("labels: {skips: [0.5, 1, 0.5001]}", r"labels\.skips: .*same to a millisecond"),
    ],
)
def test_times_are_finite_positive_and_apart(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(GimError, match=problem):
        read_params(tmp_path, TIMES)


@given(st.lists(st.floats(0.01, 10) | st.sampled_from([0.5, 0.5001, 0.5009]), min_size=2, max_size=5))
def test_skips_are_taken_exactly_where_every_label_file_has_a_name_of_its_own(skips: list[float]) -> None:
    names = {file_name("rootsift", skip, 1) for skip in skips}
    if len(names) == len(skips):
        assert LabelsConfig(skips=tuple(skips)).skips == tuple(skips)
    else:
        with pytest.raises(ValueError, match="millisecond"):
            LabelsConfig(skips=tuple(skips))
