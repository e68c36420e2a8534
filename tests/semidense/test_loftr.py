"""LoFTR against kornia's, against plain convolutions, and on images whose truth is known."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from kornia.feature import LoFTR as KorniaLoFTR
from kornia.feature.loftr.loftr import default_cfg
from torch.nn import functional as F

from gim_data.errors import GimError
from gim_data.types import Matcher
from gim_models.folder import CONFIG, WEIGHTS, write_folder
from gim_models.semidense.backbone import ResNetPyramid, _on_pixels
from gim_models.semidense.loftr import Cells, Grids, LoFTR, dual_softmax, expectation, seeded_loftr, select, windows
from gim_models.semidense.matcher import LoftrConfig, LoftrMatcher, load_loftr
from gim_models.semidense.shape import LoftrShape, demo_loftr
from gim_models.sparse.weights import weights_file

SMALL = LoftrShape(
    stem_dim=8,
    widths=(4, 8, 12),
    blocks=(1, 2, 1),
    coarse_dim=32,
    coarse_heads=4,
    coarse_pairs=2,
    middle_dim=12,
    fine_dim=16,
    fine_heads=2,
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def network():
    """Small, untrained, with batch statistics of its own, so that a forgotten batch norm shows."""
    net = seeded_loftr(SMALL, 0).eval()
    generator = torch.Generator().manual_seed(1)
    for name, value in net.state_dict().items():
        if name.endswith("running_mean"):
            value.copy_(torch.rand(value.shape, generator=generator) / 5)
        elif name.endswith("running_var"):
            value.copy_(torch.rand(value.shape, generator=generator) + 0.2)
    return net


def kornia_twin(network: LoFTR, threshold: float, border: int) -> KorniaLoFTR:
    """kornia's LoFTR around the same backbone and transformers."""
    config = copy.deepcopy(default_cfg)
    config["fine_concat_coarse_feat"] = False
    shape = network.shape
    config["coarse"] |= {"d_model": shape.coarse_dim, "nhead": shape.coarse_heads}
    config["coarse"]["layer_names"] = ["self", "cross"] * shape.coarse_pairs
    config["fine"] |= {"d_model": shape.fine_dim, "nhead": shape.fine_heads}
    config["match_coarse"] |= {"thr": threshold, "border_rm": border}
    twin = KorniaLoFTR(None, config)
    twin.backbone = network.backbone
    twin.loftr_coarse.load_state_dict(network.loftr_coarse.state_dict())
    twin.loftr_fine.load_state_dict(network.loftr_fine.state_dict())
    return twin.eval()


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Smooth random colours."""
    small = torch.rand(1, 3, -(-height // 6), -(-width // 6), generator=torch.Generator().manual_seed(seed))
    large = F.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)[0]
    return (large.permute(1, 2, 0) * 255).byte().numpy()


def as_batch(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def test_it_finds_what_kornia_finds(network):
    """Sizes that are multiples of 8 need no padding, so nothing but the network is compared."""
    image0, image1 = picture(96, 64), picture(80, 72, 1)
    matcher = LoftrMatcher("x", network, LoftrConfig(shape=SMALL, threshold=0, border=1))
    found = matcher.match(image0, image1)
    with torch.inference_mode():
        expected = kornia_twin(network, 0, 1)({"image0": as_batch(image0), "image1": as_batch(image1)})
    assert len(found) == len(expected["confidence"]) > 3
    assert np.allclose(found.keypoints0, expected["keypoints0"].numpy(), atol=1e-4)
    assert np.allclose(found.keypoints1, expected["keypoints1"].numpy(), atol=1e-3)
    assert np.allclose(found.confidence, expected["confidence"].numpy(), rtol=1e-3)


def test_padding_is_masked_as_in_kornia(network):
    image0, image1 = picture(90, 60), picture(80, 72, 1)
    matcher = LoftrMatcher("x", network, LoftrConfig(shape=SMALL, threshold=0, border=1))
    found = matcher.match(image0, image1)
    padded = np.pad(image0, ((0, 4), (0, 6), (0, 0)))
    mask0 = np.pad(np.ones((60, 90), bool), ((0, 4), (0, 6)))
    grids = network.grids(as_batch(padded), torch.from_numpy(mask0)[None]), network.grids(as_batch(image1))
    twin = kornia_twin(network, 0, 1)
    with torch.inference_mode():
        seen = twin.loftr_coarse(
            grids[0].coarse.flatten(2).mT, grids[1].coarse.flatten(2).mT, grids[0].valid.flatten(1), None
        )
        tokens = network.tokens(*grids)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(seen, tokens, strict=True))
    assert len(found)
    assert found.keypoints0[:, 0].max() < 90 - 8
    assert found.keypoints0[:, 1].max() < 60 - 8


def plain_backbone(state: dict[str, torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same pyramid written down as convolutions by name."""

    def conv(name, x, stride=1):
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight, None, stride, weight.shape[-1] // 2)

    def norm(name, x):
        mean, var, weight, bias = (
            state[f"{name}.{key}"][:, None, None] for key in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    stages = []
    x = norm("encode.bn1", conv("encode.conv1", x, 2)).relu()
    for stage in (1, 2, 3):
        block = 0
        while f"encode.layer{stage}.{block}.conv1.weight" in state:
            name = f"encode.layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = norm(f"{name}.bn1", conv(f"{name}.conv1", x)).relu()
            y = norm(f"{name}.bn2", conv(f"{name}.conv2", y, stride)).relu()
            y = norm(f"{name}.bn3", conv(f"{name}.conv3", y))
            if block == 0:
                x = norm(f"{name}.downsample.1", conv(f"{name}.downsample.0", x, stride))
            x = (x + y).relu()
            block += 1
        stages.append(x)
    coarse = conv("layer3_outconv", stages[2])
    up = coarse
    for stage in (2, 1):
        up = F.interpolate(up, scale_factor=2.0, mode="bilinear", align_corners=True)
        up = up + conv(f"layer{stage}_outconv", stages[stage - 1])
        up = norm(f"layer{stage}_outconv2.1", conv(f"layer{stage}_outconv2.0", up))
        up = conv(f"layer{stage}_outconv2.3", F.leaky_relu(up))
    return coarse, up


def test_the_pyramid_is_what_its_names_say(network):
    image = as_batch(picture(64, 48))
    with torch.inference_mode():
        found = network.backbone(image)
        expected = plain_backbone(network.backbone.state_dict(), image)
    assert isinstance(network.backbone, ResNetPyramid)
    assert [tuple(x.shape) for x in found] == [(1, 32, 6, 8), (1, 16, 24, 32)]
    for ours, plain in zip(found, expected, strict=True):
        assert torch.allclose(ours, plain, atol=1e-4 * plain.abs().max())


def test_confidence_is_a_product_of_softmaxes_and_zero_where_forbidden():
    similarity = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(0))
    free = dual_softmax(similarity, None, None)[0]
    i, j = 2, 3
    by_hand = similarity[0, i].softmax(0)[j] * similarity[0, :, j].softmax(0)[i]
    assert torch.allclose(free[i, j], by_hand)
    valid = torch.tensor([[[True, True, False], [True, True, False]]])
    masked = dual_softmax(similarity, valid, None)[0]
    assert masked[[2, 5]].eq(0).all()
    keep = [0, 1, 3, 4]
    assert torch.allclose(masked[keep], dual_softmax(similarity[:, keep], None, None)[0])


