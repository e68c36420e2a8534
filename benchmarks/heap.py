"""What it costs to give freed memory back: LightGlue's layers on 2,048 keypoints, in turns in two kinds of processes.

Run: ``python benchmarks/heap.py``. Prints seconds, the kernel's share and page faults a pair, and the ratio.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from statistics import median

ROUNDS, PAIRS, KEYPOINTS = 3, 8, 2048


def measure(kept: bool) -> tuple[float, float, float]:
    """Wall seconds, kernel seconds and page faults a pair."""
    import torch

    from gim_data.heap import keep_freed_memory
    from gim_models.sparse.lightglue import Side, published_glue

    if kept:
        keep_freed_memory()
    torch.set_num_threads(1)
    network = published_glue().eval()
    points = torch.rand(1, KEYPOINTS, 2, generator=torch.Generator().manual_seed(0)) * 640
    side = Side(points, torch.nn.functional.normalize(torch.rand(1, KEYPOINTS, 64), dim=-1), torch.tensor([[640, 640]]))
    with torch.inference_mode():
        network.assignment(network.layers(side, side))
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        for _ in range(PAIRS):
            network.assignment(network.layers(side, side))
        after, seconds = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - started
    kernel, faults = after.ru_stime - before.ru_stime, after.ru_minflt - before.ru_minflt
    return seconds / PAIRS, kernel / PAIRS, faults / PAIRS


def main() -> None:
    """Time both in turns, each in a process of its own, and print medians."""
    spawn = multiprocessing.get_context("spawn")
    rows: dict[bool, list[tuple[float, float, float]]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for kept, runs in rows.items():
            with spawn.Pool(1) as pool:
                runs.append(pool.apply(measure, (kept,)))
    print("freed memory  s/pair  kernel s/pair  page faults/pair")
    found = {kept: [median(column) for column in zip(*runs, strict=True)] for kept, runs in rows.items()}
    for kept, (seconds, kernel, faults) in found.items():
        print(f"{'kept' if kept else 'given back':12}  {seconds:6.2f}  {kernel:13.3f}  {faults:16,.0f}")
    print(f"time given back / kept: {found[False][0] / found[True][0]:.2f}")


if __name__ == "__main__":
    main()
