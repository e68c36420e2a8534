"""Supervision against geometry that can be written down."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gim_models.training.loss import assignment_loss
from gim_models.training.supervision import (
    UNKNOWN,
    UNMATCHED,
    Camera,
    Labels,
    Targets,
    exact_targets,
    label_targets,
    transfer,
    without_strangers,
)

K = torch.tensor([[100.0, 0, 63.5], [0, 100, 47.5], [0, 0, 1]])
FLAT = torch.full((96, 128), 4.0)
EYE = torch.eye(3)


def shifted(x: float) -> torch.Tensor:
    T = torch.eye(4)
    T[0, 3] = x
    return T


def grid(seed: int, count: int = 60) -> torch.Tensor:
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * torch.tensor([110.0, 80]) + 8


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), x=st.floats(-1.0, 1.0), z=st.floats(2.0, 10.0))
def test_a_sideways_step_shifts_a_wall_by_its_disparity(seed, x, z):
    wall = torch.full((96, 128), z)
    camera = Camera(wall, K, EYE)
    points = grid(seed)
    found = transfer(points, camera, camera, shifted(x))
    assert torch.allclose(found.points, points + torch.tensor([100 * x / z, 0.0]), atol=1e-3)
    within = ((found.points >= 0) & (found.points <= torch.tensor([127.0, 95.0]))).all(1)
    assert torch.equal(found.visible, within)
    assert found.known.all()


def test_what_is_behind_something_is_known_to_be_hidden():
    near = FLAT.clone()
    near[:, 64:] = 1.0
    points = torch.tensor([[100.0, 40], [20, 40]])
    found = transfer(points, Camera(FLAT, K, EYE), Camera(near, K, EYE), shifted(0))
    assert found.visible.tolist() == [False, True]
    assert found.known.tolist() == [True, True]


def test_sky_and_depth_edges_are_unknown():
    depth = FLAT.clone()
    depth[:20] = 0
    depth[:, 64:] = 8
    points = torch.tensor([[30.0, 10], [63.6, 50], [30, 50]])
    found = transfer(points, Camera(depth, K, EYE), Camera(depth, K, EYE), shifted(0))
    assert found.known.tolist() == [False, False, True]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_planted_homography_is_recovered(seed):
    """Points of view 1 are those of view 0 under H, shuffled: each keypoint's match is where the shuffle put it."""
    generator = torch.Generator().manual_seed(seed)
    H = torch.tensor([[1.05, 0.04, -3.0], [-0.03, 0.97, 2.0], [1e-4, -1e-4, 1.0]])
    points0 = torch.stack(torch.meshgrid(torch.arange(20.0, 110, 12), torch.arange(20.0, 80, 12), indexing="ij"), -1)
    points0 = points0.reshape(-1, 2) + torch.rand(40, 2, generator=generator)
    order = torch.randperm(40, generator=generator)
    lifted = torch.cat([points0, torch.ones(40, 1)], 1) @ H.T
    points1 = (lifted[:, :2] / lifted[:, 2:])[order]
    ones, plane = torch.ones(96, 128), Camera(torch.ones(96, 128), EYE, EYE)
    warped = Camera(ones, EYE, H)
    forth = transfer(points0, plane, warped, torch.eye(4))
    back = transfer(points1, warped, plane, torch.eye(4))
    found = exact_targets(points0, points1, forth, back, positive=3, negative=5)
    assert torch.equal(order[found.match0[0]], torch.arange(40))
    assert torch.equal(found.match1[0], order)


def test_between_the_two_limits_nothing_is_claimed():
    camera = Camera(FLAT, K, EYE)
    points0 = torch.tensor([[30.0, 30], [60, 30], [90, 30]])
    points1 = points0 + torch.tensor([[1.0, 0], [4, 0], [9, 0]])
    forth, back = (transfer(p, camera, camera, torch.eye(4)) for p in (points0, points1))
    found = exact_targets(points0, points1, forth, back, positive=3, negative=5)
    assert found.match0[0].tolist() == [0, UNKNOWN, UNMATCHED]
    assert found.match1[0].tolist() == [0, UNKNOWN, UNMATCHED]


def in_view(points0, points1):
    seen = torch.ones(len(points0), dtype=torch.bool)
    return Labels(points0, points1, seen, seen)


