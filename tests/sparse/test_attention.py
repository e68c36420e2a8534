"""The attention of students against kornia's, which it replaces."""

from __future__ import annotations

import pytest
import torch
from kornia.feature.lightglue import LightGlue, TransformerLayer
from torch.nn import functional as F

from gim_models.sparse.attention import attend
from gim_models.sparse.lightglue import GlueNet, GlueShape


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
