"""Maps and localization over posed sets, for several matchers: what the stages and ``gim bench maps`` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from gim_data.bench.posed import Camera, sort_cameras
from gim_data.errors import BadInput
from gim_data.stage import Progress
from gim_data.types import Matcher
from gim_data.video.sources import image_files
from gim_models.downstream.mapping.absolute import SHARES, THRESHOLDS
from gim_models.downstream.mapping.images import photo_folder
from gim_models.downstream.mapping.localize import Localized, localize
from gim_models.downstream.mapping.model import SparseMap
from gim_models.downstream.mapping.reconstruct import (
    COLMAP_SIFT,
    MapOptions,
    MapResult,
    reconstruct,
    reconstruct_by_sift,
)
from gim_models.downstream.mapping.reference import read_reference, split
from gim_models.downstream.mapping.scores import score_map

FEWEST = 3
"""Images of a map worth scoring: fewer cannot be aligned."""
Cell = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One map to make.

    Attributes:
        name: of the set, and how it was thinned.
        folder: with ``images/`` and ``cameras.json`` or ``frames.json``.
        every: every so many-th of its images is used.
    """

    name: str
    folder: Path
    every: int


@dataclass(frozen=True)
class Mapped:
    """One map that was made: the numbers of its row, the map or None, and the true cameras of its images."""

    cell: Cell
    found: SparseMap | None
    reference: list[Camera]


def cases_of(sets: Mapping[str, Path], every: Sequence[int], most: int) -> list[Case]:
    """Every set at every step that leaves three images or more; a smaller set at the first, so that it has its row.

    Args:
        sets: name -> folder.
        every: 1 for all images, 3 for every third...
        most: images of a set; one with more is thinned first, evenly.

    Raises:
        BadInput: no set has three images.
    """
    found, usable = [], False
    for name, folder in sets.items():
        count = len(image_files(photo_folder(folder)))
        least = max(1, ceil(count / most))
        steps = [step for step in every if ceil(count / (step * least)) >= FEWEST]
        usable = usable or bool(steps)
        taken = steps or every[:1]
        found += [Case(name if step == 1 else f"{name}-every-{step}", folder, step * least) for step in taken]
    if not usable:
        raise BadInput(f"no set of {list(sets)} leaves {FEWEST} images", "add images, or lower 'every'")
    return found


def map_case(case: Case, out: Path, matcher: Matcher | None, options: MapOptions, progress: Progress) -> Mapped:
    """Make and score one map; one that cannot be made is a row with its problem, and so is a set that cannot be read.

    Images that cannot be read are left out and counted in the row.

    Args:
        case: the images.
        out: folder of the map; those of one set share it, so that a pair is matched once.
        matcher: any, or None for COLMAP's own SIFT.
        options: how; ``every`` is the case's.
        progress: where to report.

    Raises:
        GimError: pycolmap is missing.
    """
    try:
        return _map(case, out, matcher, replace(options, every=case.every), progress)
    except BadInput as error:
        return Mapped(_unusable(error) | {"images": 0, "registered": 0, "within_1_percent": 0.0}, None, [])


def _map(case: Case, out: Path, matcher: Matcher | None, options: MapOptions, progress: Progress) -> Mapped:
    cameras, _ = sort_cameras(case.folder)
    if not cameras:
        raise BadInput(f"{case.folder} has no camera for its images", "add cameras.json (K and T_w2c per image)")
    if matcher is None:
        result = reconstruct_by_sift(case.folder, out, None, options, progress)
    else:
        result = reconstruct(case.folder, out, matcher, options, progress)
    reference = of_images(cameras, result.images)
    if not reference:
        raise BadInput(f"{case.folder} has no camera for its images", "add them to its cameras.json")
    return Mapped(_cell(result, reference), result.found, reference)


def of_images(reference: Sequence[Camera], names: Sequence[str]) -> list[Camera]:
    """The cameras of these images."""
    used = set(names)
    return [camera for camera in reference if camera.image.name in used]


def localize_set(
    folder: Path, out: Path, matcher: Matcher, options: MapOptions, progress: Progress, *, query_every: int, most: int
) -> Cell:
    """Look for every ``query_every``-th image of a set in a map of the others; the numbers of its row.

    Args:
        folder: with ``images/`` and ``cameras.json`` or ``frames.json``.
        out: folder for poses, numbers and what a killed run goes on from.
        matcher: any.
        options: how.
        progress: where to report.
        query_every: which images are queries.
        most: images of the set; one with more is thinned first, evenly.

    Images that cannot be read are left out of the map, or have failed as queries. A set of which no map can be made is
    a row with its problem, and so is one that cannot be read.

    Raises:
        GimError: pycolmap is missing.
    """
    failed = {"localized": 0, "median_distance": None, "median_deg": None}
    failed |= _recalls([0.0] * len(THRESHOLDS), [0.0] * len(SHARES))
    try:
        images = read_reference(folder)
    except BadInput as error:
        return _unusable(error) | failed | {"queries": 0}
    reference, queries = split(images[:: max(1, ceil(len(images) / most))], query_every)
    try:
        found = localize(reference, queries, out, matcher, options, progress)
    except BadInput as error:
        return failed | {"queries": len(queries), "problem": error.problem}
    return localized_cell(found)


def localized_cell(found: Localized) -> Cell:
    """The numbers of the row of a set with known query poses."""
    numbers, middle = found.as_json(), found.median_error
    return {
        "queries": numbers["queries"],
        "localized": numbers["localized"],
        "median_distance": middle[0] if middle else None,
        "median_deg": middle[1] if middle else None,
        "problem": "",
        **_left_out(list(numbers["left_out"].values())),
        **_recalls(numbers["recall"], numbers["relative_recall"]),
    }


def open_contender(name: str, device: str) -> Matcher | None:
    """The matcher of a name; None for ``colmap-sift``.

    Raises:
        GimError: there is no such matcher.
    """
    from gim_models.registry import open_matcher

    return None if name == COLMAP_SIFT else open_matcher(name, device=device)


def _cell(result: MapResult, reference: Sequence[Camera]) -> Cell:
    score = score_map(result.found, reference).as_json()
    spent = round(sum(result.seconds.values()), 1)
    return {**score, "seconds": spent, "problem": result.problem, **_left_out(result.notes)}


def _left_out(notes: Sequence[str]) -> Cell:
    """How many images could not be used, and why."""
    return {"left_out": len(notes), "notes": list(notes)}


def _unusable(error: BadInput) -> Cell:
    """What the row of a set that cannot be read says; ``remedy`` tells it from a set that a matcher cannot do."""
    return {"problem": error.problem, "remedy": error.remedy}


def _recalls(absolute: Sequence[float], relative: Sequence[float]) -> Cell:
    """Recall in percent under a name per threshold."""
    own = {f"recall_{d:g}_{a:g}deg": 100 * r for (d, a), r in zip(THRESHOLDS, absolute, strict=True)}
    return own | {f"recall_{100 * d:g}percent_{a:g}deg": 100 * r for (d, a), r in zip(SHARES, relative, strict=True)}