def test_labels_claim_matches_and_nothing_else():
    points0 = torch.tensor([[10.0, 10], [50, 50], [80, 20]])
    points1 = torch.tensor([[82.0, 21], [11, 10], [5, 70]])
    labels0, labels1 = (
        torch.tensor([[10.5, 10], [80.2, 20], [50, 50]]),
        torch.tensor([[11.0, 10.4], [82, 21], [40, 40]]),
    )
    found = label_targets(points0, points1, in_view(labels0, labels1), snap=2)
    assert found.match0[0].tolist() == [1, UNKNOWN, 0]
    assert found.match1[0].tolist() == [2, 0, UNKNOWN]


def test_without_labels_all_is_unknown():
    none = torch.zeros(0, 2)
    found = label_targets(grid(0), grid(1), in_view(none, none), snap=2)
    assert (found.match0 == UNKNOWN).all()
    assert (found.match1 == UNKNOWN).all()


def test_a_keypoint_whose_label_leaves_the_view_has_no_match():
    ends0, ends1 = torch.tensor([[10.0, 10], [50, 50]]), torch.tensor([[11.0, 10], [-30, 50]])
    labels = Labels(ends0, ends1, torch.tensor([True, True]), torch.tensor([True, False]))
    found = label_targets(ends0, torch.tensor([[11.0, 10], [52, 50]]), labels, snap=2)
    assert found.match0[0].tolist() == [0, UNMATCHED]
    assert found.match1[0].tolist() == [0, UNKNOWN]


def test_what_shows_another_scene_matches_nothing():
    found = without_strangers(targets([0, 1, UNKNOWN], [0, 1]), torch.tensor([False, True, True]), torch.zeros(2) > 0)
    assert found.match0[0].tolist() == [0, UNMATCHED, UNMATCHED]
    assert found.impossible[0].tolist() == [[False, False], [True, True], [True, True]]


def targets(match0, match1, impossible=()):
    apart = torch.zeros(1, len(match0), len(match1), dtype=torch.bool)
    for row, column in impossible:
        apart[0, row, column] = True
    return Targets(torch.tensor([match0]), torch.tensor([match1]), apart)


def test_the_loss_is_the_likelihood_of_what_is_known():
    scores = torch.log(torch.tensor([[[0.5, 0.1, 0.4], [0.2, 0.3, 0.25], [0.3, 0.8, 1.0]]]))
    terms = assignment_loss(scores, targets([0, UNMATCHED], [0, UNKNOWN]))
    assert np.isclose(terms.positive.item(), -np.log(0.5))
    assert np.isclose(terms.negative.item(), -np.log(0.25))
    assert np.isclose(terms.total.item(), (terms.positive + terms.negative).item() / 2)
    assert terms.impossible.item() == 0


def test_unknown_keypoints_bring_no_loss():
    scores = torch.randn(1, 3, 3, requires_grad=True)
    terms = assignment_loss(scores, targets([UNKNOWN, UNKNOWN], [UNKNOWN, UNKNOWN]))
    assert terms.total.item() == 0
    terms.total.sum().backward()
    assert scores.grad is not None
    assert (scores.grad == 0).all()


def test_an_unknown_keypoint_pays_for_what_it_gives_to_impossible_partners_only():
    scores = torch.log(torch.tensor([[[0.5, 0.1, 0.4], [0.2, 0.3, 0.25], [0.3, 0.8, 1.0]]]))
    terms = assignment_loss(scores, targets([0, UNKNOWN], [0, UNKNOWN], [(1, 0), (0, 1)]))
    assert np.isclose(terms.impossible.item(), -(np.log(1 - 0.2) + np.log(1 - 0.1)) / 2)
    assert np.isclose(terms.total.item(), (terms.positive + terms.impossible).item() / 2)


def test_a_match_that_is_surely_wrong_still_has_a_finite_loss():
    scores = torch.tensor([[[0.0, -50.0], [-50.0, 0.0]]])
    assert torch.isfinite(assignment_loss(scores, targets([UNKNOWN], [UNKNOWN], [(0, 0)])).total).all()


def test_exact_geometry_tells_which_pairs_cannot_match():
    camera = Camera(FLAT, K, EYE)
    points0 = torch.tensor([[30.0, 30], [60, 30]])
    points1 = points0 + torch.tensor([[4.0, 0], [4, 0]])
    forth, back = (transfer(p, camera, camera, torch.eye(4)) for p in (points0, points1))
    found = exact_targets(points0, points1, forth, back, positive=3, negative=5)
    assert (found.match0 == UNKNOWN).all()
    assert found.impossible[0].tolist() == [[False, True], [True, False]]
