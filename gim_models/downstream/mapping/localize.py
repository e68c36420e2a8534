"""Where an image was taken: a map triangulated from known cameras, retrieval, matching, PnP (GIM.md 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gim_data.errors import BadInput
from gim_data.files import write_json
from gim_data.stage import Progress
from gim_data.types import Floats, Matcher
from gim_models.downstream.mapping import colmap
from gim_models.downstream.mapping.absolute import (
    SHARES,
    THRESHOLDS,
    QueryPose,
    estimate_pose,
    pose_errors,
    recall,
    submission_names,
    write_poses,
)
from gim_models.downstream.mapping.images import FEWEST
from gim_models.downstream.mapping.lifting import Measured, Triangulated, World, lift
from gim_models.downstream.mapping.matching import ImageMatcher
from gim_models.downstream.mapping.model import CameraPlan, SparseMap
from gim_models.downstream.mapping.pairing import LOOKALIKES, Pair, exhaustive, lookalikes, nearest
from gim_models.downstream.mapping.posed_image import PosedImage, checked
from gim_models.downstream.mapping.reconstruct import (
    WORK,
    MapOptions,
    describe_images,
    join,
    open_engine,
)
from gim_models.downstream.mapping.scores import centre_of, extent_of

POSES, SUBMISSION, NUMBERS = "poses.txt", "submission.txt", "localization.json"
_EXHAUSTIVE_UP_TO = 25  # reference images; beyond, each is matched with its look-alikes only


@dataclass(frozen=True)
class Localized:
    """What came out.

    Attributes:
        matcher: its name.
        poses: of every query.
        errors: (distance, degrees) of every query with a known pose; infinite where it failed.
        extent: largest distance between two reference cameras.
        points: triangulated points of the map; 0 where depth maps or scans serve instead.
        left_out: reference image that cannot be read -> why.
    """

    matcher: str
    poses: list[QueryPose]
    errors: dict[str, tuple[float, float]]
    extent: float
    points: int
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def median_error(self) -> tuple[float, float] | None:
        """Median (distance, degrees) over the queries with a known pose; None where half of them failed."""
        if not self.errors:
            return None
        distance, turn = np.median(list(self.errors.values()), axis=0)
        return (float(distance), float(turn)) if np.isfinite(distance) else None

    def as_json(self) -> dict[str, Any]:
        """Numbers for scripts; a failed query's errors are null."""
        errors = list(self.errors.values())
        shares = [(share * self.extent, turn) for share, turn in SHARES]
        return {
            "matcher": self.matcher,
            "queries": len(self.poses),
            "localized": sum(pose.T_w2c is not None for pose in self.poses),
            "points": self.points,
            "extent": self.extent,
            "thresholds": [list(pair) for pair in THRESHOLDS],
            "recall": recall(errors, THRESHOLDS) if errors else None,
            "relative_thresholds": [list(pair) for pair in SHARES],
            "relative_recall": recall(errors, shares) if errors else None,
            "left_out": self.left_out,
            "failed": {pose.name: pose.reason for pose in self.poses if pose.T_w2c is None},
            "errors": {n: None if np.isinf(d) else [d, a] for n, (d, a) in self.errors.items()},
        }

    def as_text(self) -> str:
        """A few lines for people."""
        numbers = self.as_json()
        points = f"{self.points} points" if self.points else "measured points"
        lines = [f"{self.matcher}: {numbers['localized']} of {numbers['queries']} queries localized ({points})"]
        if self.errors:
            rows = [
                f"({d:g}, {a:g} deg) {100 * r:.1f} %" for (d, a), r in zip(THRESHOLDS, numbers["recall"], strict=True)
            ]
            lines.append(f"  recall in units of the poses (metres, if they are): {', '.join(rows)}")
            shares = zip(SHARES, numbers["relative_recall"], strict=True)
            rows = [f"({100 * d:g} %, {a:g} deg) {100 * r:.1f} %" for (d, a), r in shares]
            lines.append(f"  recall relative to the map's extent of {self.extent:.4g}: {', '.join(rows)}")
            middle = self.median_error
            told = f"{middle[0]:.4g}, {middle[1]:.3f} deg" if middle else "none, half of the queries or more failed"
            lines.append(f"  median error: {told}")
        lines += [f"  left out of the map: {problem}" for problem in self.left_out.values()]
        return "\n".join([*lines, *(f"  {name}: {reason}" for name, reason in numbers["failed"].items())])


