"""What labels rule out, against motions that can be written down and against a world's exact geometry."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gim_models.training.supervision import UNKNOWN, UNMATCHED, Labels, label_targets
from gim_models.training.surroundings import ruled_out


def scattered(seed: int, count: int) -> torch.Tensor:
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * torch.tensor([200.0, 150.0])


def turned(points: torch.Tensor, degrees: float, zoom: float) -> torch.Tensor:
    angle = math.radians(degrees)
    turn = zoom * torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return points @ turn.T + torch.tensor([7.0, -4.0])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), degrees=st.floats(-180, 180), zoom=st.floats(0.5, 2))
def test_a_turn_and_a_zoom_rule_out_no_true_match_and_most_false_ones(seed, degrees, zoom):
    labels, points = scattered(seed, 60), scattered(seed + 1, 100)
    apart = ruled_out(points, turned(points, degrees, zoom), labels, turned(labels, degrees, zoom))
    assert not apart.diagonal().any()
    assert apart[torch.cdist(points, labels).min(1).values < 10].float().mean() > 0.8


@pytest.mark.parametrize("disparity", [10.0, 40.0])
def test_both_layers_of_a_scene_stay_possible(disparity):
    """A near layer moves, a far one does not, labels on both everywhere: either motion is possible, no third one is."""
    labels = scattered(0, 400)
    near = torch.arange(400) % 2 == 0
    moved = labels + near[:, None] * torch.tensor([disparity, 0.0])
    points = scattered(1, 50)
    for shift in (0.0, disparity):
        assert ruled_out(points, points + torch.tensor([shift, 0.0]), labels, moved).diagonal().float().mean() < 0.1
    assert ruled_out(points, points + torch.tensor([0.0, 60.0]), labels, moved).diagonal().all()


def test_far_from_labels_nothing_is_claimed():
    labels = scattered(0, 30)
    points = torch.tensor([[400.0, 400.0]])
    assert not ruled_out(points, points - 500, labels, labels).any()


def test_a_handful_of_labels_is_too_few_to_claim_anything():
    labels = scattered(0, 4)
    assert not ruled_out(labels, labels + 90, labels, labels).any()


def test_a_keypoint_without_any_possible_partner_has_none():
    labels = scattered(0, 60)
    lonely, seen = labels[:1] + 1.0, torch.ones(60, dtype=torch.bool)
    found = label_targets(lonely, labels[20:40] + 100, Labels(labels, labels, seen, seen), snap=0.5)
    assert found.match0[0].tolist() == [UNMATCHED]


def test_on_a_world_the_rule_seldom_contradicts_the_truth(world_pair):
    """Labels are a random part of true matches; the others, which it does not see, are what it must not rule out."""
    points0, points1 = world_pair
    shown = torch.randperm(len(points0), generator=torch.Generator().manual_seed(0))[:150]
    hidden = torch.ones(len(points0), dtype=torch.bool)
    hidden[shown] = False
    apart = ruled_out(points0[hidden], points1[hidden], points0[shown], points1[shown])
    assert apart.diagonal().float().mean() < 0.02
    assert apart.float().mean() > 0.3


def test_without_labels_no_keypoint_is_called_unmatched():
    none = torch.zeros(0, 2)
    found = label_targets(scattered(0, 9), scattered(1, 9), Labels(none, none, none[:, 0] > 0, none[:, 0] > 0), snap=2)
    assert (found.match0 == UNKNOWN).all()
    assert not found.impossible.any()
