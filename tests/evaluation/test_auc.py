"""The area under the cumulative error curve: by hand, against its literal definition, against the published dumps."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gim_models.evaluation.auc import auc, auc_reference, mean_rank
from gim_models.evaluation.bootstrap import compare, interval, resample, resample_mean
from gim_models.evaluation.dump_scores import score_dumps, score_errors

SHARED = Path(__file__).parents[2] / ".." / "shared" / "reference"


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([0.0], 1.0),
        ([180.0], 0.0),
        ([np.inf, np.nan], 0.0),
        ([2.5], 0.75),  # the curve rises along a line to (2.5, 1) and stays: 1 - 2.5 / 2 / 5
        ([2.5, 180.0], 0.375),
        ([5.0], 0.0),  # an error at the threshold is not below it
        ([0.0, 5.0], 0.5),
        ([1.0, 2.0], (0.25 + 0.75 + 3) / 5),
    ],
)
def test_auc_by_hand(errors: list[float], expected: float):
    assert auc(errors, 5) == pytest.approx(expected)
    assert auc_reference(errors, 5) == pytest.approx(expected)


@given(
    arrays(np.float64, st.integers(1, 50), elements=st.floats(0, 30) | st.just(np.inf)), st.sampled_from([5, 10, 20])
)
def test_the_closed_form_is_the_definition(errors: np.ndarray, threshold: int):
    assert auc(errors, threshold) == pytest.approx(auc_reference(errors, threshold), abs=1e-12)


def test_no_pair_has_no_score():
    assert np.isnan(auc([], 5))


def test_ties_share_the_better_rank():
    ranks = mean_rank({"a": [50.0, 10.0], "b": [50.0, 30.0], "c": [20.0, 20.0]})
    assert ranks == {"a": 2.0, "b": 1.0, "c": 2.5}


def test_resampling_is_auc_of_resamples():
    errors = np.random.default_rng(0).exponential(5, 40)
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 40, (30, 40))
    expected = [auc(errors[row], 5) for row in rows]
    np.testing.assert_allclose(resample(errors, 5, np.random.default_rng(1), samples=30), expected)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    truth = auc(np.random.default_rng(99).exponential(5, 400_000), 5)
    hits = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        low, high = interval(resample(rng.exponential(5, 150), 5, rng, samples=300))
        hits += low <= truth <= high
    assert 86 <= hits <= 100


def test_the_mean_over_sequences_is_narrower_than_one_sequence():
    rng = np.random.default_rng(0)
    sequences = [rng.exponential(5, 60) for _ in range(8)]
    one = np.ptp(interval(resample(sequences[0], 5, rng, samples=500)))
    mean = np.ptp(interval(resample_mean(sequences, 5, rng, samples=500)))
    assert mean < 0.6 * one


def test_a_matcher_does_not_differ_from_itself():
    errors = {"a": np.random.default_rng(0).exponential(5, 50)}
    found = compare(errors, errors, 5, np.random.default_rng(0))
    assert (found.difference, found.interval, found.p_value) == (0, (0, 0), 1)


def test_a_small_but_steady_gain_is_found_where_intervals_overlap():
    rng = np.random.default_rng(0)
    before = {name: rng.exponential(5, 80) for name in "ab"}
    after = {name: 0.9 * errors for name, errors in before.items()}
    found = compare(after, before, 5, rng)
    assert found.interval[0] > 0
    assert found.p_value < 0.01
    low = interval(resample_mean(list(after.values()), 5, rng, samples=500))[0]
    assert low < np.mean([auc(errors, 5) for errors in before.values()])


def test_p_values_are_uniform_where_nothing_differs():
    p_values = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        first, second = ({"a": rng.exponential(5, 40)} for _ in range(2))
        p_values.append(compare(first, second, 5, rng, samples=200).p_value)
    assert 0.01 <= np.mean(np.array(p_values) < 0.1) <= 0.2


def test_different_pairs_cannot_be_compared():
    with pytest.raises(ValueError, match="same pairs"):
        compare({"a": np.zeros(3)}, {"a": np.zeros(4)}, 5, np.random.default_rng(0))


def test_ten_thousand_pairs_take_less_than_a_second():
    errors = np.random.default_rng(0).exponential(8, 10_000)
    started = time.process_time()
    score_errors(errors, samples=1000, rng=np.random.default_rng(0))
    assert time.process_time() - started < 1


@pytest.mark.skipif(not (SHARED / "zeb_dumps").is_dir(), reason="the published dumps are not here")
def test_the_published_cells_are_reproduced():
    """24 cells: 2 methods on 12 data sets, to 0.005 points, failures equal."""
    expected = json.loads((SHARED / "zeb_recomputed.json").read_text())
    scores = score_dumps(SHARED / "zeb_dumps", samples=100)
    assert {f"{m}/{d}" for m, cells in scores.items() for d in cells} == set(expected)
    for name, cell in expected.items():
        method, dataset = name.split("/")
        found = scores[method][dataset]
        for threshold in (5, 10, 20):
            assert found[f"auc_{threshold}deg"] == pytest.approx(cell[f"auc{threshold}"], abs=0.005)
        assert (found["pairs"], found["failures"]) == (cell["n"], cell["failures"])
        assert found["interval"][0] < found["auc_5deg"] < found["interval"][1]
