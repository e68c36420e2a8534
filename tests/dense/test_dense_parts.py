"""The parts of dense networks against plain twins and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gim_models.dense import correlation
from gim_models.dense.anchors import anchors_to_flow, likeness
from gim_models.dense.correlation import local_correlation, sampled_correlation
from gim_models.dense.gaussian_process import GaussianProcess
from gim_models.dense.grid import centres, resized, sampled
from gim_models.dense.refiner import ConvRefiner, RefinerShape
from gim_models.dense.sampling import balanced_sample, density


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_sampling_at_the_centres_changes_nothing_and_a_resize_moves_nothing():
    image = randn(1, 2, 5, 7)
    grid = centres((5, 7), image.device)
    assert torch.allclose(sampled(image, grid[None]), image, atol=1e-5)
    assert torch.allclose(
        resized(centres((4, 4), image.device)[None], (8, 8))[..., 1:-1, 1:-1],
        centres((8, 8), image.device)[None, :, 1:-1, 1:-1],
        atol=1e-6,
    )


@pytest.mark.parametrize(("radius", "all_pairs"), [(1, 0), (3, 0), (1, 99), (3, 99)])
def test_the_fast_correlation_is_the_plain_one(radius, all_pairs, monkeypatch):
    """Either way of multiplying; also where windows hang over the edge, flows point outside and maps differ in size."""
    monkeypatch.setattr(correlation, "_ALL_PAIRS", all_pairs)
    monkeypatch.setattr(correlation, "_CHUNK", 1000)
    features0, features1 = randn(2, 6, 5, 7).requires_grad_(), randn(2, 6, 8, 9, seed=1)
    flow = 1.6 * (2 * torch.rand(2, 2, 5, 7, generator=torch.Generator().manual_seed(2)) - 1)
    weight = randn(2, (2 * radius + 1) ** 2, 5, 7, seed=3)
    fast, plain = (f(features0, features1, flow, radius) for f in (local_correlation, sampled_correlation))
    assert torch.allclose(fast, plain, atol=1e-5)
    gradients = [torch.autograd.grad((found * weight).sum(), features0)[0] for found in (fast, plain)]
    assert torch.allclose(*gradients, atol=1e-4)


def test_a_flow_far_away_correlates_with_nothing():
    flow = torch.full((1, 2, 3, 3), 1e6)
    assert local_correlation(randn(1, 4, 3, 3), randn(1, 4, 3, 3, seed=1), flow, 2).eq(0).all()


def test_only_the_first_image_learns_from_correlation():
    features0, features1 = randn(1, 4, 3, 3).requires_grad_(), randn(1, 4, 3, 3, seed=1).requires_grad_()
    local_correlation(features0, features1, centres((3, 3), features0.device)[None], 1).sum().backward()
    assert features0.grad is not None
    assert features1.grad is None


def test_the_posterior_mean_is_the_textbook_one():
    """K_xy (K_yy + noise)^-1 f, written with an inverse in double precision."""
    torch.manual_seed(0)
    process = GaussianProcess(5)
    x, y = randn(2, 8, 3, 4), randn(2, 8, 4, 5, seed=1)
    with torch.no_grad():
        found = process(x, y)
        grid = centres((4, 5), x.device).double().flatten(1).T
        weight, bias = (value.double() for value in (process.pos_conv.weight[:, :, 0, 0], process.pos_conv.bias))
    embedded = torch.cos(8 * math.pi * (grid @ weight.T + bias))
    for pair in range(2):
        a, b = (v[pair].double().flatten(1).T for v in (x, y))
        a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
        k_xy, k_yy = (torch.exp((u @ b.T - 1) / 0.2) for u in (a, b))
        mean = k_xy @ torch.linalg.inv(k_yy + 0.1 * torch.eye(20)) @ embedded
        assert torch.allclose(found[pair].flatten(1).T.double(), mean, atol=1e-4)


def test_a_feature_that_occurs_once_is_found_where_it_is():
    """Orthogonal features: the posterior at a training point is its own output, shrunk by 1 / (1 + noise)."""
    torch.manual_seed(0)
    process = GaussianProcess(6, temperature=0.05)
    features = torch.eye(12).view(1, 12, 3, 4)
    with torch.no_grad():
        mean = process(features.flip(3), features)
        embedded = process.embed(features)
    assert torch.allclose(mean, embedded.flip(3) / 1.1, atol=1e-4)


def test_a_refiner_sees_both_images_under_the_flow():
    """What goes into the first block: features, warped features, displacement, correlation."""
    refiner = ConvRefiner(3, RefinerShape(scale=4, displacement=2, radius=1), 0).eval()
    seen = {}
    refiner.block1.register_forward_hook(lambda module, args, out: seen.update(given=args[0]))
    with torch.no_grad():
        refiner.disp_emb.weight.copy_(torch.eye(2)[..., None, None])
        refiner.disp_emb.bias.zero_()
    features0, features1 = randn(1, 3, 4, 6), randn(1, 3, 4, 6, seed=1)
    right = torch.tensor([2 / 6, 0.0])[:, None, None]  # one cell
    refiner(features0, features1, centres((4, 6), features0.device)[None] + right, 2.0)
    given = seen["given"][0]
    assert torch.equal(given[:3], features0[0])
    assert torch.allclose(given[3:6, :, :-1], features1[0, :, :, 1:], atol=1e-5)
    assert torch.allclose(given[6:8], (2 * right).expand(-1, 4, 6), atol=1e-6)
    middle = (features0[0, :, 1, 2] * features1[0, :, 1, 3]).sum() / 3**0.5
    assert torch.allclose(given[8 + 4, 1, 2], middle, atol=1e-5)


def test_a_flow_settles_on_what_looks_alike_within_its_window():
    """Image 1 is image 0 two cells to the right and one down, brighter; a flow that stands still is led there."""
    features = randn(1, 32, 9, 12)
    moved = 3 * features.roll((1, 2), (2, 3))
    refiner = ConvRefiner(32, RefinerShape(scale=8, displacement=2, radius=2, sharpness=100), 0)
    flow = centres((9, 12), features.device)[None].requires_grad_()
    settled = refiner.settled(features, moved, flow)
    step = torch.tensor([2 * 2 / 12, 2 * 1 / 9])[:, None, None]
    assert torch.allclose((settled - flow)[..., :-1, :-2], step.expand(2, 8, 10), atol=1e-3)
    assert torch.equal(torch.autograd.grad(settled.sum(), flow)[0], torch.ones_like(flow))  # the move is not learnt


def test_a_published_refiner_leaves_the_flow_where_it_is():
    refiner = ConvRefiner(3, RefinerShape(scale=8, displacement=2, radius=2), 0)
    flow = randn(1, 2, 4, 6)
    assert refiner.settled(randn(1, 3, 4, 6), randn(1, 3, 4, 6, seed=1), flow) is flow


def test_a_certain_anchor_is_its_centre_and_two_equal_ones_their_middle():
    logits = torch.full((1, 16, 1, 2), -100.0)
    logits[0, 5, 0, 0] = 0  # row 1, column 1 of 4 x 4
    logits[0, [9, 10], 0, 1] = 0  # row 2, columns 1 and 2
    flow = anchors_to_flow(logits)[0, :, 0]
    assert torch.allclose(flow, torch.tensor([[-0.25, 0.0], [-0.25, 0.25]]), atol=1e-5)


def test_likeness_is_the_cosine_with_every_anchor():
    """Image 1 shows the cells of image 0 elsewhere, brighter: each is most alike where it went, by cosine 1."""
    features = randn(1, 16, 4, 4)
    places = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    moved = 3 * features.flatten(2)[..., places].reshape(1, 16, 4, 4)
    logits = likeness(features, moved, 4, 50.0).flatten(2)[0]
    assert torch.equal(logits.argmax(0), places.argsort())
    assert torch.allclose(logits.amax(0), torch.tensor(50.0), atol=1e-3)
    a, b = features.flatten(2)[0, :, 5], moved.flatten(2)[0, :, 2]
    assert torch.allclose(logits[2, 5], 50 * torch.cosine_similarity(a, b, dim=0), atol=1e-3)


def test_density_is_the_sum_of_the_kernel_over_all_pairs():
    """Against the plain sum in double precision, far pairs and near ones."""
    generator = torch.Generator().manual_seed(0)
    matches = torch.rand(700, 4, generator=generator) * 2 - 1
    matches[:200] *= 0.05
    exact = torch.cdist(matches.double(), matches.double()).square().div(-2 * 0.1**2).exp().sum(1)
    assert torch.allclose(density(matches).double(), exact, rtol=1e-4)


def test_density_counts_neighbours():
    matches = torch.tensor([[0.0, 0, 0, 0], [0, 0, 0, 0.1], [5, 5, 5, 5]])
    pair = math.exp(-0.5)
    assert torch.allclose(density(matches), torch.tensor([1 + pair, 1 + pair, 1]), atol=1e-5)


def test_samples_are_certain_balanced_and_repeatable():
    """A crowd of 3,000 and a village of 300, both certain: the village gets more than its share; doubt gets nothing."""
    generator = np.random.default_rng(0)
    crowd, village = generator.normal(0, 0.05, (3000, 4)), generator.normal(0.7, 0.05, (300, 4))
    doubtful = generator.uniform(-1, 1, (500, 4))
    matches = torch.from_numpy(np.concatenate([crowd, village, doubtful])).float()
    certainty = torch.cat([torch.full((3300,), 0.9), torch.zeros(500)])
    chosen = [balanced_sample(matches, certainty, 500, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(*chosen)
    assert len(set(chosen[0].tolist())) == 500
    assert chosen[0].max() < 3300
    share = (chosen[0] >= 3000).float().mean()
    assert share > 2 * 300 / 3300


@pytest.mark.parametrize(("certainty", "count"), [((0.0, 0, 0), 0), ((0, 0.5, 0), 1), ((1.0, 1, 1), 3)])
def test_few_matches_are_all_there_is(certainty, count):
    chosen = balanced_sample(torch.zeros(3, 4), torch.tensor(certainty), 100, torch.Generator().manual_seed(0))
    assert len(chosen) == count
