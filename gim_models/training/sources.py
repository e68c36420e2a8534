"""Where training pairs come from: worlds with exact geometry, labelled videos, and frames warped onto themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gim_data.dataset import balanced_weights
from gim_data.posed.scene import PosedScene
from gim_data.synthetic.truth import TruthStore
from gim_data.types import Floats, Image, PairLabel, Size
from gim_models.training.sample import CENTRED, Geometry, Placement, Sample, fit, inside, move

_FEWEST = 16  # labels a pair must keep on the canvas; else its images are laid down whole
_NONE = np.zeros((0, 2), np.float32)


class Source(Protocol):
    """Draws training pairs."""

    def draw(self, rng: np.random.Generator) -> Sample:
        """One pair; a function of ``rng`` alone."""
        ...


class Labelled(Protocol):
    """Labelled pairs that can be read by row; ``TrainingIndex`` is one."""

    def label(self, row: int) -> PairLabel:
        """The label of a row."""
        ...

    def images(self, row: int) -> tuple[Image, Image]:
        """Its two frames."""
        ...


class Balanced:
    """Draws rows of a table: a group with P ~ n^0.25 (GIM.md 3.1), a tenth of overlap evenly, a row evenly.

    Args:
        rows: columns video (or whatever is balanced over), row, overlap.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        self.edges = np.cumsum(balanced_weights(rows))

    def draw(self, rng: np.random.Generator) -> int:
        """A position in the table."""
        return min(int(np.searchsorted(self.edges, rng.random(), side="right")), len(self.edges) - 1)


class VideoSource:
    """Labelled pairs of the videos.

    Args:
        index: reads labels and images.
        rows: the part of the index to draw from (a budget's, or the held-out part), its index being row numbers.
        size: the training size.
        zoom: range of scales, or None for images laid down whole.
    """

    def __init__(self, index: Labelled, rows: pd.DataFrame, size: Size, zoom: tuple[float, float] | None) -> None:
        self.index, self.size, self.zoom = index, size, zoom
        self.rows = rows.index.to_numpy()
        self.sampler = Balanced(rows)

    def draw(self, rng: np.random.Generator) -> Sample:
        """One labelled pair."""
        return self.read(int(self.rows[self.sampler.draw(rng)]), rng)

    def read(self, row: int, rng: np.random.Generator) -> Sample:
        """The pair of one row of the index."""
        label, images = self.index.label(row), self.index.images(row)
        sample = _labelled(f"video row {row}", images, label, self.size, place(rng, self.zoom), place(rng, self.zoom))
        if sample.whole_labels < _FEWEST:
            whole = [_whole(image, self.size) for image in images]
            sample = _labelled(sample.identifier, images, label, self.size, *whole)
        return sample


class TruthSource:
    """Posed pairs of the worlds, or of someone else's posed images.

    Args:
        stores: the worlds by name.
        pairs: columns world, frame0, frame1, overlap.
        size: the training size.
        zoom: range of scales, or None for images laid down whole.
    """

    def __init__(
        self, stores: Mapping[str, PosedScene], pairs: pd.DataFrame, size: Size, zoom: tuple[float, float] | None
    ) -> None:
        self.stores, self.size, self.zoom = stores, size, zoom
        self.pairs = pairs.reset_index(drop=True)
        self.sampler = Balanced(self.pairs.assign(video=self.pairs["world"], row=self.pairs.index))

    def draw(self, rng: np.random.Generator) -> Sample:
        """One posed pair, in either order."""
        row = self.pairs.iloc[self.sampler.draw(rng)]
        frames = (int(row["frame0"]), int(row["frame1"]))
        return self.read(str(row["world"]), frames if rng.random() < 0.5 else frames[::-1], rng)

    def read(self, world: str, frames: tuple[int, int], rng: np.random.Generator) -> Sample:
        """A pair by its frames."""
        store = self.stores[world]
        sides = [(store.image(f), store.depth(f)) for f in frames]
        fits = []
        for image, depth in sides:
            placement = _whole(image, self.size) if self.zoom is None else place(rng, self.zoom)
            fits.append((fit(image, self.size, placement), fit(depth, self.size, placement, smooth=False).image))
        (a, depth0), (b, depth1) = fits
        K0, K1 = (placed.A @ store.intrinsics(f) for placed, f in zip((a, b), frames, strict=True))
        geometry = Geometry(depth0, depth1, K0, K1, store.T_0to1(*frames))  # type: ignore[arg-type]
        name = f"world {world} frames {frames[0]} and {frames[1]}"
        return Sample(name, a.image, b.image, a.box, b.box, _NONE, _NONE, geometry)  # type: ignore[arg-type]


