"""What each family is told about a pair, and what its mistakes cost, against numbers written down by hand."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from planted_pairs import SIZE, Planted, PlantedExact, affinity
from torch.nn import functional as F

from gim_models.dense.grid import centres
from gim_models.dense.warp import Warp
from gim_models.semidense.loftr import Cells, Grids, Refined, expectation, windows
from gim_models.training.augment import plain
from gim_models.training.families.anchors import anchor_loss, nearest_anchor
from gim_models.training.families.dense import Queries, certainty_loss, flow_loss, found_by, queries, robust
from gim_models.training.families.known import Known, by_labels, what_is_known
from gim_models.training.families.points import at, normalised
from gim_models.training.families.semidense import coarse_loss, coarse_targets, fine_loss, focal, refined_at
from gim_models.training.loss import mean_where
from gim_models.training.sample import Sample, collate

WIDTH, HEIGHT = SIZE
PLACES = torch.cartesian_prod(torch.arange(5.0, 155, 7), torch.arange(5.0, 123, 7))


def mark(*rows: bool) -> torch.Tensor:
    return torch.tensor(rows)


@pytest.mark.parametrize("forth", [True, False])
def test_geometry_tells_where_points_are_and_which_have_left_the_frame(forth):
    batch, gone = collate([PlantedExact().pair(n) for n in range(4)]), 0
    for n in range(4):
        known = what_is_known(batch, plain(batch), n, PLACES, forth=forth)
        A = affinity(n) if forth else np.linalg.inv(affinity(n))
        there = torch.from_numpy(cv2.perspectiveTransform(PLACES.numpy()[None].astype(np.float64), A)[0]).float()
        assert torch.allclose(known.end[known.seen], there[known.seen], atol=1e-2)
        assert not (known.seen & known.lost).any()
        assert (known.seen | known.lost).all()
        outside = ((there < -0.6) | (there > torch.tensor([WIDTH - 0.4, HEIGHT - 0.4]))).any(1)
        assert known.lost[outside].all()
        gone += int(outside.sum())
    assert gone


def labelled(points0, points1):
    image, box = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.float32([0, 0, *SIZE])
    return collate([Sample("l", image, image, box, box, np.float32(points0), np.float32(points1))])


def test_labels_tell_of_their_own_points_only_and_of_what_shows_another_scene():
    """Of four labels one ends off the canvas, one under a foreign piece, one starts off the canvas."""
    batch = labelled([[20, 20], [40, 20], [60, 20], [-9, 20]], [[30, 25], [-30, 20], [100, 100], [50, 50]])
    foreign = torch.zeros(2, 1, HEIGHT, WIDTH, dtype=torch.bool)
    foreign[1, 0, 90:110, 90:110] = True
    foreign[0, 0, 60:70, 60:70] = True
    views = plain(batch)._replace(foreign=foreign)
    known = what_is_known(batch, views, 0, torch.tensor([[65.0, 65], [120, 60]]), forth=True)
    assert known.start.tolist() == [[20, 20], [40, 20], [60, 20], [65, 65]]
    assert known.seen.tolist() == [True, False, False, False]
    assert known.lost.tolist() == [False, True, True, True]
    back = by_labels(batch, views, 0, forth=False)
    assert back.start.tolist() == [[30, 25], [50, 50]]
    assert back.lost.tolist() == [False, True]


GRID = (4, 5)  # rows and columns of coarse cells


def known_of(start, end, seen, lost):
    return Known(torch.tensor(start), torch.tensor(end), mark(*seen), mark(*lost))


def test_a_cell_takes_its_best_match_and_is_alone_only_without_one():
    forth = known_of(
        [[17.0, 8], [16, 9], [8, 0], [8.5, 0], [24, 24], [0, 0]],
        [[10.0, 8], [9, 8], [0, 0], [24, 16], [0, 0], [33, 9]],
        [True, True, False, False, False, True],
        [False, False, True, False, True, False],
    )
    back = known_of([[9.0, 8], [16, 24]], [[0.0, 0], [0, 0]], [False, False], [True, True])
    everywhere = torch.ones(20, dtype=torch.bool)
    found = coarse_targets(forth, back, GRID, everywhere, everywhere)
    assert sorted(zip(found.index0.tolist(), found.index1.tolist(), strict=True)) == [(0, 9), (7, 6)]
    row = found.index0.tolist().index(7)
    assert found.offset0[row].tolist() == [0, 1]
    assert found.offset1[row].tolist() == [1, 0]
    assert found.alone0.nonzero()[:, 0].tolist() == [1, 18]
    assert found.alone1.nonzero()[:, 0].tolist() == [17]


def test_cells_that_may_not_match_are_no_targets():
    forth = known_of([[16.0, 8], [0, 0]], [[8.0, 8], [32, 8]], [True, True], [False, False])
    allowed = torch.ones(20, dtype=torch.bool)
    allowed[6] = False
    found = coarse_targets(forth, forth, GRID, torch.ones(20, dtype=torch.bool), allowed)
    assert (found.index0.tolist(), found.index1.tolist()) == ([0], [9])


def test_the_coarse_loss_is_that_of_the_dual_softmax():
    similarity = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    confidence = similarity.softmax(1) * similarity.softmax(0)
    alone0, alone1 = torch.arange(6) == 4, torch.arange(5) == 3
    targets = SimpleNamespace(index0=torch.tensor([1, 2]), index1=torch.tensor([0, 4]), alone0=alone0, alone1=alone1)
    positive, negative = coarse_loss(similarity, targets)
    right = torch.stack([confidence[1, 0], confidence[2, 4]])
    assert torch.allclose(positive, ((1 - right) ** 2 * -right.log()).mean())
    kept = 1 - torch.stack([confidence[4].sum(), confidence[:, 3].sum()])
    assert torch.allclose(negative, ((1 - kept) ** 2 * -kept.log()).mean())


def test_where_nothing_is_known_nothing_is_learned():
    similarity = torch.randn(6, 5, requires_grad=True)
    none, nobody = torch.zeros(0, dtype=torch.long), torch.zeros(6, dtype=torch.bool)
    targets = SimpleNamespace(index0=none, index1=none, alone0=nobody, alone1=nobody[:5])
    sum(coarse_loss(similarity, targets)).backward()
    assert similarity.grad is not None
    assert (similarity.grad == 0).all()


def test_a_certain_cell_costs_nothing_and_a_lost_one_all():
    assert focal(torch.tensor(0.0)) == 0
    assert torch.isclose(focal(torch.tensor(-20.0)), torch.tensor(20.0), rtol=1e-3)


class Untransformed:
    """A LoFTR whose fine transformer leaves the windows as they are."""

    shape = SimpleNamespace(window=5)

    def reach(self):
        return 4

    def loftr_fine(self, window0, window1):
        return window0, window1


def test_a_label_beside_its_cell_asks_for_the_feature_beside_the_centre():
    generator = torch.Generator().manual_seed(0)
    fine0, fine1 = (torch.randn(1, 8, 16, 20, generator=generator) for _ in range(2))
    coarse = torch.zeros(1, 8, *GRID)
    cells = Cells(torch.tensor([0, 0]), torch.tensor([6, 12]), torch.tensor([7, 11]), torch.ones(2))
    found = refined_at(
        Untransformed(),
        Grids(coarse, fine0, None),
        Grids(coarse, fine1, None),
        cells,
        torch.tensor([[0.0, 0], [2, -4]]),
    )
    window0 = windows(fine0, cells.batch, cells.index0, 5, 5)
    window1 = windows(fine1, cells.batch, cells.index1, 5, 5)
    query = torch.stack([window0[0, 12], window0[1, 3]])  # the centre; one to the right and two up of it
    expected = expectation(query, window1)
    assert torch.allclose(found.offset, expected.offset, atol=1e-5)


def test_sharp_heat_maps_weigh_more_in_the_fine_loss():
    refined = Refined(torch.tensor([[0.5, 0.0], [0.0, 0.0]]), torch.tensor([0.1, 0.3]))
    target = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    assert torch.isclose(fine_loss(refined, target), torch.tensor((0.25 * 10 + 1.0 * 10 / 3) / (10 + 10 / 3)))


def test_a_map_of_coordinates_is_read_as_the_points_themselves():
    size = (32, 48)
    points = torch.rand(1, 50, 2) * torch.tensor([38.0, 22]) + 4
    flow = centres((4, 6), points.device)[None]
    assert torch.allclose(at(flow, normalised(points, size)), normalised(points, size), atol=1e-5)


def asked(seen, lost, shift=0.0):
    """Four points in a view of 64 x 64, which move to the right."""
    start = torch.tensor([[[20.0, 20], [40, 20], [20, 40], [40, 40]]])
    return Queries(start, start + torch.tensor([shift, 0.0]), mark(*seen)[None], mark(*lost)[None])


def still(scales):
    """Every cell where it is, at each scale."""
    return {
        s: Warp(centres((64 // s, 64 // s), torch.device("cpu"))[None], torch.zeros(1, 1, 64 // s, 64 // s))
        for s in scales
    }


def test_the_flow_loss_is_the_distance_in_half_image_sides_over_all_scales():
    nothing = flow_loss(still((16, 8)), asked((True,) * 4, (False,) * 4), (64, 64), 1.0)
    assert torch.allclose(nothing["flow"], torch.tensor([1e-4 * (16 + 8)]), atol=1e-5)
    off = flow_loss(still((16, 8)), asked((True,) * 4, (False,) * 4, shift=8.0), (64, 64), 1.0)
    assert torch.allclose(off["flow"], torch.tensor([2 * 8 / 32]), atol=1e-4)
    assert torch.allclose(off["pixels"], torch.tensor([8.0]), atol=1e-3)


def test_a_fine_scale_learns_only_where_the_scale_before_it_came_near():
    """40 pixels off: farther than 4 cells of 8 pixels, so only the scale of 16 pays."""
    far = flow_loss(still((16, 8, 4)), asked((True,) * 4, (False,) * 4, shift=40.0), (64, 64), 1.0)
    assert torch.allclose(far["flow"], torch.tensor([40 / 32]), atol=1e-3)


def test_who_is_led_to_another_cell_counts_as_lost():
    """And at fine scales, to more than four pixels away."""
    points = asked((True, True, True, False), (False, False, False, True))
    told = found_by(points, torch.tensor([[1.0, 7.0, 9.0, 0.0]]), 8)
    assert told.seen.tolist() == [[True, True, False, False]]
    assert told.lost.tolist() == [[False, False, True, True]]
    assert found_by(points, torch.tensor([[3.9, 4.1, 9.0, 0.0]]), 1).seen.tolist() == [[True, False, False, False]]


def test_unknown_points_cost_neither_flow_nor_certainty():
    warps = still((16, 8))
    for warp in warps.values():
        warp.flow.requires_grad_(True)
        warp.certainty.requires_grad_(True)
    losses = flow_loss(warps, asked((False,) * 4, (False,) * 4, shift=5.0), (64, 64), 0.5)
    (losses["flow"] + losses["certainty"]).sum().backward()
    assert all((part.grad == 0).all() for warp in warps.values() for part in warp)


def test_far_misses_pull_less_under_a_power_below_one():
    error = torch.tensor([0.1, 0.4])
    assert torch.allclose(robust(error, 1, 1.0), error, rtol=1e-3)
    assert torch.allclose(robust(error, 1, 0.5), (error * 1).sqrt(), rtol=1e-3)


def test_certainty_is_half_for_what_is_seen_and_half_for_what_is_lost():
    logits = torch.tensor([[2.0, -1.0, 3.0, 0.5]])
    found = certainty_loss(logits, asked((True, True, False, False), (False, False, True, False)))
    seen = F.binary_cross_entropy_with_logits(logits[0, :2], torch.ones(2))
    lost = F.binary_cross_entropy_with_logits(logits[0, 2:3], torch.zeros(1))
    assert torch.isclose(found, (seen + lost) / 2)


def test_the_anchor_of_a_point_is_the_one_whose_square_holds_it():
    points = torch.tensor([[-0.9, -0.9], [0.9, -0.9], [-0.1, 0.3], [1.5, 0.1]])
    assert nearest_anchor(points, 4).tolist() == [0, 3, 9, 11]


def test_the_anchor_loss_is_a_cross_entropy():
    start = torch.tensor([[[-0.5, -0.5], [0.5, 0.5]]])
    flat = anchor_loss(torch.zeros(1, 16, 2, 2), start, start, mark(True, True)[None])
    assert torch.isclose(flat, torch.tensor(np.log(16.0)).float())
    sure = torch.zeros(1, 16, 2, 2)
    sure[0, nearest_anchor(start[0, 0], 4), 0, 0] = 100.0
    assert anchor_loss(sure, start, start, mark(True, False)[None]) < 1e-4


def test_more_labels_than_points_are_thinned_evenly_and_fewer_are_padded_with_nothing():
    points = np.random.default_rng(0).uniform([10, 10], [150, 118], (3000, 2))
    batch = collate([labelled_sample(points), Planted().pair(0)])
    found = queries(batch, plain(batch), mark(False, True), 500, torch.Generator().manual_seed(0))
    assert found.start.shape == (2, 500, 2)
    assert found.seen[0].all()
    assert abs(found.start[0, :, 0].mean() - points[:, 0].mean()) < 6
    labels = len(batch.points0[1])
    assert labels < 500
    assert int((found.seen | found.lost)[1].sum()) <= labels


def labelled_sample(points):
    image, box = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.float32([0, 0, *SIZE])
    return Sample("many", image, image, box, box, points.astype(np.float32), points.astype(np.float32))


def test_a_mean_over_nothing_is_nothing():
    values = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
    assert mean_where(values, mark(True, True, False, False).view(2, 2)).tolist() == [2, 0]
