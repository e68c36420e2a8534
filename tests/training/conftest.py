"""Settings and fixtures of the training tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from planted_pairs import SIZE, STILL

from gim_data.errors import GimError
from gim_data.synthetic.correspondence import project
from gim_data.synthetic.render import open_world
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


@pytest.fixture(scope="session", params=["street", "room", "terrain", "objects"])
def world_pair(request) -> tuple[torch.Tensor, torch.Tensor]:
    """True matches between two views of a world: (N, 2) pixels of a 320 x 240 image, and where they are seen again."""
    world = open_world(f"{request.param}?seed=3&width=320&height=240")
    views = world.render(1.0), world.render(2.0)
    points = np.random.default_rng(0).uniform([0, 0], [319, 239], (1500, 2))
    there, visible = project(*views, points)
    return tuple(torch.from_numpy(p[visible].astype(np.float32)) for p in (points, there))
