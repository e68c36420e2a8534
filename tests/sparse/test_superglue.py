"""Optimal transport against its own definition, and SuperGlue as a matcher."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gim_data.errors import GimError
from gim_models.folder import write_folder
from gim_models.registry import open_matcher
from gim_models.sparse.lightglue import GlueNet, GlueShape, Side
from gim_models.sparse.superglue import (
    SuperGlueConfig,
    SuperGlueShape,
    demo_superglue,
    load_superglue,
    log_transport,
    seeded_superglue,
)
from gim_models.sparse.weights import weights_file

SMALL = SuperGlueShape(input_dim=16, descriptor_dim=24, encoder=(8,), pairs=2, num_heads=2, iterations=50)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


def plain_sinkhorn(scores: torch.Tensor, dustbin: float, iterations: int) -> torch.Tensor:
    """The same in the probability domain, one pair, double precision: scale rows, scale columns, again."""
    rows, columns = scores.shape
    mass = F.pad(scores.double(), (0, 1, 0, 1), value=dustbin).exp()
    target0 = torch.tensor([1.0] * rows + [columns]).double()
    target1 = torch.tensor([1.0] * columns + [rows]).double()
    for _ in range(iterations):
        mass = mass * (target0 / mass.sum(1))[:, None]
        mass = mass * (target1 / mass.sum(0))
    return mass


@pytest.mark.parametrize(("rows", "columns"), [(5, 7), (6, 1), (4, 4)])
def test_transport_is_sinkhorn_and_keeps_the_masses(rows, columns):
    scores = torch.randn(2, rows, columns, generator=torch.Generator().manual_seed(0)) * 3
    found = log_transport(scores, torch.tensor(0.5), 100).exp()
    for pair in range(2):
        assert torch.allclose(found[pair].double(), plain_sinkhorn(scores[pair], 0.5, 100), atol=1e-5)
    assert torch.allclose(found[:, :-1].sum(2), torch.ones(2, rows), atol=1e-3)
    assert torch.allclose(found[:, :, :-1].sum(1), torch.ones(2, columns), atol=1e-5)
    assert torch.allclose(found[:, -1].sum(1), torch.tensor(float(columns)), atol=1e-3)


def test_equal_scores_spread_evenly():
    """One keypoint a side and dustbins that score the same: each of the four cells carries a half."""
    assert torch.allclose(log_transport(torch.zeros(1, 1, 1), torch.tensor(0.0), 20).exp(), torch.full((1, 2, 2), 0.5))


def test_a_low_dustbin_forces_and_a_high_one_forbids_matches():
    scores = torch.diag(torch.full((4,), 10.0))[None]
    forced, free = (log_transport(scores, torch.tensor(bin_), 100).exp()[0] for bin_ in (-20.0, 40.0))
    assert forced[:4, :4].diagonal().min() > 0.99
    assert free[:4, :4].max() < 1e-3
    assert free[:4, 4].min() > 0.99


def test_large_scores_stay_finite_and_differentiable():
    scores = (1000 * torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(1))).requires_grad_()
    dustbin = torch.tensor(0.0, requires_grad=True)
    found = log_transport(scores, dustbin, 30)
    found[0, torch.arange(5), torch.arange(5)].sum().backward()
    assert torch.isfinite(found).all()
    assert torch.isfinite(scores.grad).all()
    assert torch.isfinite(dustbin.grad)


def sides(dim: int, count0: int = 9, count1: int = 12, batch: int = 2) -> tuple[Side, Side]:
    generator = torch.Generator().manual_seed(0)
    size = torch.tensor([[100.0, 80.0]]).expand(batch, 2)
    return tuple(
        Side(
            torch.rand(batch, count, 2, generator=generator) * 80,
            F.normalize(torch.randn(batch, count, dim, generator=generator), dim=-1),
            size,
        )
        for count in (count0, count1)
    )


def awake(seed: int = 0):
    """Weights of a default start, so that every layer takes part."""
    net = seeded_superglue(SMALL, seed).eval()
    generator = torch.Generator().manual_seed(seed)
    for value in net.parameters():
        if value.dim() > 1:
            value.data = torch.randn(value.shape, generator=generator) / value.shape[1] ** 0.5
    net.dustbin.data.zero_()
    return net


@torch.no_grad()
def test_exchanging_the_images_transposes_the_assignment():
    net = awake()
    net.shape = SMALL.model_copy(update={"iterations": 300})  # until rows and columns are both exact
    side0, side1 = sides(16)
    forward, backward = net.assignment(net.layers(side0, side1)), net.assignment(net.layers(side1, side0))
    assert forward[:, :-1, :-1].exp().max() > 0.1
    assert torch.allclose(forward.exp(), backward.transpose(1, 2).exp(), atol=2e-3)


@torch.no_grad()
def test_the_batch_and_the_order_of_keypoints_change_nothing():
    net = awake()
    side0, side1 = sides(16)
    together = net.assignment(net.layers(side0, side1))
    alone = net.assignment(net.layers(*(Side(*(value[1:] for value in side)) for side in (side0, side1))))
    assert torch.allclose(together[1:], alone, atol=1e-4)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(2))
    shuffled = Side(side0.points[:, order], side0.descriptors[:, order], side0.size)
    found = net.assignment(net.layers(shuffled, side1))
    assert torch.allclose(found[:, :-1], together[:, order], atol=1e-3)


def test_training_reads_it_as_it_reads_lightglue():
    """Same calls, same shape, and gradients reach every parameter."""
    net = awake().train()
    glue = GlueNet(GlueShape(input_dim=16, descriptor_dim=24, n_layers=2, num_heads=2))
    pair = sides(16)
    scores = [network.assignment(network.layers(*pair)) for network in (net, glue)]
    assert scores[0].shape == scores[1].shape == (2, 10, 13)
    scores[0][:, :-1, 0].sum().backward()
    silent = [name for name, value in net.named_parameters() if value.grad is None]
    assert silent == []


def test_an_untrained_network_matches_nearest_descriptors():
    generator = torch.Generator().manual_seed(0)
    descriptors = F.normalize(torch.randn(1, 40, 64, generator=generator), dim=-1)
    order = torch.randperm(40, generator=generator)
    size = torch.tensor([[100.0, 80.0]])
    pair = [Side(torch.rand(1, 40, 2, generator=generator) * 80, d, size) for d in (descriptors, descriptors[:, order])]
    network = seeded_superglue(demo_superglue(), 1).eval()
    with torch.no_grad():
        scores = network.assignment(network.layers(*pair))[0, :-1, :-1].exp()
    assert torch.equal(order[scores.argmax(1)], torch.arange(40))
    assert scores.max(1).values.min() > 0.5


def test_a_folder_becomes_a_matcher(tmp_path):
    try:
        weights_file("xfeat")
    except GimError as error:
        pytest.skip(f"published weights are not installed: {error.problem}")
    network = seeded_superglue(demo_superglue(), 0)
    write_folder(tmp_path, SuperGlueConfig(shape=demo_superglue(), max_keypoints=64), network.state_dict())
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    found = open_matcher(f"superglue:{tmp_path}").match(image, image)
    assert len(found)
    assert np.array_equal(found.index0, found.index1)
    (tmp_path / "config.json").write_text('{"arch": "lightglue"}')
    with pytest.raises(GimError, match=str(tmp_path)):
        load_superglue(tmp_path)
