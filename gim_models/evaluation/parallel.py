"""Independent work over processes, results in order: the same values for any number of processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Item], Result], items: Sequence[Item], *, workers: int, chunk: int = 1, worth: int = 2
) -> Iterator[Result]:
    """``map`` over processes.

    Processes are spawned, not forked: threads of torch or OpenCV do not survive a fork.

    Args:
        function: of one item alone, importable by name.
        items: what to do.
        workers: processes; 0 for one per core, 1 for this process.
        chunk: items handed to a process at once.
        worth: number of items below which starting processes costs more than it saves.
    """
    count = min(workers or os.cpu_count() or 1, -(-len(items) // chunk))
    if count <= 1 or len(items) < worth:
        yield from map(function, items)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=spawn, initializer=_one_thread) as pool:
        yield from pool.map(function, items, chunksize=chunk)


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)
