"""The rasterizer against what can be computed by hand, against its plain twin, and against numeric derivatives."""

import numpy as np
import pytest
import torch
from plain_splats import render_plainly
from planted_gaussians import camera_at, gaussians_of, ring, scattered

from gim_models.downstream.splatting.gaussians import Gaussians, rotations
from gim_models.downstream.splatting.projection import (
    BLUR,
    Splats,
    jacobians,
    project,
    project_covariances,
    project_points,
)
from gim_models.downstream.splatting.raster import DENSEST, rasterize, row_spans
from gim_models.downstream.splatting.render import render

BLACK = torch.zeros(3)


def test_a_round_gaussian_straight_ahead_is_a_round_spot():
    """Standard deviation s at depth z is f * s / z pixels wide; the picture is its profile times its colour."""
    camera = camera_at()
    spot = gaussians_of([[0, 0, 2.0]], [0.1], [0.8], [[1.0, 0.5, 0.25]])
    image = render(spot, camera, BLACK).image
    y, x = torch.meshgrid(torch.arange(31.0) - 15, torch.arange(41.0) - 20, indexing="ij")
    variance = (40 * 0.1 / 2) ** 2 + BLUR
    profile = 0.8 * torch.exp(-0.5 * (x**2 + y**2) / variance)
    profile = torch.where(profile >= 1 / 255, profile, 0.0)
    torch.testing.assert_close(image, profile[..., None] * torch.tensor([1.0, 0.5, 0.25]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("behind_first", [False, True])
def test_the_nearer_of_two_hides_the_other_in_whichever_order_they_are_listed(behind_first):
    red, blue = [1.0, 0, 0], [0, 0, 1.0]
    rows = [([0, 0, 2.0], 0.6, red), ([0, 0, 3.0], 0.5, blue)][:: -1 if behind_first else 1]
    means, opacities, colours = (list(column) for column in zip(*rows, strict=True))
    both = gaussians_of(means, [0.2, 0.2], opacities, colours)
    pixel = render(both, camera_at(), torch.tensor([0, 1.0, 0])).image[15, 20]
    torch.testing.assert_close(pixel, torch.tensor([0.6, 0.4 * 0.5, 0.4 * 0.5]), atol=1e-5, rtol=1e-4)


def test_nothing_in_view_leaves_the_background():
    behind = gaussians_of([[0, 0, -2.0], [0, 0, 0.005]], [0.1, 0.001], [0.9, 0.9], [[1.0, 1, 1]] * 2)
    behind.means.requires_grad_()
    rendering = render(behind, camera_at(), torch.tensor([0.1, 0.2, 0.3]))
    rendering.image.sum().backward()
    assert not behind.means.grad.any()
    assert rendering.pulls().shape == (0,)
    torch.testing.assert_close(rendering.image, torch.tensor([0.1, 0.2, 0.3]).expand(31, 41, 3))
    assert len(rendering.rows) == 0


def test_one_splat_never_hides_what_is_behind_it_completely():
    wall = gaussians_of([[0, 0, 2.0]], [10.0], [0.9999], [[0.0, 0, 0]])
    pixel = render(wall, camera_at(), torch.ones(3)).image[15, 20]
    torch.testing.assert_close(pixel, torch.full((3,), 1 - DENSEST))


def test_projected_covariance_is_what_random_points_spread_to():
    """Draw points from a small gaussian, project each exactly, compare their covariance with the linearized one."""
    camera = camera_at(ring(5)[1], dtype=torch.float64)
    one = gaussians_of(
        [[0.3, -0.2, 0.1]], [[0.02, 0.005, 0.01]], [0.5], [[1, 1, 1]], [[0.5, 0.1, -0.7, 0.2]], torch.float64
    )
    seen = one.means @ camera.T_w2c[:3, :3].T + camera.T_w2c[:3, 3]
    flat = project_covariances(one.covariances, seen, camera)[0] - BLUR * torch.eye(2)
    rng = torch.Generator().manual_seed(0)
    local = torch.randn(200_000, 3, generator=rng, dtype=torch.float64) * one.log_scales[0].exp()
    points = (local @ rotations(one.quaternions)[0].T + one.means[0]) @ camera.T_w2c[:3, :3].T + camera.T_w2c[:3, 3]
    spread = torch.cov(project_points(points, camera.K).T)
    torch.testing.assert_close(flat, spread, rtol=0.02, atol=0.002)


def test_jacobian_is_the_derivative_of_the_projection():
    camera = camera_at(dtype=torch.float64)
    points = torch.tensor([[0.3, -0.2, 1.5], [-0.5, 0.4, 2.0]], dtype=torch.float64)
    exact = torch.autograd.functional.jacobian(lambda p: project_points(p, camera.K).sum(0), points).permute(1, 0, 2)
    torch.testing.assert_close(jacobians(points, camera), exact)


def test_jacobian_far_outside_the_picture_is_taken_at_its_border():
    camera = camera_at(dtype=torch.float64)
    far = torch.tensor([[50.0, 0, 1.0]], dtype=torch.float64)
    slope = (40 - 20 + 0.15 * 41) / 40
    torch.testing.assert_close(jacobians(far, camera)[0, 0, 2], torch.tensor(-40 * slope, dtype=torch.float64))


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_plain_loop(seed):
    gaussians, camera = scattered(25, seed), camera_at(size=(17, 12), focal=14.0)
    image = render(gaussians, camera, torch.tensor([0.2, 0.4, 0.6])).image
    np.testing.assert_allclose(image.numpy(), render_plainly(gaussians, camera, [0.2, 0.4, 0.6]), atol=2e-5)


def test_bands_change_neither_picture_nor_gradients():
    gaussians, camera = scattered(40, seed=4, dtype=torch.float64), camera_at(dtype=torch.float64)
    assert int(row_spans(project(gaussians, camera), camera.size).lengths.sum()) > 3 * 500
    found = []
    for most in (10**9, 500):
        means = gaussians.means.clone().requires_grad_()
        splats = project(Gaussians(**gaussians.tensors() | {"means": means}), camera)
        image = rasterize(splats, camera.size, BLACK.double(), most_pairs=most)
        (image**2).sum().backward()
        found.append((image.detach(), means.grad))
    torch.testing.assert_close(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1])


def test_gradients_are_those_of_finite_differences():
    """Splats so wide that no pixel is at the edge of one: there alpha jumps by 1/255, which has no derivative."""
    camera = camera_at(ring(7)[2], size=(5, 4), focal=4.0, dtype=torch.float64)
    some = gaussians_of(
        [[0.1, 0.2, 0], [-0.2, 0, 0.5], [0, 0.1, -0.4]],
        [[0.8, 1.0, 0.9], [1.1, 0.7, 0.9], [0.9, 0.9, 1.2]],
        [0.5, 0.7, 0.3],
        [[0.9, 0.2, 0.4], [0.3, 0.8, 0.5], [0.1, 0.6, 0.9]],
        [[1, 0.2, 0.1, 0], [0.6, -0.4, 0.2, 0.3], [1, 0, 0.5, -0.2]],
        torch.float64,
    )

    def image(means, log_scales, quaternions, logits, harmonics, background):
        return render(Gaussians(means, log_scales, quaternions, logits, harmonics), camera, background).image

    leaves = [values.clone().requires_grad_() for values in some.tensors().values()]
    background = torch.tensor([0.3, 0.5, 0.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(image, (*leaves, background))


def test_pull_is_the_gradient_at_the_centres_of_what_was_drawn():
    """Only the gaussian in view is pulled, towards the brighter side."""
    two = gaussians_of([[0, 0, -2.0], [0, 0, 2.0]], [0.1, 0.1], [0.5, 0.5], [[1.0, 1, 1]] * 2)
    two.means.requires_grad_()
    rendering = render(two, camera_at(), BLACK)
    (rendering.image * torch.linspace(0, 1, 41)[None, :, None]).sum().backward()
    assert rendering.rows.tolist() == [1]
    # d/dmx of the sum over pixels of alpha * x / 40 is the sum of alpha over 40, but for the rim below 1/255
    expected = 3 * float(rendering.image[..., 0].sum()) / 40
    assert float(rendering.pulls()[0]) == pytest.approx(expected, rel=0.05)


def test_thousands_of_pairs_in_one_pixel_keep_their_order_and_precision():
    """A stack of faint splats over one another: what is left is the product of all 1 - alpha."""
    count = 3000
    stacked = Splats(
        torch.arange(count),
        torch.zeros(count, 2),
        torch.tensor([[0.01, 0, 0.01]]).repeat(count, 1),
        torch.full((count,), 0.005),
        torch.zeros(count, 3),
    )
    image = rasterize(stacked, (2, 2), torch.ones(3))
    assert float(image[0, 0, 0]) == pytest.approx(0.995**count, rel=1e-3)
