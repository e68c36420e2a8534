"""Three-frame cycles: exact on tracks, open on labels that were made up, and asked before anything reads them."""

import numpy as np
import pytest

from gim_data.labels.cycles import cycle_errors
from gim_data.labels.store import LabelMeta, write_labels
from gim_data.types import PairLabel
from orchestration.soundness import QUESTIONS

SIZE = (640, 360)


def label(frame0, frame1, points0, points1):
    ones = np.ones(len(points0), np.uint8)
    return PairLabel(
        frame0, frame1, points0, points1, np.ones(len(points0), np.float32), 0 * ones, ones, float(len(ones) > 0)
    )


def walk(rng, frames=6, points=200, wrong=0.0):
    """Labels over one and two frames of points that slide; a share of the matches goes anywhere."""
    start = rng.uniform((50, 10), (600, 350), (points, 2))
    places = [(start - (8 * f, 0)).astype(np.float32) for f in range(frames)]
    labels = []
    for skip in (1, 2):
        for a in range(frames - skip):
            end = places[a + skip].copy()
            lost = rng.random(points) < wrong
            end[lost] = rng.uniform(0, 350, (lost.sum(), 2))
            labels.append(label(a, a + skip, places[a], end))
    return labels


def closed(labels):
    return np.mean(cycle_errors(labels) <= 3)


def test_matches_along_tracks_close_exactly():
    errors = cycle_errors(walk(np.random.default_rng(0)))
    assert len(errors) == 4 * 200  # frames (0, 1, 2) to (3, 4, 5)
    assert errors.max() < 1e-4


def test_the_share_that_closes_falls_with_wrong_matches():
    shares = [closed(walk(np.random.default_rng(1), wrong=wrong)) for wrong in (0.0, 0.2, 0.5)]
    assert shares[0] == 1
    assert shares[0] > shares[1] > shares[2]
    # a wrong first match can seldom be followed, so it is the other two that must be right
    assert shares[1] == pytest.approx(0.8**2, abs=0.06)


def test_labels_that_never_meet_have_no_cycles():
    rng = np.random.default_rng(2)
    first, second = walk(rng, frames=3)[:2]
    assert len(cycle_errors([])) == 0
    assert len(cycle_errors([first, second])) == 0  # 0-1 and 1-2, but no 0-2
    empty = label(0, 2, np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32))
    assert len(cycle_errors([first, second, empty])) == 0


def test_only_so_many_triplets_are_looked_at():
    labels = walk(np.random.default_rng(3), frames=20)
    assert len(cycle_errors(labels, most=5)) == 5 * 200


@pytest.mark.parametrize(("wrong", "blocked"), [(0.1, False), (0.9, True)])
def test_a_poisoned_teacher_blocks_its_video(tmp_path, wrong, blocked):
    question = next(question for question in QUESTIONS if question.name == "cycles_close")
    assert (question.stage, question.blocking) == ("matches", True)
    for name, share in (("good", 0.0), ("other", wrong)):
        labels = walk(np.random.default_rng(4), wrong=share)
        for skip in (1, 2):
            own = [each for each in labels if each.frame1 - each.frame0 == skip]
            write_labels(tmp_path / f"{name}-s{skip}.parquet", own, LabelMeta(SIZE, name, float(skip)))
    finding = question.ask(tmp_path)
    assert finding.numbers["good"] == 1
    assert bool(finding.problem) == blocked
    assert not blocked or "other" in finding.problem


def test_too_few_cycles_say_nothing(tmp_path):
    question = next(question for question in QUESTIONS if question.name == "cycles_close")
    few = walk(np.random.default_rng(5), frames=3, points=20, wrong=0.5)
    write_labels(tmp_path / "a-s1.parquet", few, LabelMeta(SIZE, "a"))
    assert not question.ask(tmp_path).problem
