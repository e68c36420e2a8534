"""Accuracy by overlap: every pair counts in its own tenth, and the figures and metrics show what the cells say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gim_models.evaluation.auc import auc
from gim_models.evaluation.figures import draw_overlaps
from gim_models.evaluation.overlaps import overlap_cells
from gim_models.evaluation.publish import metric_name, score_metrics


def table(overlaps: list[float], errors: list[float]) -> pd.DataFrame:
    rows = {"sequence": "a", "identifier": [f"a#{i}#x" for i in range(len(overlaps))]}
    return pd.DataFrame({**rows, "overlap": np.array(overlaps, float), "error": np.array(errors, float)})


def test_each_tenth_has_the_auc_of_its_pairs():
    rows = table([0.0, 0.05, 0.31, 0.39, 1.0, float("nan")], [180.0, 2.0, 1.0, 3.0, 0.5, 0.0])
    cells = overlap_cells(rows, samples=100, seed=0)
    assert [(c["low"], c["high"], c["pairs"]) for c in cells] == [(0.0, 0.1, 2), (0.3, 0.4, 2), (0.9, 1.0, 1)]
    assert cells[0]["auc_5deg"] == pytest.approx(100 * auc([180.0, 2.0], 5))
    assert cells[1]["auc_20deg"] == pytest.approx(100 * auc([1.0, 3.0], 20))
    low, high = cells[1]["auc_5deg_interval"]
    assert low <= cells[1]["auc_5deg"] <= high


@given(st.lists(st.tuples(st.floats(0, 1) | st.just(float("nan")), st.floats(0, 180)), max_size=40))
def test_every_pair_of_known_overlap_is_in_one_tenth(pairs: list[tuple[float, float]]):
    rows = table([o for o, _ in pairs], [e for _, e in pairs])
    cells = overlap_cells(rows, samples=100, seed=0)
    assert sum(cell["pairs"] for cell in cells) == int(np.isfinite(rows["overlap"]).sum())
    assert [cell["low"] for cell in cells] == sorted({cell["low"] for cell in cells})


def test_a_sequence_of_unknown_overlaps_has_no_cell_and_a_figure_still(tmp_path: Path):
    cells = overlap_cells(table([float("nan")], [1.0]), samples=100, seed=0)
    assert cells == []
    draw_overlaps(tmp_path / "none.png", {"p": cells}, "nothing")
    draw_overlaps(tmp_path / "some.png", {"p": overlap_cells(table([0.5], [1.0]), samples=100, seed=0)}, "one")
    assert (tmp_path / "none.png").stat().st_size != (tmp_path / "some.png").stat().st_size


@pytest.mark.parametrize("name", ["Herz-Jesus P8", "xfeat+lighterglue", "a@b", "stra\u00dfe/7", "loftr.gim_50h"])
def test_metric_names_are_those_that_mlflow_takes(name: str):
    from mlflow.utils.validation import _validate_metric_name

    _validate_metric_name(f"poselib-v1/{metric_name(name)}/auc_5deg")


def test_every_cell_is_a_metric():
    keys = ("auc_5deg", "auc_10deg", "auc_20deg")
    cell = {**dict.fromkeys(keys, 50.0), "failures": 1, "precision_before": 0.5, "precision_after": 0.9}
    found = {"mean": cell, "sequences": {"a": cell, "b": cell}, "overlaps": [{**cell, "low": 0.3}]}
    metrics = score_metrics({"headline": "p", "protocols": {"p": found, "q": found}})
    expected = {f"{protocol}/{s}/{key}" for protocol in ("p", "q") for s in ("a", "b", "overlap-0.3") for key in keys}
    expected |= {f"{protocol}/mean_{key}" for protocol in ("p", "q") for key in keys}
    assert expected <= set(metrics)
