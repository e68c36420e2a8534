"""Stage ``planes``: one matcher on every set of homographies and of annotated points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gim_data.bench.checks import load_image
from gim_data.bench.planar import PlanarPair, read_planar, read_points
from gim_data.errors import BadInput
from gim_data.files import write_json
from gim_data.plotting import save_picture, stack
from gim_data.stage import Job, Summary
from gim_data.types import Image, Matcher
from gim_models.downstream.config import DownstreamConfig
from gim_models.downstream.matching import match_reduced
from gim_models.downstream.pictures import draw_lines, draw_warp, inlier_colours
from gim_models.downstream.planar import estimate_homography
from gim_models.downstream.scenes import sets_of
from gim_models.downstream.tasks import SCORES, TASKS, headline, markdown, publish
from gim_models.evaluation.flat_bench import run_planar, run_points
from gim_models.evaluation.homography import PROTOCOLS
from gim_models.evaluation.predictions import open_unit

PROTOCOL = "homography-ransac-v1"
FIGURE = "planes.jpg"
_SHOWN, _SIDE, _PIXELS = 3, 640, 3.0  # pictures; pixels of the long side, and of an inlier, in them


def make_planes(job: Job) -> Summary:
    """Score homographies and annotated points; writes ``scores.json``, ``pairs.json`` (pair by pair), ``planes.jpg``.

    Raises:
        BadInput: neither planes nor points are configured, or a set cannot be read.
        GimError: the matcher cannot be opened.
    """
    config: DownstreamConfig = job.params["downstream"]
    if not (config.planes or config.points):
        raise BadInput(
            "downstream.planes and downstream.points name no set", "add folders, or 'synthetic', to 'downstream.planes'"
        )
    planes = _read(read_planar, sets_of("planes", job)) if config.planes else {}
    points = _read(read_points, sets_of("points", job)) if config.points else {}
    matcher = open_unit(job, job.params["evaluate"])
    job.progress.start(f"planes by {job.unit}", sum(map(len, [*planes.values(), *points.values()])))
    rows: dict[str, Any] = {}
    if planes:
        chosen = PROTOCOLS[PROTOCOL]
        rows |= run_planar(matcher, planes, chosen, job.progress, short_side=config.short_side, seed=config.seed)
    if points:
        rows |= run_points(matcher, points, job.progress)
    cells = {name: row for name, row in rows.items() if name in planes or name in points}
    write_json(job.out / "pairs.json", {name: cell["rows"] for name, cell in cells.items()})
    cells = {name: {key: value for key, value in cell.items() if key != "rows"} for name, cell in cells.items()}
    write_json(job.out / SCORES, {"sets": cells, "protocol": PROTOCOL})
    figures = [_draw(job.out / FIGURE, matcher, planes)] if planes else []
    publish(job, TASKS["planes"], cells, figures)
    return {
        "sets": len(cells),
        "pairs": sum(cell["pairs"] for cell in cells.values()),
        "accuracy": headline(TASKS["planes"], cells),
        "table": markdown(TASKS["planes"], {job.unit: cells}),
        "figures": [path.name for path in figures],
    }


def _read(reader: Any, folders: Mapping[str, Path]) -> dict[str, Any]:
    """The sets of all folders; of two with one name the second carries its folder's."""
    sets: dict[str, Any] = {}
    for name, folder in folders.items():
        for inner, pairs in reader(folder).items():
            sets[inner if inner not in sets else f"{name}-{inner}"] = pairs
    return sets


def _draw(path: Path, matcher: Matcher, sets: Mapping[str, Sequence[PlanarPair]]) -> Path:
    """The first pair of some sets: one view warped onto the other by what this matcher finds, or why it is not."""
    rows: list[Image] = []
    for name, pairs in list(sets.items())[:_SHOWN]:
        image0, image1 = load_image(pairs[0].image0), load_image(pairs[0].image1)
        found = match_reduced(matcher, image0, image1, max_side=_SIDE)
        planar = estimate_homography(found, threshold=_PIXELS)
        if planar.H_0to1 is not None:
            rows.append(draw_warp(image0, image1, planar.H_0to1, caption=f"{matcher.name}, {name}: {planar.reason}"))
        else:
            colours = inlier_colours(planar.inliers)
            rows.append(draw_lines(image0, image1, found, colours, caption=f"{matcher.name}, {name}: {planar.reason}"))
    save_picture(path, stack(rows))
    return path
