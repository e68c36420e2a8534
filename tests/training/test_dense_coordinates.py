"""Where is a cell? At every scale of the dense families, to a hundredth of a pixel, under a rotation and a zoom."""

from __future__ import annotations

import pytest
import torch
from planted_pairs import SIZE, PlantedExact, affinity
from tiny_networks import tiny

from gim_models.dense.grid import centres
from gim_models.dense.warp import SHARP, Warp
from gim_models.training.augment import plain
from gim_models.training.families.dense import flow_loss, queries
from gim_models.training.families.points import at, normalised
from gim_models.training.sample import collate

WIDTH, HEIGHT = SIZE
EXTENT = torch.tensor([WIDTH, HEIGHT], dtype=torch.float64)
SCALES = (32, 16, 8, 4, 2, 1)
SEEDS = range(4)


def pixels(flow: torch.Tensor) -> torch.Tensor:
    """(1, 2, h, w) normalised -> (h, w, 2) pixels, an edge being half a pixel beside a centre."""
    return (flow[0].permute(1, 2, 0).double() + 1) / 2 * EXTENT - 0.5


def truth(seed: int, scale: int) -> torch.Tensor:
    """Where the centres of the cells of ``scale`` pixels go, (h, w, 2) in pixels, written down without ``centres``."""
    x, y = (torch.arange(side // scale, dtype=torch.float64) * scale + (scale - 1) / 2 for side in SIZE)
    points = torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x)), torch.ones(len(y), len(x))], -1)
    return points @ torch.from_numpy(affinity(seed))[:2].T


def planted_warp(seed: int, scale: int) -> Warp:
    flow = ((2 * truth(seed, scale) + 1) / EXTENT - 1).permute(2, 0, 1)[None].float()
    return Warp(flow, torch.zeros_like(flow[:, :1]))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("swapped", [False, True])
def test_what_is_asked_is_what_the_true_warp_says_at_every_scale(scale, swapped):
    """Geometry, augmentation, normalisation and reading of maps agree on where a pixel is; also from view 1 to 0."""
    batch = collate([PlantedExact().pair(seed) for seed in SEEDS])
    asked = queries(batch, plain(batch), torch.full((4,), swapped), 800, torch.Generator().manual_seed(0))
    reach = torch.tensor([scale / 2 - 0.5])
    for seed in SEEDS:
        ends = (asked.end, asked.start) if swapped else (asked.start, asked.end)
        first, second = (end[seed][asked.seen[seed]] for end in ends)
        held = ((first >= reach) & (first <= torch.tensor([WIDTH - 1.0, HEIGHT - 1]) - reach)).all(1)
        read = at(planted_warp(seed, scale).flow, normalised(first[held], (HEIGHT, WIDTH))[None])[0]
        assert int(held.sum()) > 100
        assert float((((read + 1) / 2 * EXTENT - 0.5) - second[held]).norm(dim=1).max()) < 0.01


def test_the_true_warp_costs_nothing_but_what_a_bend_costs():
    batch = collate([PlantedExact().pair(0)])
    asked = queries(batch, plain(batch), torch.tensor([False]), 800, torch.Generator().manual_seed(0))
    told = flow_loss({scale: planted_warp(0, scale) for scale in (2, 1)}, asked, (HEIGHT, WIDTH), 1.0)
    assert float(told["pixels"]) < 0.01
    assert float(told["flow"]) < 2 * 1e-4 * (2 + 1)


def quiet(network, bias):
    """Refiners that say ``bias``, whatever they see."""
    for refiner in network.decoder.conv_refiner.values():
        torch.nn.init.zeros_(refiner.out_conv.weight)
        refiner.out_conv.bias.data = torch.tensor(bias)
    return network.eval()


def sharpened(network, warp):
    pyramid = network.pyramid(torch.rand(2, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)), SHARP)
    halves = [{scale: features[i : i + 1] for scale, features in pyramid.items()} for i in (0, 1)]
    return network.sharpen(*halves, warp, 1.0)


@torch.no_grad()
@pytest.mark.parametrize("arch", ["dkm", "roma"])
@pytest.mark.parametrize("seed", SEEDS)
def test_without_residuals_the_flow_comes_through_all_scales_as_it_was(arch, seed, extractor):
    """A flow of 16-pixel cells, four resizes: nothing has moved, but for the rim, where a resize repeats itself."""
    found = sharpened(quiet(tiny(arch), [0.0, 0, 0]), planted_warp(seed, 16))
    assert set(found) == {8, 4, 2, 1}
    for scale, warp in found.items():
        rim = 16 // scale
        error = (pixels(warp.flow) - truth(seed, scale)).norm(dim=-1)[rim:-rim, rim:-rim]
        assert error.numel() > 50
        assert float(error.max()) < 0.01, scale


@torch.no_grad()
@pytest.mark.parametrize(("arch", "bias"), [("dkm", [0.0, 8, -8]), ("roma", [8.0, -8, 0])])
def test_a_residual_of_eight_is_a_cell_of_its_scale(arch, bias, extractor):
    """As in the published networks, whose weights count so: to the right by 8 + 4 + 2 + 1 pixels, and as much up."""
    found = sharpened(quiet(tiny(arch), bias), planted_warp(0, 16))
    moved = torch.zeros(2, dtype=torch.float64)
    for scale in (8, 4, 2, 1):
        moved += torch.tensor([scale, -scale])
        rim = 16 // scale
        shift = (pixels(found[scale].flow) - truth(0, scale))[rim:-rim, rim:-rim]
        assert float((shift - moved).abs().max()) < 0.01


def test_a_trained_feature_sees_as_far_to_each_side_of_the_middle_of_its_cell(extractor):
    """An encoder that looks beside its cells shifts what it finds under every rotation and zoom."""
    network = tiny("roma").eval()
    images = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    pyramid = network.pyramid(images, SHARP)
    for scale in (2, 4, 8):
        column, row = WIDTH // scale // 2, HEIGHT // scale // 2
        seen = torch.autograd.grad(pyramid[scale][0, :, row, column].abs().sum(), images, retain_graph=True)[0]
        y, x = seen[0].abs().sum(0).nonzero().double().T
        middle = [scale * cell + (scale - 1) / 2 for cell in (column, row)]
        assert [float(x.min() + x.max()) / 2, float(y.min() + y.max()) / 2] == middle


def test_the_centres_of_cells_are_where_their_pixels_say():
    for scale in SCALES:
        grid = pixels(centres((HEIGHT // scale, WIDTH // scale), torch.device("cpu"))[None])
        assert torch.allclose(grid[0, 0], torch.full((2,), (scale - 1) / 2, dtype=torch.float64), atol=1e-4)
        assert torch.allclose(grid[-1, -1], EXTENT - 1 - (scale - 1) / 2, atol=1e-4)
