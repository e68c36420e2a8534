"""Batches made in background threads, in order.

Threads and not processes: reading and fitting images is OpenCV's work, done outside the interpreter lock, and threads
neither fork a process that has run OpenMP nor need shared memory that containers do not have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor

from gim_models.training.sample import Batch
from gim_models.training.stream import BatchStream

_AHEAD = 4


def ahead(stream: BatchStream, workers: int) -> Generator[Batch, None, None]:
    """The batches of ``stream``, some of them made before they are asked for.

    Args:
        stream: makes batch n.
        workers: threads; 0 makes each batch when it is asked for.
    """
    if workers == 0:
        yield from stream
        return
    numbers = stream.numbers()
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="pairs") as pool:
        try:
            while True:
                while len(waiting) < workers * _AHEAD:
                    waiting.append(pool.submit(stream.make, next(numbers)))
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
