"""Two matchers on the same pairs: the difference is the known one, and the worst pairs are the planted ones."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from two_view import make_scene

from gim_data.bench.zeb import Placed, read_zeb, write_zeb
from gim_data.errors import GimError
from gim_data.types import TwoViewPair
from gim_models.evaluation.auc import auc
from gim_models.evaluation.prediction_store import Prediction, write_predictions
from gim_models.evaluation.versus import ALL, Parted, differences, markdown, parted
from gim_models.report.versus import Contest, draw_side, write_page


def table(errors: dict[str, list[float]]) -> pd.DataFrame:
    rows = [(s, f"{s}#{i}#x", 0.5, e) for s, values in errors.items() for i, e in enumerate(values)]
    return pd.DataFrame(rows, columns=["sequence", "identifier", "overlap", "error"])


def test_the_difference_of_each_sequence_and_of_all():
    first, second = table({"a": [1.0] * 20, "b": [3.0] * 30}), table({"a": [2.0] * 20, "b": [3.0] * 30})
    everything, a, b = differences(first, second, 5)
    assert [row.sequence for row in (everything, a, b)] == [ALL, "a", "b"]
    assert a.comparison.difference == pytest.approx(auc([1.0] * 20, 5) - auc([2.0] * 20, 5))
    assert a.comparison.p_value < 0.01
    assert b.comparison.difference == 0
    assert b.comparison.p_value == 1
    assert everything.comparison.difference == pytest.approx(a.comparison.difference / 2)
    assert everything.comparison.pairs == 50
    assert "| a | 20 |" in markdown([everything, a, b], ("x", "y"), 5)


def test_rows_are_paired_by_name_and_not_by_place():
    first = table({"a": [1.0, 9.0, 1.0]})
    shuffled = table({"a": [1.0, 9.0, 1.0]}).iloc[[2, 0, 1]]
    assert differences(first, shuffled, 5)[0].comparison.interval == (0, 0)


def test_scores_of_other_pairs_are_not_compared():
    with pytest.raises(GimError, match="2 have one score only"):
        differences(table({"a": [1.0]}), table({"b": [1.0]}), 5)


def test_the_worst_pairs_are_those_lost_most():
    first, second = table({"a": [180.0, 3.0, 7.0, 170.0, 1.0]}), table({"a": [100.0, 1.0, 1.0, 2.0, 4.0]})
    found, other = parted(first, second, 10)
    assert [pair.identifier for pair in found] == ["a#3#x", "a#2#x", "a#1#x"]  # a failure beside a wild guess is none
    assert (found[0].first, found[0].second) == (170.0, 2.0)
    assert [(pair.identifier, pair.first, pair.second) for pair in other] == [("a#4#x", 1.0, 4.0)]
    assert len(parted(first, second, 2)[0]) == 2


@pytest.fixture
def contest(tmp_path: Path) -> tuple[Contest, TwoViewPair]:
    scene = make_scene()
    for i in (0, 1):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((480, 640, 3), 120, np.uint8))
    images = [tmp_path / f"{i}.png" for i in (0, 1)]
    pair = TwoViewPair("box#0#1", *images, scene.pair.K0, scene.pair.K1, scene.pair.T_0to1, 0.5)
    write_zeb(tmp_path / "bench" / "box", [Placed("box", "0", "1", pair)])
    folders = []
    for name, shift in (("good", 0.0), ("b<d", 60.0)):
        folder = tmp_path / "predictions" / name
        points = (scene.points0.astype(np.float32), (scene.points1 + shift).astype(np.float32))
        write_predictions(folder / "box.parquet", [Prediction("box#0#1", *points, np.ones(len(points[0]), np.float32))])
        folders.append(folder)
    names = ("good", "b<d")
    return Contest(names, (folders[0], folders[1]), tmp_path / "bench", "protocol p", 5.0), pair


def test_right_matches_are_green_and_wrong_ones_red(contest: tuple[Contest, TwoViewPair]):
    what, _ = contest
    (pair,) = read_zeb(what.bench / "box")
    scene = make_scene()
    for shift, bright, dark in ((0.0, 1, 0), (60.0, 0, 1)):
        points = (scene.points0.astype(np.float32), (scene.points1 + shift).astype(np.float32))
        picture = draw_side(pair, Prediction("box#0#1", *points, np.ones(200, np.float32)), "")
        saturated = picture[np.ptp(picture.astype(int), axis=2) > 100].astype(int)
        share = (saturated[:, bright] > saturated[:, dark]).mean()
        assert share > 0.9


def test_the_page_shows_every_pair_and_escapes_names(contest: tuple[Contest, TwoViewPair], tmp_path: Path):
    what, _ = contest
    first, second = (
        pd.DataFrame([("box", "box#0#1", 0.5, error)], columns=["sequence", "identifier", "overlap", "error"])
        for error in (1.0, 180.0)
    )
    rows = differences(first, second, 5)
    page = write_page(what, rows, parted(first, second, 3), tmp_path / "out")
    text = page.read_text()
    assert "b&lt;d" in text
    assert "b<d" not in text
    assert "good 1.0°" in text
    assert "b&lt;d failed" in text
    assert 'src="box_box_0_1.jpg"' in text
    picture = cv2.imread(str(tmp_path / "out" / "box_box_0_1.jpg"))
    assert picture is not None
    assert picture.shape[1] == 1000


def test_scores_of_another_benchmark_are_named(contest: tuple[Contest, TwoViewPair], tmp_path: Path):
    what, _ = contest
    for sequence, where in (("nowhere", "bench has no pair"), ("box", r"box\.parquet has no pair")):
        lost = [Parted(sequence, "box#0#1", 0.5, 180.0, 1.0)]
        write_predictions(what.predictions[0] / "box.parquet", [])
        with pytest.raises(GimError, match=where):
            write_page(what, [], [lost, []], tmp_path / "out")
