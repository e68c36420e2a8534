"""Movers in planted worlds: a camera among fixed points, and a patch of points with a motion of its own."""

import numpy as np
import pytest

from gim_data.labels.config import LabelsConfig, MoversConfig
from gim_data.labels.engine import judge_all
from gim_data.labels.movers import NO_MOVERS, Movers
from gim_data.labels.pairs import skip_pairs
from gim_data.types import Matches

SIZE = (640, 480)
K = np.array([[500, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])
TIMES = np.arange(9) / 3
PLANTED = 60


def planted(*, speed, travel=0.12, seed=0, mismatches=0.1):
    """Matches of all pairs; the last ``PLANTED`` points move by ``speed`` metres a frame, upwards and to the right.

    The camera turns, and goes sideways and ahead by ``travel`` metres a frame.
    """
    rng = np.random.default_rng(seed)
    depth = rng.uniform(3, 15, 900)
    fixed = np.column_stack([rng.uniform(-0.7, 0.7, 900) * depth, rng.uniform(-0.5, 0.5, 900) * depth, depth])
    mover = np.array([0.4, 0.3, 5]) + rng.uniform(-0.5, 0.5, (PLANTED, 3)) * (1, 0.8, 0.2)
    seen = []
    for k in range(len(TIMES)):
        world = np.concatenate([fixed, mover + np.array([0.6, -0.8, 0]) * speed * k])
        angle = 0.01 * k
        turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
        there = (world - np.array([travel, 0, 0.5 * travel]) * k) @ turn.T @ K.T
        seen.append(there[:, :2] / there[:, 2:] + rng.normal(0, 0.1, (len(world), 2)))
    groups = skip_pairs(TIMES, np.zeros(len(TIMES), np.int32), LabelsConfig().skips)
    found = {(a, b): _matches(seen[a], seen[b], rng, mismatches) for group in groups for a, b in group}
    return found, groups


def _matches(first, second, rng, mismatches):
    wrong = rng.random(len(second)) < mismatches
    second = np.where(wrong[:, None], rng.uniform((0, 0), SIZE, second.shape), second)
    ends = first.astype(np.float32), second.astype(np.float32)
    return Matches(*ends, np.ones(len(first), np.float32), SIZE, SIZE)


def judged(found, groups, movers):
    return judge_all(found, groups, SIZE, LabelsConfig(movers=movers))


def counts(labels, found):
    """Correspondences of the mover and of everything else that are left, over all pairs."""
    own, others = 0, 0
    for part in labels.sets:
        for label in part.labels:
            planted_ends = {tuple(p) for p in found[label.frame0, label.frame1].keypoints0[-PLANTED:]}
            on = sum(tuple(p) in planted_ends for p in label.points0)
            own, others = own + on, others + len(label) - on
    return own, others


@pytest.mark.parametrize("travel", [0.12, 0.0], ids=["travelling", "turning"])
def test_a_slow_mover_is_left_out_of_all_its_pairs(travel):
    found, groups = planted(speed=0.01, travel=travel)
    off, on = (judged(found, groups, movers) for movers in (None, MoversConfig()))
    own, others = counts(off, found)
    left, still = counts(on, found)
    assert own > 100  # over the shortest skip it moves by a pixel, and in part along the lines
    assert left < 0.2 * own
    assert still > 0.93 * others
    assert on.movers.cells


def test_where_nothing_moves_nothing_is_lost():
    found, groups = planted(speed=0.0, mismatches=0.3)
    off, on = (judged(found, groups, movers) for movers in (None, MoversConfig()))
    assert counts(on, found) == counts(off, found)
    assert not on.movers.cells


def test_movers_of_several_teachers_are_united():
    cells = np.zeros((3, 4), bool)
    first, second = cells.copy(), cells.copy()
    first[0, 0] = second[2, 3] = True
    both = NO_MOVERS | Movers(16, {5: first}) | Movers(16, {5: second, 6: first})
    points = np.array([[3, 3], [60, 40], [20, 20]], np.float32)
    assert both.on(5, points).tolist() == [True, True, False]
    assert both.on(6, points).tolist() == [True, False, False]
    assert both.on(7, points).tolist() == [False, False, False]


def test_parameters_that_are_off_leave_no_trace_in_digests():
    assert "movers" not in LabelsConfig().model_dump()
    assert LabelsConfig(movers=MoversConfig()).model_dump()["movers"]["cell_px"] == 16
