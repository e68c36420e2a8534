"""Freed memory stays with the process."""

import platform
import subprocess
import sys

import pytest

_COUNT_FAULTS = """
import resource, sys
import numpy as np
from gim_data.heap import keep_freed_memory
assert "keep" not in sys.argv or keep_freed_memory()
np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*arguments: str) -> int:
    run = subprocess.run([sys.executable, "-c", _COUNT_FAULTS, *arguments], capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc takes the advice")
def test_a_block_that_is_freed_and_asked_for_again_costs_no_new_pages() -> None:
    assert faults("keep") < 0.05 * faults()
