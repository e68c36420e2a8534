"""Settings and fixtures of the training tests."""

from __future__ import annotations

import pytest
import torch
from planted_pairs import SIZE, STILL

from gim_data.errors import GimError
from gim_models.sparse.xfeat import published_xfeat
from gim_models.training.config import TrainConfig


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def extractor():
    try:
        return published_xfeat(threshold=0.0)
    except GimError as error:
        pytest.skip(f"published weights are not installed: {error.problem}")


@pytest.fixture
def small():
    return TrainConfig(
        image_size=SIZE,
        keypoints=96,
        batch=2,
        augment=STILL,
        validate_every=4,
        log_every=2,
        warmup=2,
        workers=0,
        threads=1,
    )
