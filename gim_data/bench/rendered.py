"""Benchmark pairs from ray-traced sequences: exact poses and exact overlap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gim_data.bench.checks import save_image
from gim_data.bench.sources import PairSource
from gim_data.types import TwoViewPair

if TYPE_CHECKING:
    from gim_data.synthetic.render import View


def render_pairs(
    source: PairSource, folder: Path, rng: np.random.Generator, *, images: int, count: int
) -> list[TwoViewPair]:
    """Render views of a synthetic sequence and draw pairs evenly over ten bins of overlap.

    Args:
        source: of kind ``synthetic``.
        folder: where the rendered PNGs go, below a folder of the sequence's name.
        rng: decides times, tilts and pairs.
        images: how many views.
        count: how many pairs at most.

    Returns:
        Pairs with exact poses and overlap (by depth, with occlusion), in order of views.
    """
    from gim_data.synthetic.benchmark import sample_benchmark
    from gim_data.synthetic.spec import SyntheticSpec

    sequence = sample_benchmark(SyntheticSpec.parse(source.place), count, rng, frames=images)
    files = [folder / source.name / f"{i:04d}.png" for i in range(len(sequence.views))]
    for view, path in zip(sequence.views, files, strict=True):
        save_image(path, view.image)
    return [_pair(source.name, files, sequence.views, *row) for row in sequence.pairs.itertuples(index=False)]


def _pair(scene: str, files: list[Path], views: tuple[View, ...], i: int, j: int, overlap: float) -> TwoViewPair:
    T_0to1 = views[j].T_w2c @ np.linalg.inv(views[i].T_w2c)
    identifier = f"{scene}#{files[i].stem}#{files[j].stem}"
    return TwoViewPair(identifier, files[i], files[j], views[i].K, views[j].K, T_0to1, float(overlap))