class WarpSource:
    """Frames paired with themselves: whatever warps image 1 afterwards is then known exactly.

    Args:
        source: draws pairs, whose image 0 is used.
    """

    def __init__(self, source: Source) -> None:
        self.source = source

    def draw(self, rng: np.random.Generator) -> Sample:
        """One frame twice, under a flat geometry that maps each pixel to itself."""
        drawn = self.source.draw(rng)
        height, width = drawn.image0.shape[:2]
        flat = np.ones((height, width), np.float32)
        geometry = Geometry(flat, flat, np.eye(3), np.eye(3), np.eye(4))
        name = f"{drawn.identifier} onto itself"
        return Sample(name, drawn.image0, drawn.image0, drawn.box0, drawn.box0, _NONE, _NONE, geometry)


def open_worlds(folders: Mapping[str, Path]) -> tuple[dict[str, TruthStore], pd.DataFrame]:
    """All worlds, and their pairs as one table with columns world, frame0, frame1, overlap."""
    stores = {name: TruthStore.open(folder) for name, folder in sorted(folders.items())}
    return stores, all_pairs(stores)


def all_pairs(stores: Mapping[str, PosedScene]) -> pd.DataFrame:
    """The pairs of all scenes as one table with columns world, frame0, frame1, overlap."""
    return pd.concat([store.pairs.assign(world=name) for name, store in stores.items()], ignore_index=True)


def hold_out(pairs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pairs to train on and pairs to validate on, which lie in the last sixth of every world's frames.

    Args:
        pairs: columns world, frame0, frame1. Those across the border are in neither part.
    """
    later = pairs[["frame0", "frame1"]].max(axis=1)
    cut = later.groupby(pairs["world"]).transform("max") * (5 / 6)
    return pairs[later < cut], pairs[pairs[["frame0", "frame1"]].min(axis=1) >= cut]


def spread(pairs: pd.DataFrame, count: int) -> pd.DataFrame:
    """At most ``count`` rows, evenly over the table."""
    picks = np.unique(np.linspace(0, len(pairs) - 1, min(count, len(pairs))).round().astype(int))
    return pairs.iloc[picks]


def place(rng: np.random.Generator, zoom: tuple[float, float] | None) -> Placement:
    """A random placement, log-uniform in scale."""
    if zoom is None:
        return CENTRED
    low, high = np.log(zoom)
    return Placement(float(np.exp(rng.uniform(low, high))), (float(rng.random()), float(rng.random())))


def _whole(image: Image, size: Size) -> Placement:
    height, width = image.shape[:2]
    ratios = (size[0] / width, size[1] / height)
    return Placement(min(ratios) / max(ratios), (0.5, 0.5))


def _labelled(
    name: str, images: Sequence[Image], label: PairLabel, size: Size, place0: Placement, place1: Placement
) -> Sample:
    a, b = fit(images[0], size, place0), fit(images[1], size, place1)
    points0, points1 = _ends(label, a.A, b.A)
    keep = inside(points0, a.box) | inside(points1, b.box)
    return Sample(name, a.image, b.image, a.box, b.box, points0[keep], points1[keep])  # type: ignore[arg-type]


def _ends(label: PairLabel, A0: NDArray[np.float64], A1: NDArray[np.float64]) -> tuple[Floats, Floats]:
    return move(label.points0, A0), move(label.points1, A1)
