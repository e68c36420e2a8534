"""Matchers in Dagster: a partition each, whatever their names, and the figures of their scores in the metadata."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from gim_data.ledger import Entry
from gim_data.params import read_params
from gim_data.plotting import save_picture
from gim_data.runner import Runner
from orchestration.graph import GRAPH, SECTIONS
from orchestration.metadata import unit_metadata
from orchestration.partitions import partitions_of

PARAMS = """\
study: {budgets: [0.0, 0.5]}
evaluate: {baselines: [rootsift, "loftr:weights/gim_loftr_50h", "vismatch:superpoint-lightglue"]}
"""


@pytest.mark.parametrize("stage", ["zeb_predictions", "zeb_scores"])
def test_every_matcher_is_a_partition(tmp_path: Path, stage: str) -> None:
    (tmp_path / "params.yaml").write_text(PARAMS)
    runner = Runner(GRAPH, read_params(tmp_path, SECTIONS), tmp_path)
    partitions = partitions_of(runner, GRAPH[stage])
    assert partitions is not None
    assert partitions.get_partition_keys() == [
        "rootsift",
        "loftr.gim_loftr_50h",
        "vismatch.superpoint-lightglue",
        "lightglue-000",
        "lightglue-050",
    ]


def test_the_figures_and_the_table_of_scores_are_shown(tmp_path: Path) -> None:
    names = ("sequences", "errors", "overlaps")
    for name in names:
        save_picture(tmp_path / f"{name}.png", np.zeros((20, 30, 3), np.uint8))
    summary = {"auc_5deg": 41.5, "table": "| sequence |\n|---|\n", "figures": [f"{name}.png" for name in names]}
    shown = unit_metadata(tmp_path, Entry("digest", "content", summary))
    assert all(isinstance(shown[name], dg.MarkdownMetadataValue) for name in (*names, "table"))
    assert all("data:image" in shown[name].md_str for name in names)
    assert shown["auc_5deg"] == 41.5
