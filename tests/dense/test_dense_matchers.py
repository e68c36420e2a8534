"""DKM and RoMa as matchers: small, untrained, on images whose frame is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gim_data.errors import GimError
from gim_data.types import Matcher
from gim_models.dense.dkm import DKM, DkmShape, demo_dkm, seeded_dkm
from gim_models.dense.grid import centres
from gim_models.dense.matcher import (
    DenseMatcher,
    DkmConfig,
    RomaConfig,
    both_ways,
    frame,
    load_dkm,
    load_roma,
    missed_by,
)
from gim_models.dense.refiner import RefinerShape
from gim_models.dense.roma import RoMa, demo_roma, seeded_roma
from gim_models.dense.warp import COARSEST, Warp
from gim_models.folder import CONFIG, write_folder
from gim_models.sparse.weights import weights_file

TINY = tuple(
    RefinerShape(scale=scale, displacement=2, radius=radius)
    for scale, radius in ((16, 2), (8, 1), (4, 0), (2, 0), (1, 0))
)
DKM_SHAPE = DkmShape(
    stem_dim=6,
    widths=(2, 3, 4, 5),
    blocks=(1, 1, 1, 1),
    project=8,
    gp_dim=8,
    feature_dim=8,
    decoder_dim=8,
    refiners=TINY,
    hidden_blocks=1,
)
ROMA_SHAPE = demo_roma().model_copy(update={"refiners": TINY, "hidden_blocks": 1, "anchors": 4})
CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def xfeat():
    try:
        weights_file("xfeat")
    except GimError as error:
        pytest.skip(f"published weights are not installed: {error.problem}")


def dkm_matcher() -> DenseMatcher:
    config = DkmConfig(shape=DKM_SHAPE, size=(96, 64), sharp_size=(128, 96), samples=200)
    return DenseMatcher("d", seeded_dkm(DKM_SHAPE, 0), config)


def roma_matcher() -> DenseMatcher:
    config = RomaConfig(shape=ROMA_SHAPE, size=(96, 64), sharp_size=(128, 96), samples=200)
    return DenseMatcher("r", seeded_roma(ROMA_SHAPE, 0), config)


@pytest.fixture(params=["dkm", "roma"])
def matcher(request):
    if request.param == "roma":
        request.getfixturevalue("xfeat")
    return dkm_matcher() if request.param == "dkm" else roma_matcher()


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    small = torch.rand(1, 3, -(-height // 6), -(-width // 6), generator=torch.Generator().manual_seed(seed))
    large = F.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)[0]
    return (large.permute(1, 2, 0) * 255).byte().numpy()


def test_images_exchanged_give_the_warp_exchanged(matcher):
    """Both directions go through the same batch, so the network is equivariant, to rounding."""
    canvas = [frame(picture(96, 64, seed), None, (96, 64), CPU).pixels for seed in (0, 1)]
    with torch.inference_mode():
        forward, backward = matcher.warp(*canvas, (96, 64)), matcher.warp(*canvas[::-1], (96, 64))
    assert forward.flow.shape == (2, 2, 96, 128)
    for one, other in zip(forward, backward, strict=True):
        assert torch.isfinite(one).all()
        assert torch.allclose(one, other.flip(0), atol=1e-4)


def test_matches_stay_inside_keep_to_masks_and_repeat(matcher):
    image0, image1 = picture(101, 67), picture(70, 90, 1)
    mask = np.zeros((67, 101), bool)
    mask[:, 50:] = True
    first, second = (matcher.match(image0, image1, mask) for _ in range(2))
    assert isinstance(matcher, Matcher)
    assert np.array_equal(first.keypoints0, second.keypoints0)
    assert np.array_equal(first.keypoints1, second.keypoints1)
    assert 0 < len(first) <= 200
    assert first.keypoints0[:, 0].min() > 49
    assert (first.keypoints1 > -0.5).all()
    assert (first.keypoints1 < np.array([69.5, 89.5])).all()


def test_every_scale_is_there_to_be_supervised():
    network = seeded_dkm(DKM_SHAPE, 0)
    pyramid = network.pyramid(torch.rand(2, 3, 64, 96), COARSEST)
    warps = network.decode({s: f[:1] for s, f in pyramid.items()}, {s: f[1:] for s, f in pyramid.items()})
    assert {scale: warp.flow.shape[-2:] for scale, warp in warps.items()} == {
        scale: (64 // scale, 96 // scale) for scale in (32, 16, 8, 4, 2, 1)
    }
    sum(warp.flow.sum() + warp.certainty.sum() for warp in warps.values()).backward()
    assert all(value.grad is not None for name, value in network.named_parameters() if "bias" in name)


def test_gradients_do_not_cross_scales():
    """The loss at 1/2 leaves the Gaussian processes alone."""
    network = seeded_dkm(DKM_SHAPE, 0)
    pyramid = network.pyramid(torch.rand(2, 3, 64, 64), COARSEST)
    network.decode({s: f[:1] for s, f in pyramid.items()}, {s: f[1:] for s, f in pyramid.items()})[
        2
    ].flow.sum().backward()
    assert network.decoder.gps["16"].pos_conv.weight.grad is None
    assert network.decoder.conv_refiner["2"].out_conv.weight.grad is not None


class Identity:
    """A network that answers: every cell is where it is."""

    def pyramid(self, images, coarsest):
        return {1: images}

    def decode(self, pyramid0, pyramid1):
        height, width = pyramid0[1].shape[-2:]
        from gim_models.dense.grid import centres

        flow = centres((height, width), CPU).expand(2, -1, -1, -1)
        return {scale: Warp(flow, torch.full((2, 1, height, width), 3.0)) for scale in (16, 1)}


def test_the_frame_is_taken_off_again():
    """The identity between canvases, images of one size: both keypoints are equal, whatever the aspect."""
    config = DkmConfig(size=(96, 64), sharp_size=None, samples=500)
    for width, height in ((101, 67), (40, 90)):
        found = DenseMatcher("i", Identity(), config).match(picture(width, height), picture(width, height, 1))
        assert len(found) > 300
        assert np.allclose(found.keypoints0, found.keypoints1, atol=1e-4)
        spread = found.keypoints0.max(0) - found.keypoints0.min(0)
        assert (spread > np.array([width, height]) * 0.9).all()


def test_matches_into_the_unknown_are_worth_nothing():
    flow = torch.zeros(2, 2, 1, 4)
    flow[0, 0, 0] = torch.tensor([-0.75, 0.75, 1.2, 0.25])
    flow[1, 0, 0] = torch.tensor([-0.75, -0.25, 0.25, 0.75])
    allowed0, allowed1 = torch.ones(1, 1, 1, 4), torch.ones(1, 1, 1, 4)
    allowed1[..., 3] = 0
    matches, certainty = both_ways(Warp(flow, torch.full((2, 1, 1, 4), 100.0)), allowed0, allowed1)
    assert certainty.tolist() == [1, 0, 0, 1, 1, 1, 1, 0]
    assert torch.equal(matches[0], torch.tensor([-0.75, 0, -0.75, 0]))


@pytest.mark.parametrize("kind", ["dkm", "roma"])
def test_a_folder_round_trips_and_a_bad_one_is_named(kind, tmp_path, xfeat):
    network = seeded_dkm(DKM_SHAPE, 0) if kind == "dkm" else seeded_roma(ROMA_SHAPE, 0)
    config = DkmConfig(shape=DKM_SHAPE, samples=7) if kind == "dkm" else RomaConfig(shape=ROMA_SHAPE, samples=7)
    load = load_dkm if kind == "dkm" else load_roma
    write_folder(tmp_path, config, network.state_dict())
    loaded = load(tmp_path)
    assert loaded.config.samples == 7
    assert all(torch.equal(v, network.state_dict()[n]) for n, v in loaded.network.state_dict().items())
    (tmp_path / CONFIG).write_text(config.model_dump_json().replace('"blocks":', '"block":'))
    with pytest.raises(GimError, match=str(tmp_path)):
        load(tmp_path)


def test_demo_networks_train_all_but_xfeat(xfeat):
    for network in (seeded_dkm(demo_dkm(), 0), seeded_roma(demo_roma(), 0)):
        frozen = {name for name, value in network.named_parameters() if not value.requires_grad}
        assert frozen == {name for name, _ in network.named_parameters() if name.startswith("encoder.xfeat.")}
        pyramid = network.pyramid(torch.rand(2, 3, 64, 96), COARSEST)
        warps = network.decode(pyramid, {scale: features.flip(0) for scale, features in pyramid.items()})
        assert warps[1].flow.shape == (2, 2, 64, 96)
        sum(warp.flow.sum() + warp.certainty.sum() for warp in warps.values()).backward()
        assert all(value.grad is not None for value in network.parameters() if value.requires_grad)


def test_an_untrained_demo_points_the_right_way(xfeat):
    """Image 1 is image 0 moved by 48 x 32 pixels; what both show is found to a coarse cell, then to two pixels."""
    canvas = picture(480, 352)
    image0, image1 = canvas[:256, :320], canvas[32:288, 48:368]
    pixels = torch.stack([torch.from_numpy(image.copy()).permute(2, 0, 1) for image in (image0, image1)]) / 255
    for network in (seeded_dkm(demo_dkm(), 0), seeded_roma(demo_roma(), 0)):
        with torch.inference_mode():
            pyramid = network.eval().pyramid(pixels, COARSEST)
            warps = network.decode(pyramid, {scale: features.flip(0) for scale, features in pyramid.items()})
        for scale, within, least in ((16, 16, 0.5), (4, 2, 0.3)):  # by chance 0.01 and 0.0002
            moved = warps[scale].flow[0] - centres((256 // scale, 320 // scale), CPU)
            error = moved.permute(1, 2, 0) * torch.tensor([160.0, 128]) - torch.tensor([-48.0, -32])
            seen = error[32 // scale :, 48 // scale :].norm(dim=-1)
            assert float((seen < within).float().mean()) > least


@pytest.mark.parametrize("floor", [0.0, 0.4, 1.0])
def test_matches_below_the_floor_are_left_out(floor):
    config = DkmConfig(shape=DKM_SHAPE, size=(96, 64), sharp_size=None, samples=500, floor=floor)
    found = DenseMatcher("d", seeded_dkm(DKM_SHAPE, 0), config).match(picture(101, 67), picture(70, 90, 1))
    assert len(found) == 0 if floor == 1 else found.confidence.min() >= floor


def test_a_canvas_is_as_large_as_both_images_need():
    shape = {"shape": DKM_SHAPE, "size": (96, 64), "sharp_size": None}
    portrait, wide = picture(54, 96), picture(120, 60)
    assert DkmConfig(**shape).canvas(portrait, wide) == (96, 64)
    assert DkmConfig(**shape, longest=192).canvas(portrait, portrait) == (96, 192)
    assert DkmConfig(**shape, longest=160).canvas(portrait, wide) == (160, 128)
    assert DkmConfig(**shape, longest=64).canvas(picture(400, 4)) == (64, 32)
    assert RomaConfig(longest=700).canvas(wide) == (672, 448)  # DINOv2's patches of 14 pixels and cells of 32


def test_who_does_not_come_back_is_left_out():
    """Four cells a row of 40 pixels: there by one cell to the right, back by one, but for the cell that stays."""
    there, back = (centres((1, 4), CPU) + torch.tensor([step, 0.0])[:, None, None] for step in (0.5, -0.5))
    back[0, 0, 3] += 0.5
    missed = missed_by(torch.stack([there, back]), (40, 10))[0, 0]
    assert torch.allclose(missed[:3], torch.tensor([0.0, 0, 10]), atol=1e-4)
    flow = torch.stack([there, back])
    assert torch.allclose(missed_by(flow.flip(0), (40, 10))[0], missed_by(flow, (40, 10))[1])


def test_sizes_that_the_network_cannot_take_are_refused():
    for config, changes in (
        (DkmConfig, {"size": (896, 670)}),
        (DkmConfig, {"sharp_size": (1500, 1152)}),
        (RomaConfig, {"size": (670, 672)}),
        (RomaConfig, {"size": (0, 672)}),
    ):
        with pytest.raises(ValueError, match="multiples"):
            config(**changes)


@pytest.mark.slow
def test_the_paper_size_runs():
    """DKMv3 once, on the smallest image: finite, both directions."""
    with torch.inference_mode():
        network = DKM(DkmShape()).eval()
        matcher = DenseMatcher("p", network, DkmConfig(size=(64, 64), sharp_size=None))
        canvas = [frame(picture(64, 64, seed), None, (64, 64), CPU).pixels for seed in (0, 1)]
        warp = matcher.warp(*canvas, (64, 64))
    assert warp.flow.shape == (2, 2, 64, 64)
    assert torch.isfinite(warp.flow).all()


def test_roma_anchors_are_open_to_training(xfeat):
    network = seeded_roma(ROMA_SHAPE, 0)
    assert isinstance(network, RoMa)
    pyramid = network.pyramid(torch.rand(1, 3, 64, 96), 16)
    logits = network.anchors(pyramid, pyramid)
    assert logits.shape == (1, 17, 4, 6)
