"""From a model and photographs to a scene: intrinsics, undistortion, who is held out, and what is refused."""

import cv2
import numpy as np
import pytest
import torch
from planted_gaussians import blobs, photographs, ring, write_model
from skimage.metrics import structural_similarity

from gim_data.errors import BadInput
from gim_data.stage import Silent
from gim_models.downstream.mapping.model import MapCamera
from gim_models.downstream.splatting.quality import psnr, ssim
from gim_models.downstream.splatting.scene import read_scene, scaled, undistort
from gim_models.downstream.splatting.train import TrainOptions, initial
from gim_models.downstream.splatting.world import write_world

POINTS = np.random.default_rng(0).uniform(-1, 1, (50, 3))
COLOURS = np.random.default_rng(1).integers(0, 256, (50, 3)).astype(np.uint8)


@pytest.fixture
def model(tmp_path):
    """Ten photographs of six balls, with their COLMAP model."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    return write_model(tmp_path / "map", photographs(blobs(), ring(10)), POINTS, COLOURS)


def test_a_model_becomes_a_scene(model):
    scene = read_scene(model, 20, Silent())
    assert [view.name for view in scene.held_out] == ["00.png", "08.png"]
    assert len(scene.train) == 8
    view = scene.train[0]
    assert view.camera.size == (20, 15)
    assert tuple(view.image.shape) == (15, 20, 3)
    exact = photographs(blobs(), ring(10), size=(20, 15), focal=18.0)[1]
    torch.testing.assert_close(view.camera.K, exact.camera.K)
    torch.testing.assert_close(view.camera.T_w2c, exact.camera.T_w2c, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(np.sort(scene.points, axis=0), np.sort(POINTS, axis=0))
    assert scene.extent == pytest.approx(6.0, rel=0.05)  # the ring's diameter


def test_an_image_that_was_not_placed_still_decides_who_is_held_out(model):
    (model / "images/-1.png").write_bytes((model / "images/03.png").read_bytes())  # before the first
    scene = read_scene(model, 40, Silent())
    assert scene.missing == ["-1.png"]
    assert [view.name for view in scene.held_out] == ["07.png"]


def test_a_world_is_a_map_whose_points_project_to_their_colours(tmp_path):
    found = write_world("synthetic:objects?width=80&height=64&seconds=20", tmp_path, 3, Silent())
    view = found.views["0001.png"]
    image = cv2.imread(str(tmp_path / "0001.png"))[..., ::-1]
    local = found.points[400:800] @ view.T_w2c[:3, :3].T + view.T_w2c[:3, 3]
    pixels = np.round((local @ view.camera.K.T)[:, :2] / local[:, 2:]).astype(int)
    np.testing.assert_array_equal(image[pixels[:, 1], pixels[:, 0]], found.colours[400:800])


def test_reducing_a_picture_reduces_its_intrinsics():
    K = np.array([[100.0, 0, 31.5], [0, 110, 20], [0, 0, 1]])
    point = np.array([0.2, -0.1, 1.0])
    full, small = ((matrix @ point)[:2] for matrix in (K, scaled(K, (64, 48), (16, 12))))
    np.testing.assert_allclose(small, (full + 0.5) / 4 - 0.5)


def test_a_bent_picture_is_straightened():
    """Spots painted where a lens of k1 = -0.2 puts them come back to where a pinhole would."""
    camera = MapCamera("SIMPLE_RADIAL", (80.0, 60.5, 45.5, -0.2), (121, 91))
    slopes = np.array([[0.4, 0.2], [-0.5, 0.1], [0.1, -0.4]])
    bent = slopes * (1 - 0.2 * (slopes**2).sum(axis=1, keepdims=True)) * 80 + [60, 45]
    y, x = np.mgrid[:91, :121]
    image = sum(np.exp(-0.5 * ((x - u) ** 2 + (y - v) ** 2) / 4) for u, v in bent)
    picture = np.repeat((image * 255).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    straight, known = undistort(picture, camera)
    for u, v in slopes * 80 + [60, 45]:
        near = straight[..., 0] * (np.hypot(x - u, y - v) < 8.0)
        middle = (near * x).sum() / near.sum(), (near * y).sum() / near.sum()
        np.testing.assert_allclose(middle, (u, v), atol=0.3)
    assert known[45, 60] == 255


def test_what_undistortion_cannot_know_is_masked():
    camera = MapCamera("SIMPLE_RADIAL", (80.0, 60.5, 45.5, 0.2), (121, 91))  # samples beyond the corners
    _, known = undistort(np.full((91, 121, 3), 200, np.uint8), camera)
    assert known[0, 0] == 0
    assert known[45, 60] == 255


def test_psnr_of_a_constant_offset():
    truth = torch.rand(6, 8, 3) * 0.5
    mask = torch.ones(6, 8, 1)
    assert float(psnr(truth + 0.1, truth, mask)) == pytest.approx(20, abs=1e-3)
    mask[:, 4:] = 0
    half = truth.clone()
    half[:, :4] += 0.01
    half[:, 4:] += 0.4  # not looked at
    assert float(psnr(half, truth, mask)) == pytest.approx(40, abs=1e-2)


def test_ssim_is_that_of_scikit_image():
    rng = np.random.default_rng(0)
    truth = cv2.GaussianBlur(rng.random((64, 80, 3)).astype(np.float32), (0, 0), 2)
    image = (truth + rng.normal(0, 0.02, truth.shape)).astype(np.float32)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    expected = structural_similarity(truth, image, channel_axis=2, **settings)
    found = ssim(torch.tensor(image), torch.tensor(truth), torch.ones(64, 80, 1))
    assert float(found) == pytest.approx(expected, abs=0.01)


def test_more_points_than_gaussians_are_drawn_by_the_seed(model):
    scene = read_scene(model, 20, Silent())
    first, again, other = (initial(scene, TrainOptions(count=10, seed=seed)).means for seed in (0, 0, 1))
    assert len(first) == 10
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def _corrupt(model):
    (model / "images/03.png").write_bytes(b"not a picture")


def _lost(model):
    (model / "images/03.png").unlink()


def _no_points(model):
    images = model / "sparse/0/images.txt"
    images.write_text("".join(f"{line}\n\n" for line in images.read_text().splitlines()[::2]))
    (model / "sparse/0/points3D.txt").write_text("")


def _other_size(model):
    cv2.imwrite(str(model / "images/03.png"), np.zeros((9, 9, 3), np.uint8))


def _no_images(model):
    (model / "images").rename(model / "pictures")


def _no_model(model):
    (model / "sparse").rename(model / "dense")


def _two_views(model):
    path = model / "sparse/0/images.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:4]))


def _climbing(model):
    path = model / "sparse/0/images.txt"
    path.write_text(path.read_text().replace("03.png", "../03.png"))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_corrupt, "03.png does not decode"),
        (_lost, "03.png does not exist"),
        (_no_points, "holds no points"),
        (_other_size, "03.png is 9x9, its camera in the model 40x30"),
        (_no_images, "images does not exist"),
        (_no_model, "holds no COLMAP model"),
        (_two_views, "1 picture.s. to learn from"),
        (_climbing, "leaves the folder"),
    ],
)
def test_what_is_refused(model, harm, told):
    harm(model)
    with pytest.raises(BadInput, match=told):
        read_scene(model, 40, Silent())
