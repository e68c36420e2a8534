"""Our scores as GIM's dumps: reading them back gives the same AUC, and every column means what it means there."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from two_view import make_scene

from gim_data.bench.dumps import find_dumps, read_dump
from gim_data.bench.zeb import Placed, write_zeb
from gim_data.errors import GimError
from gim_data.files import write_json
from gim_data.ledger import Entry, Ledger
from gim_models.evaluation.config import EvaluateConfig
from gim_models.evaluation.dump_write import dump_rows, write_dumps
from gim_models.evaluation.protocol import PROTOCOLS, epipolar_distance2, score_pair
from gim_models.evaluation.scores import summarise
from orchestration.cli import main

PROTOCOL = "poselib-v1"
COUNTS = {"gl3d": 5, "box": 3}
CONFIG = EvaluateConfig(protocol=PROTOCOL, also=(), bootstrap=100)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace in which one matcher was scored: noise, wrong matches, and a pair with too few of them."""
    ledger, rows = Ledger(tmp_path), []
    for name in ("0.png", "1.png"):
        cv2.imwrite(str(tmp_path / name), np.full((480, 640, 3), 120, np.uint8))
    for sequence, count in COUNTS.items():
        placed = []
        for seed in range(count):
            scene = make_scene(seed, 120, noise=0.7 * seed, outliers=30)
            pair = replace(scene.pair, image0=tmp_path / "0.png", image1=tmp_path / "1.png")
            pair = replace(pair, identifier=f"s{seed}#0#1", overlap=0.2 * seed)
            kept = 3 if seed == 2 else 120
            points = (scene.points0[:kept], scene.points1[:kept])
            score = score_pair(PROTOCOLS[PROTOCOL], pair, points, 0)
            right = int((epipolar_distance2(*points, pair) < 5e-4).sum())
            error = {"error": score.error, "right": right, "length": float(np.linalg.norm(pair.T_0to1[:3, 3]))}
            rows.append({"protocol": PROTOCOL, "sequence": sequence, **asdict(score), **error})
            placed.append(Placed(f"s{seed}", "0", "1", pair))
        write_zeb(ledger.folder("bench", "all") / sequence, placed)
    out, _ = ledger.begin("zeb_scores", "rootsift", "digest")
    errors = pd.DataFrame(rows)
    errors.to_parquet(out / "errors.parquet", index=False)
    write_json(out / "scores.json", summarise(errors, CONFIG))
    ledger.commit("zeb_scores", "rootsift", out, Entry("digest", "", {}))
    return tmp_path


def gim(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    told = capsys.readouterr()
    assert not caught.value.code, told.err
    return told.out


def test_dumps_are_scored_to_the_same_numbers(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    gim(capsys, "--root", root, "zeb", "dump", "rootsift", "--out", tmp_path / "dumps")
    found = {(dump.method, dump.dataset, dump.version) for dump in find_dumps(tmp_path / "dumps")}
    assert found == {("rootsift", "GL3D", PROTOCOL), ("rootsift", "box", PROTOCOL)}
    cells = json.loads(gim(capsys, "zeb", "score", "--dumps", tmp_path / "dumps", "--json"))["rootsift"]
    scores = json.loads((root / "data" / "zeb_scores" / "rootsift" / "scores.json").read_text())
    for name, sequence in (("GL3D", "gl3d"), ("box", "box")):
        expected = scores["protocols"][PROTOCOL]["sequences"][sequence]
        assert 0 < expected["auc_5deg"] < 100
        assert expected["failures"] == 1
        for key in ("auc_5deg", "auc_10deg", "auc_20deg", "pairs", "failures"):
            assert cells[name][key] == expected[key]


def test_every_column_means_what_it_means_in_the_published_dumps(root: Path, tmp_path: Path):
    ledger = Ledger(root)
    unit = ledger.folder("zeb_scores", "rootsift")
    write_dumps(unit, ledger.folder("bench", "all"), "ours", None, tmp_path / "dumps")
    dump = next(dump for dump in find_dumps(tmp_path / "dumps") if dump.dataset == "GL3D")
    table = read_dump(dump.path)
    rows = pd.read_parquet(unit / "errors.parquet").query("sequence == 'gl3d'").reset_index(drop=True)
    assert table["Bef.Num"].tolist() == rows["right"].tolist()  # right matches, not all
    assert (table["Bef.Num"] < rows["matches"])[rows["reason"] == ""].all()
    np.testing.assert_allclose(table["Aft.Num"], table["Aft.Prec"] * rows["inliers"])
    np.testing.assert_array_equal(table["covisible0"], rows["overlap"])
    lost = rows["reason"] != ""
    assert np.isinf(table.loc[lost, ["R_errs", "t_errs", "t_errs2"]]).all(axis=None)
    assert (table.loc[lost, ["Aft.Prec", "Aft.Num"]] == 0).all(axis=None)
    # of an isosceles triangle with two sides as long as the baseline
    angle, length = np.radians(table["t_errs"][~lost]), rows["length"][~lost]
    np.testing.assert_allclose(table["t_errs2"][~lost], np.sqrt(2 * length**2 * (1 - np.cos(angle))), rtol=1e-6)


def test_scores_of_another_benchmark_and_blanks_are_refused(root: Path, tmp_path: Path):
    ledger = Ledger(root)
    unit, bench = ledger.folder("zeb_scores", "rootsift"), ledger.folder("bench", "all")
    with pytest.raises(GimError, match="holds a blank"):
        write_dumps(unit, bench, "my matcher", None, tmp_path / "dumps")
    with pytest.raises(GimError, match="s0#0#1 was scored, but the benchmark has no such pair"):
        dump_rows(pd.read_parquet(unit / "errors.parquet"), [])
    with pytest.raises(GimError, match="no scores under 'zeb-paper-v1'"):
        write_dumps(unit, bench, "ours", "zeb-paper-v1", tmp_path / "dumps")
