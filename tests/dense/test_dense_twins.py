"""DKM and RoMa against the same computation written down plainly."""

from __future__ import annotations

import plain_dense
import pytest
import torch

from gim_data.errors import GimError
from gim_models.dense.dkm import DkmShape, seeded_dkm
from gim_models.dense.refiner import RefinerShape
from gim_models.dense.roma import RomaShape, seeded_roma
from gim_models.dense.warp import COARSEST, Warp
from gim_models.sparse.weights import weights_file

RADII = {16: 2, 8: 1, 4: 0, 2: 0, 1: 0}
REFINERS = tuple(RefinerShape(scale=scale, displacement=2, radius=radius) for scale, radius in RADII.items())
DKM_SHAPE = DkmShape(
    stem_dim=6,
    widths=(2, 3, 4, 5),
    blocks=(1, 2, 1, 1),
    project=8,
    gp_dim=6,
    feature_dim=7,
    decoder_dim=10,
    refiners=REFINERS,
    hidden_blocks=2,
)
ROMA_SHAPE = RomaShape(
    coarse="xfeat",
    vgg=((4, 1), (5, 1), (6, 2), (7, 1)),
    project=(12, 8, 6, 5, 4),
    gp_dim=12,
    blocks=2,
    heads=3,
    anchors=4,
    refiners=REFINERS,
    hidden_blocks=1,
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


def shaken(network):
    """Batch norms with statistics of their own, so that a forgotten one shows."""
    generator = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if name.endswith("running_mean"):
            value.copy_(torch.rand(value.shape, generator=generator) / 5)
        elif name.endswith("running_var"):
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return network.eval()


def compare(network, twin, coarsest):
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    pyramid = network.pyramid(images, coarsest)
    halves = [{scale: features[i : i + 1] for scale, features in pyramid.items()} for i in (0, 1)]
    found, expected = network.decode(*halves), twin(network.state_dict(), *halves)
    assert list(found) == list(expected)
    for scale, (flow, certainty) in expected.items():
        assert torch.allclose(found[scale].flow, flow, atol=2e-3), scale
        assert torch.allclose(found[scale].certainty, certainty, atol=2e-3 * max(1, certainty.abs().max())), scale
    assert found[1].certainty.std() > 0


@torch.no_grad()
def test_dkm_is_what_its_names_say():
    network = shaken(seeded_dkm(DKM_SHAPE, 0))
    compare(network, lambda state, p0, p1: plain_dense.dkm(state, RADII, p0, p1), COARSEST)


@torch.no_grad()
def test_roma_is_what_its_names_say():
    try:
        weights_file("xfeat")
    except GimError as error:
        pytest.skip(f"published weights are not installed: {error.problem}")
    network = shaken(seeded_roma(ROMA_SHAPE, 0))
    compare(network, lambda state, p0, p1: plain_dense.roma(state, RADII, ROMA_SHAPE.heads, p0, p1), COARSEST)


@torch.no_grad()
def test_the_second_pass_starts_from_the_first():
    """A flow that is already right at the larger size, refiners that say nothing: it comes back, only smoother."""
    network = shaken(seeded_dkm(DKM_SHAPE, 0))
    for refiner in network.decoder.conv_refiner.values():
        refiner.out_conv.weight.zero_()
        refiner.out_conv.bias.zero_()
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    large = torch.nn.functional.interpolate(images, (96, 144), mode="bilinear")
    pyramid = network.pyramid(large, 8)
    assert max(pyramid) == 8
    halves = [{scale: features[i : i + 1] for scale, features in pyramid.items()} for i in (0, 1)]
    flow = plain_dense.grid(64, 96) * 0.5
    found = network.sharpen(*halves, Warp(flow, flow[:, :1]), 1.5)
    assert found[1].flow.shape == (1, 2, 96, 144)
    inner = (slice(None), slice(None), slice(16, -16), slice(16, -16))
    assert torch.allclose(found[1].flow[inner], (plain_dense.grid(96, 144) * 0.5)[inner], atol=1e-4)
