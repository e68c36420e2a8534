"""A device that is not there is said before anything is matched."""

import pytest
import torch
import typer

from gim_data.errors import GimError
from gim_models.registry import open_matcher, usable_device
from orchestration.cli import app


def test_a_device_that_torch_does_not_know():
    with pytest.raises(GimError, match="'gpu' is no torch device"):
        open_matcher("rootsift", device="gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_no_cuda_is_said_with_a_remedy():
    with pytest.raises(GimError, match="no CUDA device") as caught:
        open_matcher("rootsift", device="cuda:1")
    assert "cpu" in caught.value.remedy
    assert usable_device("auto") == "cpu"


@pytest.mark.parametrize(
    "words",
    ["match", "homography", "bev", "reconstruct", "localize", "splat", "teachers"]
    + [f"bench {name}" for name in ("homography", "points", "bev", "maps", "localization", "splat")],
)
def test_every_command_takes_the_best_device_there_is(words):
    """A command of its own mind would be the one that leaves a GPU idle."""
    command = typer.main.get_command(app)
    for word in words.split():
        assert isinstance(command, typer.core.TyperGroup)
        command = command.commands[word]
    (device,) = (option for option in command.params if option.name == "device")
    assert device.default == "auto"