def test_only_mutual_best_cells_off_the_border_are_selected():
    grids = Grids(torch.zeros(1, 4, 4, 5), torch.zeros(1, 4, 16, 20), None)
    confidence = torch.zeros(1, 20, 20)
    confidence[0, 6, 7] = 0.9  # both inside
    confidence[0, 11, 7] = 0.8  # cell 7 of image 1 prefers 6
    confidence[0, 8, 1] = 0.9  # cell 1 of image 1 is on the border
    confidence[0, 12, 12] = 0.1  # too faint
    cells = select(confidence, grids, grids, 0.2, 1)
    assert (cells.index0.tolist(), cells.index1.tolist()) == ([6], [7])


def test_the_border_is_that_of_what_is_valid():
    valid = torch.zeros(1, 4, 5, dtype=torch.bool)
    valid[:, :3, :4] = True
    grids = Grids(torch.zeros(1, 4, 4, 5), torch.zeros(1, 4, 16, 20), valid)
    cells = select(torch.eye(20)[None], grids, grids, 0.2, 1)
    assert cells.index0.tolist() == [6, 7]


def test_windows_are_centred_on_their_cells_and_zero_outside():
    fine = torch.arange(1, 12 * 16 + 1, dtype=torch.float32).view(1, 1, 12, 16)
    cut = windows(fine, torch.tensor([0, 0]), torch.tensor([0, 6]), 4, 5)[..., 0].view(2, 5, 5)
    assert cut[0, :2].eq(0).all()
    assert cut[0, 2, 2] == fine[0, 0, 0, 0]
    assert torch.equal(cut[1], fine[0, 0, 2:7, 6:11])


def test_a_certain_heat_map_gives_its_cell_and_a_flat_one_the_centre():
    window = torch.zeros(2, 25, 4)
    window[0, 8, 0] = 1000.0  # row 1, column 3
    found = expectation(torch.tensor([[1.0, 0, 0, 0], [1, 0, 0, 0]]), window)
    assert torch.allclose(found.offset, torch.tensor([[0.5, -0.5], [0, 0]]), atol=1e-6)
    assert found.deviation[0] < 1e-4
    assert torch.allclose(found.deviation[1], torch.tensor(2 * 0.5**0.5))  # of (-1, -.5, 0, .5, 1), twice