def localize(
    reference: Sequence[PosedImage],
    queries: Sequence[PosedImage],
    out: Path,
    matcher: Matcher,
    options: MapOptions,
    progress: Progress,
) -> Localized:
    """Find the camera of each query in a map of the reference images.

    A query that cannot be read has failed; a reference image that cannot be is left out of the map.

    Args:
        reference: images with poses, from which a map is triangulated; or all with surfaces, which need none.
        queries: images with intrinsics; poses, where known, are only scored against.
        out: folder for ``poses.txt``, ``submission.txt``, ``localization.json`` and, below ``work/``, what a killed
            run goes on from.
        matcher: any matcher.
        options: ``pairs`` and ``masks`` play no part.
        progress: where to report.

    Raises:
        BadInput: no query can be read, or fewer than three reference images (one, if all have surfaces); or these do
            not match each other, so that there is no map.
        GimError: pycolmap is missing.
    """
    measured = all(posed.surface for posed in reference)
    if not measured:
        colmap.version()  # missing software is said before an hour of matching
    whole, queries = checked(reference), checked(queries)
    reference = _readable(whole, 1 if measured else FEWEST, "images of the map")
    asked = _readable(queries, min(1, len(queries)), "queries")
    work = out / WORK
    work.mkdir(parents=True, exist_ok=True)
    engine = open_engine(matcher, [posed.image for posed in (*reference, *asked)], work, options)
    vectors = describe_images(engine, progress, learn_from=len(reference), seed=options.seed)
    world = _world(engine, reference, vectors, work, options, progress)
    query_pairs = _query_pairs(vectors, len(reference))
    engine.run([pair for pairs in query_pairs for pair in pairs], progress)
    estimated = []
    for query, pairs in zip(asked, query_pairs, strict=True):
        pixels, points = lift(engine, pairs, world)
        estimated.append(estimate_pose(query.image.name, pixels, points, query.camera, seed=options.seed))
    poses = _with_unread(queries, estimated)
    extent = extent_of(np.array([centre_of(posed.T_w2c) for posed in reference if posed.T_w2c is not None]))
    left_out = {posed.image.name: posed.damage for posed in whole if posed.damage}
    result = Localized(matcher.name, poses, _errors(queries, poses), extent, world.size, left_out)
    write_poses(out / POSES, poses)
    write_poses(out / SUBMISSION, poses, submission_names([pose.name for pose in poses]))
    write_json(out / NUMBERS, result.as_json())
    return result


def _readable(images: Sequence[PosedImage], fewest: int, what: str) -> list[PosedImage]:
    """The images that can be read.

    Raises:
        BadInput: they are fewer than ``fewest``.
    """
    found = [posed for posed in images if not posed.damage]
    if len(found) < fewest:
        damage = next((f": {posed.damage}" for posed in images if posed.damage), "")
        count = f"{len(found)} of {len(images)} {what} can be read, {fewest} or more are needed"
        raise BadInput(f"{count}{damage}", "add images, or replace what is damaged")
    return found


def _with_unread(queries: Sequence[PosedImage], found: Sequence[QueryPose]) -> list[QueryPose]:
    """The poses in the order of the queries; those that could not be read have failed."""
    rest = iter(found)
    return [QueryPose(one.image.name, None, 0, 0, one.damage) if one.damage else next(rest) for one in queries]


def _world(
    engine: ImageMatcher,
    reference: Sequence[PosedImage],
    vectors: Floats,
    work: Path,
    options: MapOptions,
    progress: Progress,
) -> World:
    surfaces = [posed.surface for posed in reference if posed.surface is not None]
    if len(surfaces) == len(reference):
        return Measured(surfaces)
    found = _triangulated(engine, reference, vectors, work, options, progress)
    quantizers = [options.quantizer.enlarged(factor) for factor in engine.enlargements[: len(reference)]]
    return Triangulated([posed.image.name for posed in reference], found, quantizers)


def _triangulated(
    engine: ImageMatcher,
    reference: Sequence[PosedImage],
    vectors: Floats,
    work: Path,
    options: MapOptions,
    progress: Progress,
) -> SparseMap:
    """Points seen by the reference images, from their given cameras."""
    count = len(reference)
    pairs = exhaustive(count) if count <= _EXHAUSTIVE_UP_TO else lookalikes(vectors[:count], LOOKALIKES)
    engine.run(pairs, progress)
    joined = join(engine, pairs, options.quantizer)
    plan = _plan(reference)
    database, images = work / "map.db", _root(reference[0])
    colmap.write_database(database, plan, joined.keypoints[:count], joined.matches)
    colmap.verify(database, threads=options.threads, seed=options.seed)
    poses = [posed.T_w2c for posed in reference if posed.T_w2c is not None]
    model = colmap.triangulate(database, images, plan, poses, threads=options.threads, seed=options.seed)
    found = colmap.to_map(model)
    if len(found.points) == 0:
        raise BadInput(
            "the reference images do not match each other under their poses: the map has no points",
            "check that cameras.json belongs to these images (T_w2c maps world to camera), or try another matcher",
        )
    return found


def _root(posed: PosedImage) -> Path:
    """The folder that image names are relative to."""
    return posed.image.path.parents[len(Path(posed.image.name).parts) - 1]


def _plan(reference: Sequence[PosedImage]) -> CameraPlan:
    cameras = list(dict.fromkeys(posed.camera for posed in reference))
    return CameraPlan(
        [posed.image.name for posed in reference], cameras, [cameras.index(posed.camera) for posed in reference]
    )


def _query_pairs(vectors: Floats, count: int) -> list[list[Pair]]:
    """For each query its nearest reference images, as (reference row, query row)."""
    found = []
    for row in range(count, len(vectors)):
        best = nearest(vectors[:count] @ vectors[row], LOOKALIKES)
        found.append([(int(i), row) for i in best])
    return found


def _errors(queries: Sequence[PosedImage], poses: Sequence[QueryPose]) -> dict[str, tuple[float, float]]:
    errors = {}
    for query, pose in zip(queries, poses, strict=True):
        if query.T_w2c is not None:
            failed = (float("inf"), float("inf"))
            errors[query.image.name] = failed if pose.T_w2c is None else pose_errors(pose.T_w2c, query.T_w2c)
    return errors
