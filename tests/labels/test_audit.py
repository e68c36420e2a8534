"""The audit on a plane that a camera slides past: every right match is known by hand."""

import numpy as np
import pytest

from gim_data.labels.audit import Audit, markdown
from gim_data.labels.truth import CELL, RenderedVideo, cells_of, errors, visible_cells
from gim_data.propagation.graph import Source
from gim_data.synthetic.render import View
from gim_data.types import PairLabel

WIDTH, HEIGHT, FOCAL, DEPTH = 320, 160, 200.0, 10.0
STEP = 0.8  # metres a frame: FOCAL * STEP / DEPTH = 16 pixels, a cell


def slide(frames=3, sky=0):
    """A camera that slides right past a plane; the upper ``sky`` rows have no depth."""
    K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    views = []
    for i in range(frames):
        depth = np.full((HEIGHT, WIDTH), DEPTH, np.float32)
        depth[:sky] = 0
        pose = np.eye(4)
        pose[0, 3] = -STEP * i
        views.append(View(np.zeros((HEIGHT, WIDTH, 3), np.uint8), depth, K, pose))
    return RenderedVideo(views, np.arange(frames) / 3)


def label(points0, off, frame1=1, hops=None):
    """A label whose second points are ``off`` (N,) pixels below where they should be."""
    points0 = np.asarray(points0, np.float32)
    n = len(points0)
    points1 = points0 - (FOCAL * STEP * frame1 / DEPTH, 0) + np.stack([np.zeros(n), off], axis=1)
    hops = np.zeros(n, np.uint8) if hops is None else np.asarray(hops, np.uint8)
    return PairLabel(0, frame1, points0, points1.astype(np.float32), np.ones(n, np.float32), hops, hops + 1, 0.5)


def test_errors_are_the_distance_from_the_truth():
    points = [[100, 50], [100.5, 60.25], [200, 100]]
    np.testing.assert_allclose(errors(slide(), label(points, [0, 2, 7])), [0, 2, 7], atol=1e-3)


def test_the_sky_has_no_truth():
    off = errors(slide(sky=40), label([[100, 20], [100, 100]], [0, 0]))
    assert np.isnan(off[0])
    assert off[1] == pytest.approx(0, abs=1e-3)


def test_cells_that_leave_the_frame_are_not_visible():
    seen = visible_cells(slide(), 0, 2).reshape(HEIGHT // CELL, WIDTH // CELL)
    assert not seen[:, :2].any()  # 32 pixels slide out on the left
    assert seen[:, 2:].all()


def test_precision_recall_and_coverage_are_shares():
    x, y = np.meshgrid(np.arange(WIDTH // CELL) * CELL + 8, np.arange(HEIGHT // CELL) * CELL + 8)
    middles = np.stack([x.ravel(), y.ravel()], axis=1)
    inside = middles[middles[:, 0] > CELL]  # what is seen again one frame later
    quarter = len(inside) // 4
    off = np.repeat([0.5, 2.0, 4.0, 10.0], quarter)[: quarter * 4]
    audit = Audit()
    half = quarter * 2
    audit.direct(slide(), [Source("t", [label(inside[: quarter * 4], off)])], [1 / 3])
    (row,) = audit.rows()
    assert (row["what"], row["by"], row["value"]) == ("direct", "t", "0.33 s")
    assert (row["precision_1px"], row["precision_3px"], row["precision_5px"]) == (0.25, 0.5, 0.75)
    assert row["recall"] == pytest.approx(half / len(inside))
    assert row["coverage"] == pytest.approx(quarter * 4 / len(inside))


def test_propagated_labels_are_split_by_hops_in_order():
    audit = Audit()
    audit.propagated(slide(), [label([[100, 50], [120, 60], [140, 70]], [0, 4, 0], hops=[2, 10, 2])])
    rows = audit.rows()
    hops = [(row["value"], row["precision_3px"]) for row in rows if row["by"] == "hops"]
    assert hops == [("2", 1.0), ("10", 0.0)]
    assert next(row for row in rows if row["by"] == "all")["precision_3px"] == pytest.approx(2 / 3)
    assert all("recall" not in row for row in rows if row["by"] == "hops")  # a hop count is a part of a pair
    assert "| propagated | hops | 10 |" in markdown(rows)


def test_an_empty_label_counts_as_missed_and_not_as_wrong():
    audit = Audit()
    audit.direct(slide(), [Source("t", [label(np.zeros((0, 2)), np.zeros(0))])], [1 / 3])
    (row,) = audit.rows()
    assert (row["pairs"], row["correspondences"], row["recall"]) == (0, 0, 0.0)


def test_points_on_the_border_have_a_cell():
    cells = cells_of(np.array([[-0.5, -0.5], [WIDTH - 0.5, HEIGHT - 0.5]], np.float32), (WIDTH, HEIGHT))
    assert cells.tolist() == [0, WIDTH // CELL * HEIGHT // CELL - 1]
