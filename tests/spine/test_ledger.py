"""The record of units: sealed whole, replaced whole, removed whole, and unreadable records mean "not made"."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from gim_data.errors import BadInput, GimError
from gim_data.ledger import Entry, Ledger


def put(ledger: Ledger, text: str, summary: dict[str, object] | None = None) -> Entry:
    out, _ = ledger.begin("stage", "unit", "d" * 64)
    (out / "file.txt").write_text(text)
    return ledger.commit("stage", "unit", out, Entry("d" * 64, "", summary or {}))


def test_a_unit_appears_whole_and_is_replaced_whole(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.read("stage", "unit") is None
    first = put(ledger, "one", {"n": 1})
    assert ledger.read("stage", "unit") == first
    second = put(ledger, "two")
    assert second.content != first.content
    assert (ledger.folder("stage", "unit") / "file.txt").read_text() == "two"
    assert ledger.units("stage") == ["unit"]


def test_content_is_about_the_files_and_not_the_record(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert put(ledger, "same", {"n": 1}).content == put(ledger, "same", {"n": 2}).content


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"digest": 1}'])
def test_a_damaged_record_means_not_made(tmp_path: Path, damage: str) -> None:
    ledger = Ledger(tmp_path)
    put(ledger, "one")
    (ledger.folder("stage", "unit") / "ledger.json").write_text(damage)
    assert ledger.read("stage", "unit") is None


def test_a_summary_that_is_no_json_is_refused_before_anything_is_replaced(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    put(ledger, "one")
    with pytest.raises(ValueError, match="JSON"):
        put(ledger, "two", {"loss": float("nan")})
    assert (ledger.folder("stage", "unit") / "file.txt").read_text() == "one"


def test_removal(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    put(ledger, "one")
    ledger.remove("stage", "unit")
    assert ledger.units("stage") == []
    assert not list((tmp_path / "data" / ".work").rglob("file.txt"))


def test_errors_survive_a_process_pool() -> None:
    for kind in (GimError, BadInput):
        again = pickle.loads(pickle.dumps(kind("a.mp4 is empty", "remove it")))
        assert type(again) is kind
        assert (again.problem, again.remedy) == ("a.mp4 is empty", "remove it")
        assert str(again) == "a.mp4 is empty\n  -> remove it"
