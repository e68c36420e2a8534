"""The page shows what the ledger holds, and what was left out, without trusting any name."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gim_data.files import write_json
from gim_data.ledger import Entry, Ledger
from gim_models.report.build import build
from orchestration.graph import GRAPH

VALUE = {"value": 41.25, "low": 38.0, "high": 44.5, "p": None}
ROW = {"name": "lightglue-100", "kind": "student", "video": "4.1 min", "auc": [VALUE] * 3, "gain": VALUE}
TABLE = {"note": "12 pairs", "thresholds": [5, 10, 20], "rows": [ROW, {**ROW, "name": "rootsift", "gain": None}]}


def commit(ledger: Ledger, stage: str, unit: str, entry: Entry, **files: object) -> None:
    out, _ = ledger.begin(stage, unit, entry.digest)
    for name, value in files.items():
        if name == "figure":
            cv2.imwrite(str(out / "figure.png"), np.zeros((4, 4, 3), np.uint8))
        else:
            write_json(out / f"{name}.json", value)
    ledger.commit(stage, unit, out, entry)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def test_an_empty_workspace_still_has_a_page(tmp_path: Path):
    page = build(tmp_path, GRAPH).read_text()
    assert "What this run made" in page
    assert "AUC@5" not in page


def test_the_page_holds_numbers_figures_and_skips(tmp_path: Path, ledger: Ledger):
    figures = {"figures": ["figure.png"]}
    commit(ledger, "scaling_curve", "all", Entry("a", "", figures), scaling=TABLE, figure=True)
    commit(ledger, "tracks", "walk", Entry("b", "", figures), figure=True)
    commit(ledger, "shots", "dark", Entry("c", "", {}, skipped="night.mp4: no usable shot", remedy="use a lamp"))
    page = build(tmp_path, GRAPH).read_text()
    assert page.count("41.2") >= 3
    assert page.count("data:image/jpeg;base64,") == 2
    assert "night.mp4: no usable shot" in page
    assert "use a lamp" in page


def test_a_name_from_outside_is_text_and_not_markup(tmp_path: Path, ledger: Ledger):
    entry = Entry("d", "", {}, skipped="<script>alert(1)</script>", remedy="")
    commit(ledger, "shots", "evil", entry)
    page = build(tmp_path, GRAPH).read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_what_the_matchers_are_good_for_has_a_table_per_task(tmp_path: Path, ledger: Ledger):
    cell = {"registered": 7, "images": 9, "within_1_percent": 0.5, "relative_error": 0.0031, "problem": ""}
    found = {"maps": {"rootsift": {"<b>arc</b>": cell}}}
    commit(ledger, "downstream", "all", Entry("e", "", {"figures": ["figure.png"]}), downstream=found, figure=True)
    page = build(tmp_path, GRAPH).read_text()
    assert "What the matchers are good for" in page
    assert "7/9" in page
    assert "0.310" in page
    assert "&lt;b&gt;arc&lt;/b&gt;" in page
