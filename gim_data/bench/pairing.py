"""Which pairs of a posed sequence are scored: all overlaps equally, as ZEB draws them (GIM.md 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gim_data.bench.checks import check_decodable, image_size
from gim_data.bench.depth import TOLERANCE, depth_view
from gim_data.bench.overlap import frustum_overlap, rotation_degrees, scene_depths
from gim_data.bench.posed import DEPTH_FOLDER, Camera, image_names, make_pair, read_cameras, read_posed
from gim_data.errors import BadInput
from gim_data.synthetic.correspondence import overlap
from gim_data.types import TwoViewPair

T = TypeVar("T")
DEPTH, FRUSTA, GIVEN = "depth", "frusta", "given"
"""Where an overlap comes from: depth maps, view frusta at the scene's depths, or the pair list."""
_PROBES = 6  # listed pairs from which a scene's depth is estimated


@dataclass(frozen=True)
class PairRules:
    """What makes two images of a posed sequence a benchmark pair.

    Attributes:
        count: most pairs of one sequence.
        images: most images of one sequence, spread evenly over it.
        overlap: least and largest overlap.
        bins: how many equal bins of overlap are drawn from evenly.
        rotation: largest rotation in degrees, beyond which two cameras tend to see different sides of things.
        parallax: least baseline in units of the scene's median depth; below it the direction of translation, which is
            half of the score, is noise of the reference poses.
    """

    count: int
    images: int
    overlap: tuple[float, float] = (0.1, 1.0)
    bins: int = 10
    rotation: float = 75.0
    parallax: float = 0.05


@dataclass(frozen=True)
class Drawn:
    """Pairs of one sequence, and where their overlaps come from: ``DEPTH``, ``FRUSTA`` or ``GIVEN``."""

    pairs: list[TwoViewPair]
    overlaps: str


