"""Stages ``maps`` and ``relocalization``: one matcher on every posed set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gim_data.errors import BadInput, GimError
from gim_data.files import write_json
from gim_data.stage import Job, Summary
from gim_models.downstream.config import DownstreamConfig
from gim_models.downstream.mapping import colmap
from gim_models.downstream.mapping.bench import Case, Mapped, cases_of, localize_set, map_case
from gim_models.downstream.mapping.figures import draw_maps
from gim_models.downstream.mapping.reconstruct import MapOptions
from gim_models.downstream.mapping.viewer import write_view
from gim_models.downstream.scenes import sets_of
from gim_models.downstream.tasks import SCORES, TASKS, headline, markdown, publish
from gim_models.evaluation.predictions import open_unit

if TYPE_CHECKING:
    from gim_data.types import Matcher

FIGURE = "maps.png"


def make_maps(job: Job) -> Summary:
    """Map every set, whole and thinned, and compare with its cameras.

    Writes ``scores.json``, ``maps.png`` and, per map that was made, ``<case>.html``. Pairs that were matched stay
    matched when the attempt is killed; so do they between the whole set and its thinned ones.

    Raises:
        BadInput: no set is configured, or pycolmap is missing.
        GimError: the matcher cannot be opened.
    """
    config: DownstreamConfig = job.params["downstream"]
    sets = sets_of("maps", job)
    _need_pycolmap()
    matcher = open_unit(job, job.params["evaluate"])
    made: dict[str, Mapped] = {}
    for case in cases_of(sets, config.every, config.max_images):
        made[case.name] = _mapped(case, job, matcher, config)
        found = made[case.name].found
        if found is not None:
            write_view(job.out / f"{case.name}.html", found, f"{case.name} by {job.unit}", "")
    draw_maps(job.out / FIGURE, made, f"{job.unit}: true cameras (rings), placed cameras (dots), points")
    cells = {name: one.cell for name, one in made.items()}
    write_json(job.out / SCORES, {"sets": cells})
    publish(job, TASKS["maps"], cells, [job.out / FIGURE])
    return {
        "maps": len(cells),
        "images": sum(cell["images"] for cell in cells.values()),
        "registered": sum(cell["registered"] for cell in cells.values()),
        "within_1_percent": headline(TASKS["maps"], cells),
        "table": markdown(TASKS["maps"], {job.unit: cells}),
        "figures": [FIGURE],
    }


def make_relocalization(job: Job) -> Summary:
    """Look for some images of every set in a map of the others; writes ``scores.json``.

    Raises:
        BadInput: no set is configured, or pycolmap is missing.
        GimError: the matcher cannot be opened.
    """
    config: DownstreamConfig = job.params["downstream"]
    sets = sets_of("maps", job)
    _need_pycolmap()
    matcher = open_unit(job, job.params["evaluate"])
    options, limits = _options(job, config), {"query_every": config.query_every, "most": config.max_images}
    cells = {
        name: localize_set(folder, job.scratch / name, matcher, options, job.progress, **limits)
        for name, folder in sets.items()
    }
    write_json(job.out / SCORES, {"sets": cells})
    publish(job, TASKS["relocalization"], cells, [])
    return {
        "sets": len(cells),
        "queries": sum(cell["queries"] for cell in cells.values()),
        "localized": sum(cell["localized"] for cell in cells.values()),
        "recall_1percent_5deg": headline(TASKS["relocalization"], cells),
        "table": markdown(TASKS["relocalization"], {job.unit: cells}),
    }


def _mapped(case: Case, job: Job, matcher: Matcher, config: DownstreamConfig) -> Mapped:
    where: Path = job.scratch / case.folder.name
    return map_case(case, where, matcher, _options(job, config), job.progress)


def _options(job: Job, config: DownstreamConfig) -> MapOptions:
    return MapOptions(job.unit, max_side=config.max_side, threads=config.threads, seed=config.seed)


def _need_pycolmap() -> None:
    """A machine without pycolmap can do everything else: a recorded skip, tried again once it is installed."""
    try:
        colmap.version()
    except GimError as error:
        raise BadInput(error.problem, error.remedy) from None
