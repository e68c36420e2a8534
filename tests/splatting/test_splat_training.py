"""Learning planted gaussians back, going on after a kill, and rounds of growing and pruning."""

import numpy as np
import pytest
import torch
from planted_gaussians import blobs, gaussians_of, scene_of

from gim_data.errors import BadInput, GimError
from gim_data.stage import Silent
from gim_models.downstream.splatting import state as states
from gim_models.downstream.splatting.density import DensityRule, next_generation
from gim_models.downstream.splatting.gaussians import at_random, from_points
from gim_models.downstream.splatting.ply import write_ply
from gim_models.downstream.splatting.render import open_renderer, render
from gim_models.downstream.splatting.scene import make_scene
from gim_models.downstream.splatting.train import Rates, TrainOptions, train
from gim_models.downstream.splatting.world import write_world

NO_ROUNDS = DensityRule(until=0)


def planted(shift=0.08, seed=0):
    """The blobs' scene with points near their centres and grey colours."""
    truth = blobs()
    points = truth.means.double().numpy() + np.random.default_rng(seed).normal(0, shift, (6, 3))
    return scene_of(truth, points, np.full((6, 3), 128, np.uint8)), truth


class Killed(Silent):
    """Progress that ends the process, so to speak, at a step."""

    def __init__(self, at):
        self.left = at

    def advance(self, n=1, note=""):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1


def test_planted_gaussians_are_found_again(tmp_path):
    """From splats off their places, too wide, too faint and grey: places, colours and a held-out view come back."""
    scene, truth = planted()
    off = np.random.default_rng(0).normal(0, 0.05, (6, 3)).astype(np.float32)
    wrong = gaussians_of((truth.means.numpy() + off).tolist(), [0.22] * 6, [0.5] * 6, [[0.5, 0.5, 0.5]] * 6)
    write_ply(tmp_path / "wrong.ply", wrong)
    options = TrainOptions(str(tmp_path / "wrong.ply"), steps=150, density=NO_ROUNDS)
    found = train(scene, options, render, tmp_path / "c.safetensors", Silent())
    assert found.history[-1][1] > 30
    assert found.history[-1][1] > found.history[0][1] + 3
    assert found.history[-1][2] > 0.95
    assert (truth.means - found.gaussians.means).norm(dim=1).max() < 0.03
    assert (found.gaussians.colours - truth.colours).abs().max() < 0.15


@pytest.mark.slow
def test_exact_points_of_a_world_beat_random_ones(tmp_path):
    """A built-in world with exact cameras, learned from points on its surfaces and from points anywhere."""
    world = write_world("synthetic:objects?width=80&height=64&seconds=20", tmp_path, 17, Silent())
    scene = make_scene(world, tmp_path, list(world.views), 80, Silent())
    psnr = {}
    for init in ("model", "random"):
        options = TrainOptions(init, steps=100, count=600, density=NO_ROUNDS)
        psnr[init] = train(scene, options, render, tmp_path / f"{init}.safetensors", Silent()).history[-1][1]
    assert psnr["model"] > psnr["random"] + 0.5


def test_a_killed_training_ends_where_an_unbroken_one_ends(tmp_path):
    scene, _ = planted()
    rule = DensityRule(every=8, share=0.5, most=20)
    options = TrainOptions(steps=20, keep_every=5, density=rule)
    whole = train(scene, options, render, tmp_path / "whole.safetensors", Silent())
    with pytest.raises(KeyboardInterrupt):
        train(scene, options, render, tmp_path / "cut.safetensors", Killed(at=14))
    again = train(scene, options, render, tmp_path / "cut.safetensors", Silent())
    assert len(whole.gaussians) > 6
    for name, values in whole.gaussians.tensors().items():
        torch.testing.assert_close(again.gaussians.tensors()[name], values, rtol=0, atol=0)
    assert again.history == whole.history


def test_a_checkpoint_of_other_options_or_damage_starts_anew(tmp_path):
    scene, _ = planted()
    kept = tmp_path / "c.safetensors"
    short = TrainOptions(steps=4, density=NO_ROUNDS)
    train(scene, short, render, kept, Silent())
    rates = short.rates.of(scene.extent)
    assert states.resume(kept, rates, "another digest", "cpu") is None
    kept.write_bytes(kept.read_bytes()[:100])
    assert len(train(scene, short, render, kept, Silent()).gaussians) == 6


