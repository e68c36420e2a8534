"""The units of a stage in several processes at once: none of them reads another of the same stage."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from gim_data.errors import GimError
from gim_data.runner import Outcome, Runner
from gim_data.stage import Stage, load
from orchestration.execution import Narrator, one_by_one
from orchestration.progress import LineProgress

OPEN = "orchestration.workspace:open_runner"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


@dataclass(frozen=True)
class Processes:
    """Makes units as ``execution.one_by_one`` does, ``count`` at a time, in processes of their own.

    What is found made needs no process. What asks other people's servers, or shares one GPU, still takes turns. Cores
    are divided among the processes.

    Attributes:
        count: how many processes.
        opener: ``"module:function"`` that opens the workspace's runner in each of them, from its root.
    """

    count: int
    opener: str = OPEN

    def __call__(self, runner: Runner, name: str, units: Sequence[str], narrator: Narrator) -> Iterator[Outcome]:
        """Make units of one stage.

        Raises:
            GimError: a process died.
        """
        stage = runner.stage(name)
        made = {unit for unit in units if runner.is_current(stage, unit)}
        yield from one_by_one(runner, name, [unit for unit in units if unit in made], narrator)
        units = [unit for unit in units if unit not in made]
        if len(units) < 2 or _takes_turns(stage):
            yield from one_by_one(runner, name, units, narrator)
            return
        count = min(self.count, len(units))
        threads = max(1, (os.cpu_count() or 1) // count)
        with ProcessPoolExecutor(count, get_context("spawn"), _begin, (threads,)) as pool:
            futures = [pool.submit(_made, self.opener, runner.root, name, unit) for unit in units]
            try:
                for future in as_completed(futures):
                    outcome, seconds = future.result()
                    narrator.finished(name, outcome, seconds)
                    yield outcome
            except BrokenProcessPool as error:
                raise GimError(
                    f"a process that made units of {name} died: {error}",
                    "if memory was short, run again with fewer --jobs; what was made is kept",
                ) from error
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def _takes_turns(stage: Stage) -> bool:
    if stage.pool == "gpu":
        from gim_models.registry import usable_device

        return usable_device("auto") == "cuda"
    return stage.pool == "net"


def _begin(threads: int) -> None:
    """Before a process imports any library that counts cores; Ctrl-C ends it without a word, for the caller has one."""
    os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@cache
def _runner(opener: str, root: Path) -> Runner:
    runner: Runner = load(opener)(root)
    return runner


def _made(opener: str, root: Path, name: str, unit: str) -> tuple[Outcome, float]:
    runner = _runner(opener, root)
    progress = LineProgress(lambda line: print(line, flush=True))
    progress.label = f"{name} {unit}"
    runner.progress = progress
    began = time.monotonic()
    [outcome] = runner.run(name, [unit]).outcomes
    return outcome, time.monotonic() - began
