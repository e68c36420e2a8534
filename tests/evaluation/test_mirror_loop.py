"""Everything on a tiny benchmark in ZEB's layout, by the command line: make, check, predict, score, table, compare."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gim_data.bench.names import ZEB
from orchestration.cli import main

PARAMS = """\
corpus: {videos: []}
study: {budgets: [0.0]}
evaluate: {pairs: [mirror], baselines: [rootsift, "vismatch:none"], max_pairs_per_sequence: 2, bootstrap: 100,
           workers: 1, device: cpu, min_overlap: 0.0}
"""
SETS = ("gl3d", "scenenet", "robotcarnight")
pytestmark = pytest.mark.slow


def gim(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["--root", str(root), *words])
    told = capsys.readouterr()
    return int(caught.value.code or 0), told.out, told.err


def test_the_whole_evaluation_on_a_mirror(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "params.yaml").write_text(PARAMS)
    mirror = tmp_path / "mirror"
    sets = [word for name in SETS for word in ("--set", name)]
    code, told, _ = gim(capsys, tmp_path, "zeb", "make", str(mirror), *sets, "--pairs", "4", "--views", "6",
                        "--long-side", "160")  # fmt: skip
    assert code == 0
    assert all(name in told for name in SETS)

    assert gim(capsys, tmp_path, "zeb", "check", str(mirror), "--list", str(mirror / "pairs.parquet"))[0] == 0
    code, told, _ = gim(capsys, tmp_path, "zeb", "check", str(mirror), "--json")
    assert code == 1
    assert sorted(json.loads(told)) == sorted(row.dump for row in ZEB)

    assert gim(capsys, tmp_path, "run", "bench")[0] == 0
    units = ["--unit", "rootsift"]
    assert gim(capsys, tmp_path, "run", "zeb_predictions", "zeb_scores", *units)[0] == 0
    code, told, complaint = gim(capsys, tmp_path, "run", "zeb_predictions", "--unit", "vismatch.none")
    assert code == 1
    assert "vismatch" in told + complaint

    code, told, _ = gim(capsys, tmp_path, "zeb", "table")
    assert code == 0
    own = told.split("own pairs")[1]
    assert all(name in own for name in SETS)
    assert "rootsift" not in told.split("own pairs")[0]

    code, told, _ = gim(capsys, tmp_path, "zeb", "compare", "rootsift", "rootsift")
    assert code == 0
    assert "| gl3d | 2 |" in told
    assert (tmp_path / "compare" / "rootsift-vs-rootsift" / "index.html").is_file()
