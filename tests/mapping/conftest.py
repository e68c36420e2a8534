"""Fixtures of the mapping tests."""

import pytest
from planted_scene import Scene


@pytest.fixture
def scene() -> Scene:
    return Scene()
