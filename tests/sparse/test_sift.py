"""SIFT as a detector: where its keypoints are, those an image lacks, and what a student makes of them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from gim_models.folder import write_folder
from gim_models.sparse.detectors import DETECTORS
from gim_models.sparse.lightglue import seeded_glue
from gim_models.sparse.matcher import StudentConfig
from gim_models.sparse.sift import APPEARANCE_DIM, DESCRIPTOR_DIM, SiftExtractor
from gim_models.students import open_student


def as_batch(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="module")
def photo():
    data = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(cv2.resize(data.astronaut(), (420, 300), interpolation=cv2.INTER_AREA))


def blob(x: float, y: float) -> np.ndarray:
    v, u = np.mgrid[:96, :128]
    grey = 40 + 180 * np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * 4.0**2))
    return np.repeat(grey.round().astype(np.uint8)[..., None], 3, axis=2)


def test_a_blob_is_found_at_its_centre_below_the_pixel():
    extractor = SiftExtractor()
    found = extractor.detect(extractor.dense(as_batch(blob(60.3, 44.8))), 1)
    assert torch.allclose(found.points[0, 0], torch.tensor([60.3, 44.8]), atol=0.1)


def test_keypoints_that_an_image_lacks_are_nowhere(photo):
    """Every image gives as many as were asked for, as training needs; those that are none say so, and are finite."""
    flat = np.full_like(photo, 128)
    extractor = SiftExtractor()
    found = extractor.detect(extractor.dense(as_batch(photo, flat)), 300)
    assert found.points.shape == (2, 300, 2)
    assert found.descriptors.shape == (2, 300, DESCRIPTOR_DIM)
    assert (found.scores[0] > 0).all()
    assert (found.scores[1] == 0).all()
    assert (found.points[1] < 0).all()
    assert all(torch.isfinite(part).all() for part in found)


def test_a_mask_drops_keypoints_and_makes_none_along_its_border(photo):
    extractor = SiftExtractor()
    maps = extractor.dense(as_batch(photo))
    allowed = torch.zeros(1, 1, 300, 420, dtype=torch.bool)
    allowed[..., :210] = True
    everywhere = {tuple(point) for point in extractor.detect(maps, 10_000).points[0].tolist()}
    kept = extractor.detect(maps, 200, allowed).points[0]
    assert {tuple(point) for point in kept.tolist()} <= everywhere
    assert kept[:, 0].max() < 210


def test_descriptors_tell_things_apart_and_ignore_brightness(photo):
    extractor = SiftExtractor()
    dim = np.clip(photo * 0.6, 0, 255).astype(np.uint8)
    found = extractor.detect(extractor.dense(as_batch(photo, dim)), 200)
    look = found.descriptors[..., :APPEARANCE_DIM]
    assert torch.allclose(look.norm(dim=-1), torch.ones(2, 200), atol=1e-5)
    alike = look[0] @ look[1].T
    apart = torch.cdist(found.points[0], found.points[1])
    assert alike[apart < 0.3].median() > 0.95
    assert alike[apart > 20].abs().median() < 0.3


def test_an_untrained_student_follows_a_known_homography(photo, tmp_path):
    """It starts as a matcher by nearest descriptors; size and orientation enter as zero."""
    H = cv2.getPerspectiveTransform(
        np.float32([[0, 0], [419, 0], [419, 299], [0, 299]]), np.float32([[20, 12], [400, 0], [410, 290], [0, 280]])
    )
    sift = DETECTORS["sift"]
    network = seeded_glue(sift.glue, 0, appearance=sift.appearance)
    folder = tmp_path / "sift-000"
    write_folder(folder, StudentConfig(detector="sift", shape=sift.glue, max_keypoints=512), network.state_dict())
    found = open_student(folder).match(photo, cv2.warpPerspective(photo, H, (420, 300)))
    error = np.linalg.norm(found.keypoints1 - cv2.perspectiveTransform(found.keypoints0[None], H)[0], axis=1)
    assert len(found) > 150
    assert (error < 2).mean() > 0.8
