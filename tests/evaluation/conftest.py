"""Fixtures of the evaluation tests."""

import pytest
from hypothesis import settings
from two_view import Scene, make_scene

settings.register_profile("unhurried", deadline=None)  # a busy machine is no reason to fail
settings.load_profile("unhurried")


@pytest.fixture
def scene() -> Scene:
    return make_scene()
