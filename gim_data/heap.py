"""Freed memory stays with the process: networks on a CPU free and ask for the same large blocks again and again."""

from __future__ import annotations

import ctypes
from functools import lru_cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # options of glibc's mallopt(3)
_LARGE = 1 << 30  # bytes


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Let malloc reuse blocks below a gigabyte, where glibc would map and unmap each.

    The kernel zeroes every page that it maps: a seventh of the time of LightGlue on 2,048 keypoints, more on a busy
    machine (``benchmarks/heap.py``).

    Returns:
        Whether the system's C library took the advice; others than glibc are left alone.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGE)) and bool(mallopt(_TRIM_THRESHOLD, 2 * _LARGE))
