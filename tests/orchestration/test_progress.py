"""Reports of long work, in a log."""

from __future__ import annotations

import pytest

from orchestration import progress
from orchestration.progress import LineProgress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_now_and_then_with_rate_and_time_left(clock: list[float]) -> None:
    lines: list[str] = []
    report = LineProgress(lines.append)
    report.label = "frames walk"
    report.start("decode", 100)
    for _ in range(30):
        clock[0] += 1
        report.advance(2, "shot 1")
    assert lines == [
        "frames walk decode: 20 of 100, 2.0/s, 40 s left shot 1",
        "frames walk decode: 40 of 100, 2.0/s, 30 s left shot 1",
        "frames walk decode: 60 of 100, 2.0/s, 20 s left shot 1",
    ]


def test_an_unknown_total(clock: list[float]) -> None:
    lines: list[str] = []
    report = LineProgress(lines.append)
    report.start("download", None)
    clock[0] += 11
    report.advance(55)
    assert lines == ["download: 55 done, 5.0/s"]
