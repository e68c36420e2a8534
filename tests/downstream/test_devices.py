"""A device that is not there is said before anything is matched."""

import pytest
import torch

from gim_data.errors import GimError
from gim_models.registry import open_matcher, usable_device


def test_a_device_that_torch_does_not_know():
    with pytest.raises(GimError, match="'gpu' is no torch device"):
        open_matcher("rootsift", device="gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_no_cuda_is_said_with_a_remedy():
    with pytest.raises(GimError, match="no CUDA device") as caught:
        open_matcher("rootsift", device="cuda:1")
    assert "cpu" in caught.value.remedy
    assert usable_device("auto") == "cpu"
