"""What training costs at the demo sizes: seconds a pair, optimizer steps per second, and the share spent waiting.

Renders a small synthetic world, draws its pairs as the training stages do (decoded, fitted and batched in background
threads), and takes optimizer steps on them at the default training size. The seconds of a pair, read and computed, are
CPU time of one thread, which a busy machine changes little; steps per second and the share of waiting are of wall time.
The first two steps do not count: they wait for the first batch and for the compiler. Threads are a few batches ahead by
then, so steps must be more than those to show that data is short; the seconds that reading takes show it in any case.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from gim_data.stage import Job
from gim_data.synthetic.config import SyntheticConfig
from gim_data.synthetic.truth import make_world
from gim_models.training.augment import augment
from gim_models.training.config import Student, TrainConfig
from gim_models.training.families.family import FAMILIES, Family, family_of
from gim_models.training.prefetch import ahead
from gim_models.training.speed import make_fast
from gim_models.training.stages import truth_supply
from gim_models.training.stream import BatchStream

WORLD = "room-0"
_READ = 3  # batches read to time it


class Cost(NamedTuple):
    """What an architecture costs.

    Attributes:
        pair: seconds of CPU per pair, forward and backward.
        rate: optimizer steps per second of wall time.
        waiting: share of wall time in which nothing was computed because a batch was not ready.
    """

    pair: float
    rate: float
    waiting: float


def rendered_world(root: Path) -> Path:
    """A world of twelve frames, made as the stage ``worlds`` makes them."""
    out, scratch = root / "worlds" / WORLD, root / "scratch"
    for folder in (out, scratch):
        folder.mkdir(parents=True)
    config = SyntheticConfig(worlds=1, scenes=("room",), frames=12, seconds=6)
    make_world(Job("worlds", WORLD, out, scratch, {}, {"synthetic": config}, root, 1, "benchmark"))
    return out


def reading(batches: BatchStream) -> float:
    """Seconds of CPU per pair to read and fit it, in this thread."""
    started = time.thread_time()
    for number in range(_READ):
        batches.make(number)
    return (time.thread_time() - started) / _READ / batches.batch


def stream(world: Path, config: TrainConfig) -> BatchStream:
    """Batches of that world, as the base stage mixes them."""
    job = Job("base_model", "benchmark", world, world, {"worlds": {WORLD: world}}, {}, world, 1, "benchmark")
    supply = truth_supply(job, config)
    return BatchStream(supply.sources, supply.weights, config.batch, config.seed)


def measured(family: Family[Any], network: nn.Module, batches: BatchStream, config: TrainConfig, steps: int) -> Cost:
    """Take ``steps`` optimizer steps after two that do not count: the compiler may look at both."""
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=config.learning_rate)
    ready, busy, waited, began = ahead(batches, config.workers), 0.0, 0.0, 0.0
    for step in range(steps + 2):
        if step == 2:
            busy, waited, began = 0.0, 0.0, time.monotonic()
        asked = time.monotonic()
        batch = next(ready)
        waited += time.monotonic() - asked
        started, generator = time.thread_time(), torch.Generator().manual_seed(step)
        views = augment(batch, config.augment, generator)
        optimizer.zero_grad()
        family.loss(network, batch, views, config, generator).total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        optimizer.step()
        busy += time.thread_time() - started
    whole = time.monotonic() - began
    ready.close()
    return Cost(busy / steps / config.batch, steps / whole, waited / whole)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  python benchmarks/training.py                       every architecture\n"
        "  python benchmarks/training.py loftr --steps 20      one, measured longer\n"
        "  python benchmarks/training.py dkm --batch 1 --workers 0   reading in the same thread, for comparison",
    )
    parser.add_argument(
        "arch", nargs="*", default=sorted(FAMILIES), metavar="ARCH", help=f"of: {', '.join(sorted(FAMILIES))}"
    )
    parser.add_argument("--steps", type=int, default=8, help="optimizer steps that count (default: 8)")
    parser.add_argument("--batch", type=int, default=4, help="pairs per step (default: 4, as in the recipe)")
    parser.add_argument("--workers", type=int, default=1, help="threads that read and fit images (default: 1)")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32", help="as train.precision")
    parser.add_argument(
        "--compiler",
        choices=["eager", "inductor"],
        default="eager",
        help="as train.compiler; compiling takes minutes before the first steps",
    )
    found = parser.parse_args(given)
    for arch in found.arch:
        if arch not in FAMILIES:
            parser.error(f"there is no architecture {arch!r}; choose from: {', '.join(sorted(FAMILIES))}")
    for name in ("steps", "batch"):
        if getattr(found, name) < 1:
            parser.error(f"--{name} must be at least 1")
    if found.workers < 0:
        parser.error("--workers must not be negative")
    return found


def main() -> None:
    """Measure and print."""
    asked = arguments()
    torch.set_num_threads(1)
    config = TrainConfig(batch=asked.batch, workers=asked.workers, precision=asked.precision, compiler=asked.compiler)
    shape = f"{config.batch} pairs of {config.image_size[0]} x {config.image_size[1]}"
    with tempfile.TemporaryDirectory() as folder:
        batches = stream(rendered_world(Path(folder)), config)
        print(f"a step: {shape}; reading one takes {reading(batches):.3f} CPU s", flush=True)
        for arch in asked.arch:
            family = family_of(arch)
            network = family.start(Student(name=arch, arch=arch), 0).train()
            make_fast(network, config.compiler)
            cost = measured(family, network, batches, config, asked.steps)
            trained = sum(value.numel() for value in network.parameters() if value.requires_grad)
            print(
                f"{arch:10} {cost.pair:6.2f} CPU s a pair   {cost.rate:6.3f} steps/s   {cost.waiting:5.1%} waiting"
                f"   {trained / 1e6:5.2f} M trained parameters",
                flush=True,
            )


if __name__ == "__main__":
    main()