def draw_evenly(values: NDArray[np.float64], count: int, bins: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw up to ``count`` indices so that the bins of ``values`` in [0, 1] are filled as equally as they allow.

    One index per bin and round, in random order within a bin, until enough are drawn. NaN counts as one more bin.

    Returns:
        Sorted indices, each once.
    """
    bin_of = np.where(np.isnan(values), bins, np.minimum((np.nan_to_num(values) * bins).astype(int), bins - 1))
    order = rng.permutation(len(values))
    turn = np.zeros(len(values), dtype=np.int64)
    for b in range(bins + 1):
        members = order[bin_of[order] == b]
        turn[members] = np.arange(len(members))
    ranked = order[np.argsort(turn[order], kind="stable")]
    return np.sort(ranked[:count])


def draw_by(by: str, folder: Path, rules: PairRules, rng: np.random.Generator) -> Drawn:
    """Benchmark pairs of a posed folder, evenly over overlaps.

    Args:
        by: ``depth``, ``listed``, or ``bins``: by view frusta, and as listed where there are no cameras; ``auto`` is
            depth where that gives pairs, and bins elsewhere.
        folder: see ``gim_data.bench.posed``.
        rules: which and how many.
        rng: of the choice.

    Raises:
        BadInput: the folder's files are not what they should be, or there is no depth where it is asked for.
    """
    cameras = [] if by == "listed" else read_cameras(folder)
    if by == "depth" or (by == "auto" and any(camera.depth for camera in cameras)):
        measured = _measured_pairs(folder, cameras, rules)
        if measured or by == "depth":
            return Drawn(draw_listed(measured, rules, rng), DEPTH)
    listed = read_posed(folder)
    found = _frustum_pairs(folder, cameras, listed, rules)
    if found is None:
        return Drawn(draw_listed(listed, rules, rng), GIVEN)
    return Drawn(draw_listed(found, rules, rng), FRUSTA)


def draw_pairs(folder: Path, rules: PairRules, rng: np.random.Generator) -> list[TwoViewPair]:
    """Benchmark pairs of a posed folder, over all overlaps, from its cameras; from its list where it has no cameras.

    Raises:
        BadInput: the folder's files are not what they should be.
    """
    return draw_by("bins", folder, rules, rng).pairs


def draw_measured(folder: Path, rules: PairRules, rng: np.random.Generator) -> list[TwoViewPair]:
    """Benchmark pairs among the images of a posed folder that have a depth map, with the overlap that depth gives.

    Raises:
        BadInput: no image has one, or the folder's files are not what they should be.
    """
    return draw_by("depth", folder, rules, rng).pairs


def _frustum_pairs(
    folder: Path, cameras: Sequence[Camera], listed: Sequence[TwoViewPair], rules: PairRules
) -> list[TwoViewPair] | None:
    """Every two cameras within the rules, by view frusta; None without cameras, or where no depth can be estimated."""
    cameras = _usable(folder, cameras, rules)
    depths = scene_depths(_spread([p for p in listed if rotation_degrees(p.T_0to1) < 30], _PROBES)) if cameras else []
    if not depths:
        return None
    sizes = [image_size(camera.image) for camera in cameras]

    def measure(i: int, j: int) -> float:
        T_0to1 = cameras[j].T_w2c @ np.linalg.inv(cameras[i].T_w2c)
        return frustum_overlap(cameras[i].K, cameras[j].K, (sizes[i], sizes[j]), T_0to1, depths)

    return _candidates(folder, cameras, measure, depths[len(depths) // 2], rules)


def _measured_pairs(folder: Path, cameras: Sequence[Camera], rules: PairRules) -> list[TwoViewPair]:
    """Every two cameras with a depth map within the rules, by what depth says that both see."""
    cameras = _usable(folder, [camera for camera in cameras if camera.depth], rules)
    if not cameras:
        raise BadInput(
            f"{folder}: no image has a camera and a depth map",
            f"put 16-bit PNGs in millimetres into {DEPTH_FOLDER}/, named as the images, or pair by bins",
        )
    views = [depth_view(camera) for camera in cameras]
    known = [view.depth[view.depth > 0] for view in views]
    median = float(np.median(np.concatenate(known))) if any(map(len, known)) else 0.0

    def measure(i: int, j: int) -> float:
        return overlap(views[i], views[j], tolerance=TOLERANCE)

    return _candidates(folder, cameras, measure, median, rules)


def draw_listed(pairs: Sequence[TwoViewPair], rules: PairRules, rng: np.random.Generator) -> list[TwoViewPair]:
    """At most ``rules.count`` of the given pairs, evenly over their overlaps where these are known."""
    chosen = draw_evenly(np.array([p.overlap for p in pairs], dtype=np.float64), rules.count, rules.bins, rng)
    return [pairs[i] for i in chosen]


def _candidates(
    folder: Path, cameras: Sequence[Camera], measure: Callable[[int, int], float], depth: float, rules: PairRules
) -> list[TwoViewPair]:
    """Every two cameras within the rules; ``measure`` gives the overlap of two, ``depth`` is the scene's median."""
    names = image_names(folder, [camera.image for camera in cameras])
    pairs = []
    for (i, first), (j, second) in combinations(enumerate(cameras), 2):
        T = second.T_w2c @ np.linalg.inv(first.T_w2c)
        far_enough = np.linalg.norm(T[:3, 3]) >= rules.parallax * depth
        if far_enough and rotation_degrees(T) <= rules.rotation:
            share = measure(i, j)
            if rules.overlap[0] <= share <= rules.overlap[1]:
                pairs.append(make_pair(folder.name, first, second, share, names))
    return pairs


def _usable(folder: Path, cameras: Sequence[Camera], rules: PairRules) -> list[Camera]:
    """As many as the rules take, spread evenly, of images that decode."""
    chosen = _spread(cameras, rules.images)
    check_decodable({camera.image: f"{folder}, camera of {camera.image.name}" for camera in chosen})
    return chosen


def _spread(items: Sequence[T], count: int) -> list[T]:
    """``count`` items, evenly spread over the sequence."""
    if len(items) <= count:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, count).round().astype(int)]
