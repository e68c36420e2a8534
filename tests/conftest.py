"""What all tests share."""

from collections.abc import Callable

import pytest
from hypothesis import settings

from orchestration.cli import main

settings.register_profile("unhurried", deadline=None)  # a busy machine is no reason to fail
settings.load_profile("unhurried")


@pytest.fixture
def gim(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Call the command in this process: exit code, what it printed, and its errors."""

    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        told = capsys.readouterr()
        return int(caught.value.code or 0), told.out, told.err

    return call
