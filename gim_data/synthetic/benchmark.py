"""A small zero-shot benchmark of ray-traced sequences, after the twelve of ZEB (GIM.md 4.1).

Every sequence is of pool ``eval``: no photograph, no procedural texture and no scene of it is in a training world or a
built-in video.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gim_data.synthetic.paths import Pose
from gim_data.synthetic.render import View, open_world
from gim_data.synthetic.spec import SyntheticSpec
from gim_data.synthetic.truth import overlapping_pairs, tilted

_SPECS = {
    "aerial": "terrain?seed=901&seconds=40&fov=75&width=400&height=300",
    "aerial-narrow": "terrain?seed=902&seconds=30&fov=38&width=400&height=300",
    "driving": "street?seed=903&seconds=12&path=drive&width=640&height=240&fov=85",
    "indoor": "room?seed=904&seconds=40&fov=65&width=400&height=300",
    "indoor-low": "room?seed=905&seconds=40&width=320&height=240&fov=58",
    "night": "street?seed=906&seconds=16&path=drive&look=night&fov=70&width=400&height=300",
    "objects": "objects?seed=907&seconds=30&fov=60&width=400&height=300",
    "objects-light": "objects?seed=908&seconds=30&fov=45&look=mixed&width=400&height=300",
    "outdoor": "street?seed=909&seconds=24&fov=65&width=400&height=300",
    "season": "street?seed=910&seconds=16&path=drive&look=mixed&fov=70&width=400&height=300",
    "weather": "street?seed=911&seconds=16&path=drive&look=rain&fov=70&width=400&height=300",
    "wide": "street?seed=912&seconds=24&fov=105&width=400&height=300",
}  # fmt: skip
_BINS = 10


@dataclass(frozen=True)
class BenchmarkSequence:
    """Views of one world and the pairs to match.

    Attributes:
        views: the rendered views.
        pairs: columns frame0, frame1 (rows of ``views``) and overlap.
    """

    views: tuple[View, ...]
    pairs: pd.DataFrame


def benchmark_worlds() -> dict[str, SyntheticSpec]:
    """Sequence name -> spec, in order of name."""
    return {name: SyntheticSpec.parse(f"{text}&pool=eval") for name, text in sorted(_SPECS.items())}


def sample_benchmark(
    spec: SyntheticSpec, n_pairs: int, rng: np.random.Generator, *, frames: int = 24, jitter_degrees: float = 10.0
) -> BenchmarkSequence:
    """Views of a world at random times and tilts, and pairs drawn as evenly as there are any from ten overlap bins.

    Args:
        spec: of the world.
        n_pairs: pairs to draw at most.
        rng: decides times, tilts and pairs.
        frames: views to render.
        jitter_degrees: standard deviation of the tilt per axis.
    """
    world = open_world(spec)
    times = (np.arange(frames) + rng.uniform(0, 1, frames)) / frames * world.duration
    poses: list[Pose] = [tilted(world.pose(float(t)), rng, degrees=jitter_degrees) for t in times]
    views = [world.render_pose(pose, instant=round(t * 1e6)) for pose, t in zip(poses, times, strict=True)]
    pairs = overlapping_pairs(views, low=0.05, high=1.0)
    return BenchmarkSequence(tuple(views), evenly(pairs, n_pairs, rng))


def evenly(pairs: pd.DataFrame, count: int, rng: np.random.Generator) -> pd.DataFrame:
    """At most ``count`` rows of ``pairs``, drawn in turns from the ten tenths of ``overlap``, in their own order."""
    shuffled = pairs.iloc[rng.permutation(len(pairs))]
    bins = np.minimum((shuffled["overlap"] * _BINS).astype(int), _BINS - 1)
    turn = shuffled.groupby(bins).cumcount().sort_values(kind="stable")
    return pairs.loc[np.sort(turn.index[:count])].reset_index(drop=True)
