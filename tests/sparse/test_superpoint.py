"""SuperPoint's detection where the answer is known, and LightGlue's training read-out against kornia's inference."""

from __future__ import annotations

import pytest
import torch
from kornia.feature import LightGlue
from kornia.feature.lightglue import filter_matches
from torch.nn import functional as F

from gim_models.sparse.lightglue import GlueNet, GlueShape, Side
from gim_models.sparse.superpoint import SuperPoint, SuperPointMaps, local_maxima


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


def lattice(channel: int) -> SuperPoint:
    """A network blind to its input that sees a keypoint at one place of every cell."""
    net = SuperPoint()
    for name, value in net.named_parameters():
        value.fill_(1.0 if name == "convDb.bias" else 0.0)
    net.convPb.bias[channel] = 10.0
    return net


def test_a_channel_is_a_pixel_of_its_cell_and_the_border_is_empty():
    net = lattice(8 * 3 + 5)  # row 3, column 5
    maps = net.dense(torch.rand(1, 3, 30, 45))
    assert maps.heat.shape == (1, 24, 40)
    found = net.detect(maps, 100)
    points = {tuple(point) for point in found.points[0][found.scores[0] > 0.5].int().tolist()}
    assert points == {(8 * x + 5, 8 * y + 3) for x in range(5) for y in range(3) if 8 * y + 3 >= 4 and 8 * x + 5 < 36}


def test_a_mask_and_a_small_image():
    net = lattice(0)
    maps = net.dense(torch.rand(1, 3, 32, 32))
    allowed = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    allowed[..., 16:] = True
    found = net.detect(maps, 50, allowed)
    assert {x for x, _ in found.points[0][found.scores[0] > 0].int().tolist()} >= {16, 24}
    assert found.points[0][found.scores[0] > 0][:, 0].min() >= 16
    tiny = net.detect(net.dense(torch.rand(1, 3, 3, 2)), 50)
    assert (tiny.scores > 0).sum() == 0


def test_what_only_a_loser_outshone_comes_back():
    """1.0, 0.9, 0.8 in a row, three pixels apart: the second loses to the first, so the third stays."""
    heat = torch.zeros(1, 9, 20)
    heat[0, 4, [3, 6, 9]] = torch.tensor([1.0, 0.9, 0.8])
    assert local_maxima(heat, 3).nonzero()[:, 2].tolist() == [3, 9]


def test_no_two_maxima_are_near_each_other():
    heat = torch.rand(2, 40, 50, generator=torch.Generator().manual_seed(0))
    for image in local_maxima(heat, 3):
        points = image.nonzero().float()
        apart = torch.cdist(points, points, p=float("inf")) + 100 * torch.eye(len(points))
        assert apart.min() > 3


def test_descriptors_are_read_where_lightglue_learnt_them():
    """The middle of the first cell and the last pixel are the centres of the first and the last cell."""
    ramp = torch.stack([torch.arange(1.0, 6).expand(4, 5), torch.ones(4, 5)])[None]
    maps = SuperPointMaps(ramp, torch.zeros(1, 32, 40), (32, 40))
    points = torch.tensor([[[3.5, 3.5], [39.0, 31.0], [21.25, 3.5]]])
    found = SuperPoint().describe(maps, points)
    assert torch.allclose(found, F.normalize(torch.tensor([[[1.0, 1], [5, 1], [3, 1]]]), dim=-1), atol=1e-5)


@torch.no_grad()
def test_lightglue_finds_what_kornia_finds():
    shape = GlueShape(input_dim=12, descriptor_dim=24, n_layers=3, num_heads=2)
    generator = torch.Generator().manual_seed(0)
    net = GlueNet(shape).eval()
    twin = LightGlue(None, **shape.model_dump(), flash=False, depth_confidence=-1, width_confidence=-1).eval()
    twin.load_state_dict(net.state_dict())
    twin.conf.filter_threshold = 0.0
    size = torch.tensor([[64.0, 48.0]])
    pair = [
        Side(
            torch.rand(1, count, 2, generator=generator) * 48,
            F.normalize(torch.randn(1, count, 12, generator=generator), dim=-1),
            size,
        )
        for count in (20, 25)
    ]
    target, _, confidence, _ = filter_matches(net.assignment(net.layers(*pair)), 0.0)
    expected = twin(
        {
            f"image{i}": {"keypoints": side.points, "descriptors": side.descriptors, "image_size": side.size}
            for i, side in enumerate(pair)
        }
    )
    assert torch.equal(target, expected["matches0"])
    assert torch.allclose(confidence, expected["matching_scores0"], atol=1e-5)