def test_the_seed_decides_everything(tmp_path):
    scene, _ = planted()
    ends = []
    for row, seed in enumerate((1, 1, 2)):
        options = TrainOptions("random", steps=6, count=30, seed=seed, density=DensityRule(every=3, until=1, most=50))
        ends.append(train(scene, options, render, tmp_path / f"{row}.safetensors", Silent()).gaussians.means)
    torch.testing.assert_close(ends[0], ends[1], rtol=0, atol=0)
    assert ends[0].shape != ends[2].shape or not torch.allclose(ends[0], ends[2])


def test_a_round_splits_the_large_doubles_the_small_and_removes_the_faint():
    four = gaussians_of(
        [[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]],
        [0.5, 0.001, 0.3, 0.3],
        [0.9, 0.9, 0.001, 0.9],
        [[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]],
    )
    pull = torch.tensor([2.0, 3.0, 9.0, 0.1])
    rule = DensityRule(share=0.67, most=100, large=0.1)
    done = next_generation(four, pull, rule, extent=1.0, seed=0)
    assert done.kept.tolist() == [1, 3]  # 0 is split, 2 is gone
    x = done.gaussians.means[:, 0]
    assert x[:3].tolist() == [1, 3, 1]  # the small one has a twin
    torch.testing.assert_close(done.gaussians.log_scales[3:].exp(), torch.full((2, 3), 0.5 / 1.6))
    assert (x[3:].abs() < 4 * 0.5).all()
    assert x[3] != x[4]
    torch.testing.assert_close(done.gaussians.colours[3:], four.colours[[0, 0]])


def test_a_round_never_exceeds_the_most():
    many = at_random(-np.ones(3), np.ones(3), 40, 1.0, 0)
    done = next_generation(many, torch.rand(40), DensityRule(share=1.0, most=43), extent=1.0, seed=0)
    assert len(done.gaussians) == 43


def test_adam_remembers_those_that_stay():
    scene, _ = planted()
    first = from_points(scene.points, scene.colours, scene.extent)
    state = states.start(first, Rates().of(1.0))
    render(state.gaussians, scene.train[0].camera, torch.zeros(3)).image.sum().backward()
    state.adam.step()
    before = state.adam.state[state.gaussians.means]["exp_avg"].clone()
    pull = torch.tensor([1.0, 0, 0, 0, 0, 0])
    done = next_generation(state.gaussians, pull, DensityRule(share=0.17, large=0), scene.extent, seed=0)
    state.replace(done)
    after = state.adam.state[state.gaussians.means]["exp_avg"]
    assert done.kept.tolist() == [1, 2, 3, 4, 5]
    torch.testing.assert_close(after[:5], before[1:])
    assert not after[5:].any()
    assert state.pull.shape == (7,)


@pytest.mark.parametrize("name", ["gsplat", "opengl"])
def test_a_renderer_that_cannot_run_says_why(name):
    with pytest.raises(GimError, match=r"needs CUDA|no renderer 'opengl'"):
        open_renderer(name, "cpu")
    assert open_renderer("auto", "cpu") is render


def test_ways_to_start():
    with pytest.raises(GimError, match="no way to start"):
        TrainOptions("magic")
    with pytest.raises(BadInput, match="too few to start from"):
        from_points(np.zeros((1, 3)), np.zeros((1, 3), np.uint8), 1.0)


def test_width_of_a_gaussian_is_the_mean_distance_to_its_three_neighbours():
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]])
    found = from_points(corners, np.array([[0, 128, 255]] * 4, np.uint8), extent=100.0)
    expected = [2.0, (1 + 5**0.5 + 10**0.5) / 3, (2 + 5**0.5 + 13**0.5) / 3, (3 + 10**0.5 + 13**0.5) / 3]
    torch.testing.assert_close(found.log_scales.exp(), torch.tensor(expected)[:, None].repeat(1, 3))
    torch.testing.assert_close(found.colours[0], torch.tensor([0, 128 / 255, 1.0]))


def test_widths_are_bounded_by_the_extent():
    points = np.array([[0.0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [500, 0, 0]])
    widths = from_points(points, np.zeros((5, 3), np.uint8), extent=10.0).log_scales.exp()
    assert float(widths.min()) == pytest.approx(10 * 1e-4)
    assert float(widths.max()) == pytest.approx(10 * 0.2)


def test_a_random_start_fills_the_box_and_nothing_else():
    low, high = np.array([-1.0, 2, 5]), np.array([0.0, 4, 6])
    found = at_random(low, high, 500, 10.0, seed=3).means.double().numpy()
    assert (found >= low).all()
    assert (found <= high).all()
    np.testing.assert_allclose(found.mean(axis=0), (low + high) / 2, atol=0.1)
