"""The attention of students against kornia's, which it replaces."""

from __future__ import annotations

import pytest
import torch
from kornia.feature.lightglue import LightGlue, TransformerLayer, filter_matches
from torch.nn import functional as F

from gim_models.sparse.attention import attend
from gim_models.sparse.lightglue import GlueNet, GlueShape, Side, published_glue
from gim_models.sparse.precision import matching_dtype


@pytest.mark.parametrize("shape", [(1, 1, 7, 5, 8), (2, 3, 40, 40, 16), (1, 2, 1, 9, 4)])
def test_attention_is_torchs(shape):
    batch, heads, m, n, width = shape
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(batch, heads, m, width, generator=generator)
    key, value = torch.randn(2, batch, heads, n, width, generator=generator)
    assert torch.allclose(attend(query, key, value), F.scaled_dot_product_attention(query, key, value), atol=1e-6)


@pytest.mark.parametrize("heads", [1, 4])
def test_layers_compute_what_kornias_compute_with_the_same_weights(heads):
    shape = GlueShape(input_dim=32, descriptor_dim=48, n_layers=2, num_heads=heads)
    ours = GlueNet(shape).eval()
    theirs = LightGlue(None, **shape.model_dump(), flash=False, depth_confidence=-1, width_confidence=-1).eval()
    theirs.load_state_dict(ours.state_dict())
    generator = torch.Generator().manual_seed(0)
    x0, x1 = torch.randn(2, 30, 48, generator=generator), torch.randn(2, 21, 48, generator=generator)
    places = [torch.rand(2, n, 2, generator=generator) for n in (30, 21)]
    encodings = [ours.posenc(place) for place in places]
    for mine, reference in zip(ours.transformers, theirs.transformers, strict=True):
        assert isinstance(reference, TransformerLayer)
        found, expected = mine(x0, x1, *encodings), reference(x0, x1, *encodings)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True))
        x0, x1 = expected


def test_making_a_network_leaves_torchs_fused_attention_on():
    """kornia's blocks turn it off for the whole process, where other networks may want it."""
    torch.backends.cuda.enable_flash_sdp(True)
    GlueNet(GlueShape())
    assert torch.backends.cuda.flash_sdp_enabled()


def planted(noise: float) -> tuple[torch.Tensor, tuple[Side, Side]]:
    """Two pairs of 300 keypoints; the second image has the first one's, moved and in another order."""
    generator = torch.Generator().manual_seed(0)
    points, size = torch.rand(2, 300, 2, generator=generator) * 400, torch.full((2, 2), 400.0)
    descriptors = F.normalize(torch.randn(2, 300, 64, generator=generator), dim=-1)
    order = torch.randperm(300, generator=generator)
    other = F.normalize(descriptors + noise * torch.randn(2, 300, 64, generator=generator), dim=-1)[:, order]
    return order, (Side(points, descriptors, size), Side(points[:, order] + 3, other, size))


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.6])
def test_mutual_matches_are_those_that_kornia_filters_from_the_assignment(threshold):
    _, sides = planted(0.02)
    net = published_glue()
    with torch.inference_mode():
        states = net.layers(*sides)
        target, _, confidence, _ = filter_matches(net.assignment(states), threshold)
        found, sure = net.mutual(states, threshold)
    assert torch.equal(found, target)
    assert (found >= 0).sum() > 100
    assert torch.allclose(sure, confidence, atol=1e-5)


def test_of_equal_keypoints_one_is_matched():
    """Two keypoints that are the same in all respects are equally sure of their partner."""
    _, sides = planted(0.02)
    twice = Side(*(torch.cat([value, value[:, :40]], 1) for value in sides[0][:2]), sides[0].size)
    net = published_glue()
    with torch.inference_mode():
        states = net.layers(twice, sides[1])
        states[-1][0][:, 300:] = states[-1][0][:, :40]  # beyond rounding
        found, _ = net.mutual(states, 0.0)
    for row in found:
        partners = row[row >= 0].tolist()
        assert len(partners) == len(set(partners)) > 40


def test_products_in_bfloat16_find_what_float32_finds():
    order, sides = planted(0.02)
    net = published_glue()
    with torch.inference_mode():
        exact, short = (net.mutual(net.layers(*sides, dtype=t), 0.1)[0] for t in (torch.float32, torch.bfloat16))
    assert (exact == short).float().mean() > 0.97
    assert (order[short[short >= 0]] == (short >= 0).nonzero()[:, 1]).float().mean() > 0.99


def test_a_device_without_instructions_for_bfloat16_matches_in_float32():
    assert matching_dtype(torch.device("meta")) is torch.float32
