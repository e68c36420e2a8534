"""'gim doctor': every check answers, and bad news comes with a remedy."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestration import doctor

PROJECT_ROOT = Path(__file__).parents[2]


def test_every_check_answers() -> None:
    findings = doctor.examine(PROJECT_ROOT)
    assert len({finding.name for finding in findings}) == len(findings) == 8
    assert all(finding.detail for finding in findings)


def test_bad_parameters_are_found(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("frames: {interval: often}")
    finding = doctor.parameters(tmp_path)
    assert "frames.interval" in finding.detail
    assert finding.remedy


def test_missing_weights_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    finding = doctor.teachers(tmp_path)
    assert "xfeat+lighterglue" in finding.detail
    assert "pip install" in finding.remedy


def test_broken_selections_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = subprocess.CompletedProcess([], 1, "", "TypeError: ord() expected string of length 1")
    monkeypatch.setattr(doctor.subprocess, "run", lambda *args, **kwargs: broken)
    finding = doctor.selection(tmp_path)
    assert "ord()" in finding.detail
    assert "antlr4-python3-runtime" in finding.remedy
