"""From matches with reference images to 2D-3D matches: points of a map, or points that a sensor measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gim_data.types import Floats, Matches
from gim_models.downstream.mapping.matching import ImageMatcher
from gim_models.downstream.mapping.model import Matrix, SparseMap
from gim_models.downstream.mapping.pairing import Pair
from gim_models.downstream.mapping.quantize import Quantizer
from gim_models.downstream.mapping.surfaces import Surface


class World(Protocol):
    """Where ends of matches in reference images are in the world."""

    @property
    def size(self) -> int:
        """How many points there are; 0 where every pixel has one."""
        ...

    def locate(self, row: int, matches: Matches) -> tuple[NDArray[np.intp], Matrix]:
        """Rows of the matches whose end in reference image ``row`` is known, and their (N, 3) points."""
        ...


@dataclass(frozen=True)
class Triangulated:
    """Points seen by several reference images.

    Attributes:
        names: of the reference images.
        found: the map.
        quantizers: of each, how far a match without keypoints may lie from a keypoint of the map.
    """

    names: Sequence[str]
    found: SparseMap
    quantizers: Sequence[Quantizer]

    @property
    def size(self) -> int:
        """Triangulated points."""
        return len(self.found.points)

    def locate(self, row: int, matches: Matches) -> tuple[NDArray[np.intp], Matrix]:
        """By index where the matcher has keypoints, else by the nearest keypoint of the map."""
        view = self.found.views.get(self.names[row])
        if view is None or not len(view.points):
            return np.zeros(0, np.intp), np.zeros((0, 3))
        index = matches.index0
        if index is not None:
            rows = index.astype(np.int64)
        else:
            rows = self.quantizers[row].snap(matches.keypoints0, view.keypoints)
        hit = np.where(rows >= 0, view.points[rows], -1)
        return np.flatnonzero(hit >= 0), self.found.points[hit[hit >= 0]]


@dataclass(frozen=True)
class Measured:
    """Points from the depth maps or scans of the reference images."""

    surfaces: Sequence[Surface]
    size: int = 0

    def locate(self, row: int, matches: Matches) -> tuple[NDArray[np.intp], Matrix]:
        """Every end at which something was measured."""
        points = self.surfaces[row].points(matches.keypoints0)
        known = np.isfinite(points).all(axis=1)
        return np.flatnonzero(known), points[known]


def lift(engine: ImageMatcher, pairs: Sequence[Pair], world: World) -> tuple[Floats, Matrix]:
    """2D-3D matches of a query: (N, 2) its pixels, (N, 3) points that its matches in the reference images belong to.

    Args:
        engine: holds the matches.
        pairs: (reference row, query row).
        world: where the reference images' pixels are.
    """
    found = [np.zeros((0, 5))]
    for pair in pairs:
        matches = engine.matches(pair)
        rows, points = world.locate(pair[0], matches)
        found.append(np.concatenate([matches.keypoints1[rows], points], axis=1, dtype=np.float64))
    unique = np.unique(np.concatenate(found), axis=0)  # a keypoint that meets one point in several images counts once
    return unique[:, :2].astype(np.float32), unique[:, 2:]
