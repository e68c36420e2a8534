"""Fixtures of the evaluation tests."""

import pytest
from two_view import Scene, make_scene


@pytest.fixture
def scene() -> Scene:
    return make_scene()
