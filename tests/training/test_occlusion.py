"""Pasted pieces: where they are said to be, and what they do to what is known."""

from __future__ import annotations

import torch

from gim_models.training.config import AugmentConfig
from gim_models.training.features import uncovered
from gim_models.training.occlusion import occlude, within
from gim_models.training.supervision import Transfer


def numbered(count: int) -> torch.Tensor:
    """Images of one grey each, with a ramp from left to right."""
    ramp = torch.linspace(0, 0.01, 64).expand(3, 48, 64)
    return torch.stack([0.1 * i + ramp for i in range(count)])


def test_outside_the_piece_an_image_is_what_it_was_and_inside_it_is_another_one_mirrored():
    images = numbered(6)
    covered, foreign = occlude(images, AugmentConfig(occlusion=1), torch.Generator().manual_seed(0))
    donors = images.roll(1, 0).flip(-1)
    assert foreign.flatten(1).any(1).all()
    assert torch.equal(torch.where(foreign, donors, images), covered)
    assert 0.03 < foreign.float().mean() < 0.4


def test_no_piece_is_laid_where_none_is_wanted():
    covered, foreign = occlude(numbered(4), AugmentConfig(occlusion=0), torch.Generator().manual_seed(0))
    assert torch.equal(covered, numbered(4))
    assert not foreign.any()


def test_the_same_numbers_give_the_same_pieces():
    first, second = (occlude(numbered(4), AugmentConfig(), torch.Generator().manual_seed(3))[1] for _ in range(2))
    assert torch.equal(first, second)


def test_a_point_is_within_a_mask_at_its_nearest_pixel_and_never_outside_the_image():
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[1, 5] = True
    points = torch.tensor([[5.4, 0.6], [4.4, 1.0], [6.0, 1.0], [-1.0, 1.0]])
    assert within(mask, points).tolist() == [True, False, False, False]


def test_what_lands_under_a_piece_is_known_to_be_hidden():
    yes = torch.tensor([True, True])
    found = uncovered(Transfer(torch.tensor([[2.0, 2], [5, 2]]), yes, yes), torch.arange(8).expand(4, 8) >= 4)
    assert found.visible.tolist() == [True, False]
    assert found.known.all()
