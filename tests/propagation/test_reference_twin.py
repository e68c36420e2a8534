"""GIM's straight program and ours on the same planted walk: the twin that the benchmark's ratios rest on."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import gim_reference
import planted_walk
import propagation as benchmark

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("walk")
    walk = planted_walk.plan_walk(frames=13)
    planted_walk.write_sets(root, walk)
    return root, walk


def test_gims_way_goes_as_far_as_it_can_from_every_eligible_frame(corpus):
    root, walk = corpus
    pairs = list(benchmark.gims_way(root))
    assert [a for a, *_ in pairs] == list(range(5))  # f + 4 must start another pair of 4 frames
    assert all(len(points0) == len(points1) >= gim_reference.LEAST for _, _, points0, points1 in pairs)
    assert min(b - a for a, b, *_ in pairs) >= planted_walk.SKIPS[-1]
    row = benchmark.measure("gim", walk, lambda: iter(pairs))
    assert 0.8 < row.precision_3px <= 1


def test_ours_makes_more_pairs_and_more_of_them_right(corpus):
    root, walk = corpus
    gim = benchmark.measure("gim", walk, lambda: benchmark.gims_way(root))
    cell = benchmark.measure("cell", walk, lambda: benchmark.ours(root, benchmark.CELL))
    default = benchmark.measure("default", walk, lambda: benchmark.ours(root, {}))
    assert default.pairs >= 3 * gim.pairs
    assert default.precision_3px > max(gim.precision_3px, 0.99)
    assert cell.precision_3px > 0.8
    assert "default / gim: CPU 1/" in benchmark.markdown([gim, cell, default])


def test_the_truth_follows_the_detection_under_the_first_point(corpus):
    _, walk = corpus
    point = np.flatnonzero(walk.known[2] & walk.seen[0] & walk.seen[4])[:50]
    points0, exact = walk.detected[2, 0, point], walk.exact[4, point]
    np.testing.assert_allclose(walk.errors(0, 4, points0, exact), 0, atol=1e-4)
    np.testing.assert_allclose(walk.errors(0, 4, points0, exact + np.array([3, 4])), 5, atol=1e-3)