def test_an_offset_of_one_is_the_reach(network):
    """Refinement of cells from planted fine maps: image 1 shows at (+2, -4) px what image 0 shows at the centre."""
    fine0, fine1 = torch.zeros(1, 16, 32, 32), torch.zeros(1, 16, 32, 32)
    fine0[:, 0, 16, 16] = fine1[:, 0, 14, 17] = 100.0
    coarse = torch.zeros(1, 32, 8, 8)
    net = copy.deepcopy(network)
    net.loftr_fine = torch.nn.Module()
    net.loftr_fine.forward = lambda a, b: (a, b)
    cells = Cells(torch.tensor([0]), torch.tensor([36]), torch.tensor([36]), torch.tensor([1.0]))
    refined = net.refine(Grids(coarse, fine0, None), Grids(coarse, fine1, None), cells)
    assert torch.allclose(refined.offset * net.reach(), torch.tensor([[2.0, -4.0]]), atol=1e-4)


def test_matches_come_back_in_pixels_of_a_large_image(network):
    """Shrinking to half the side first: the same cells, (x + 0.5) * 2 - 0.5."""
    small = picture(96, 64)
    large = small.repeat(2, 0).repeat(2, 1)  # area-averages back to the small one exactly
    config = LoftrConfig(shape=SMALL, threshold=0, border=1, max_side=96)
    matcher = LoftrMatcher("x", network, config)
    one, two = matcher.match(small, small), matcher.match(large, large)
    assert len(one) == len(two) > 3
    assert np.allclose((one.keypoints0 + 0.5) * 2 - 0.5, two.keypoints0)
    assert np.allclose((one.keypoints1 + 0.5) * 2 - 0.5, two.keypoints1, atol=1e-3)


def test_a_mask_keeps_matches_out_and_runs_repeat(network):
    matcher = LoftrMatcher("x", network, LoftrConfig(shape=SMALL, threshold=0, border=1))
    image = picture(101, 67)
    mask = np.zeros((67, 101), bool)
    mask[:, 40:] = True
    found, again = (matcher.match(image, image, mask) for _ in range(2))
    assert isinstance(matcher, Matcher)
    assert len(found)
    assert found.keypoints0[:, 0].min() >= 40
    assert np.array_equal(found.keypoints1, again.keypoints1)
    assert (found.size0, found.size1) == ((101, 67), (101, 67))


def test_an_image_of_one_pixel_matches_nothing(network):
    matcher = LoftrMatcher("x", network, LoftrConfig(shape=SMALL, threshold=0))
    assert len(matcher.match(picture(1, 1), picture(40, 1))) == 0


def test_xfeat_cells_are_moved_onto_pixels():
    """A map whose cells hold the x of their middle (8 i + 3.5) gives, on pixel 8 j, x = 8 j; clamped at the edge."""
    cells = (torch.arange(6.0) * 8 + 3.5).expand(1, 1, 4, 6)
    moved = _on_pixels(cells, (32, 48), 8)
    assert moved.shape == cells.shape
    assert torch.allclose(moved[0, 0, 0, 1:], torch.arange(8.0, 48, 8))
    assert moved[0, 0, 0, 0] == 3.5


def test_the_demo_stands_on_frozen_xfeat():
    try:
        weights_file("xfeat")
    except GimError as error:
        pytest.skip(f"published weights are not installed: {error.problem}")
    net = seeded_loftr(demo_loftr(), 0)
    frozen = {name for name, value in net.named_parameters() if not value.requires_grad}
    assert frozen == {name for name, _ in net.named_parameters() if name.startswith("backbone.xfeat.")}
    grids = net.grids(as_batch(picture(64, 48)))
    assert (grids.coarse.shape[1:], grids.fine.shape[1:]) == ((64, 6, 8), (32, 24, 32))
    grids.fine.sum().backward()


def test_a_seed_is_all_that_random_weights_depend_on():
    first, second, other = (seeded_loftr(SMALL, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not torch.equal(first["loftr_coarse.layers.0.merge.weight"], other["loftr_coarse.layers.0.merge.weight"])


def test_a_folder_round_trips(network, tmp_path):
    write_folder(tmp_path, LoftrConfig(shape=SMALL, threshold=0.01), network.state_dict())
    loaded = load_loftr(tmp_path)
    assert loaded.config.threshold == 0.01
    assert all(torch.equal(v, network.state_dict()[n]) for n, v in loaded.network.state_dict().items())


@pytest.mark.parametrize("harm", ["no weights", "no config", "truncated", "other arch", "other shape"])
def test_a_bad_folder_names_the_file(network, tmp_path, harm):
    write_folder(tmp_path, LoftrConfig(shape=SMALL), network.state_dict())
    if harm == "no weights":
        (tmp_path / WEIGHTS).unlink()
    elif harm == "no config":
        (tmp_path / CONFIG).unlink()
    elif harm == "truncated":
        (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:1000])
    elif harm == "other arch":
        (tmp_path / CONFIG).write_text('{"arch": "dkm"}')
    else:
        (tmp_path / CONFIG).write_text(LoftrConfig(shape=demo_loftr()).model_dump_json())
    with pytest.raises(GimError, match=str(tmp_path)) as caught:
        load_loftr(tmp_path)
    assert caught.value.remedy
