"""Stage ``splats``: splats from one matcher's map of every posed set, and from a random start with its cameras."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace

from gim_data.errors import BadInput, GimError
from gim_data.files import write_json
from gim_data.plotting import save_picture, stack
from gim_data.stage import Job, Summary
from gim_data.types import Image
from gim_data.video.sources import image_files
from gim_models.downstream.config import DownstreamConfig
from gim_models.downstream.mapping import colmap
from gim_models.downstream.mapping.bench import Case, cases_of
from gim_models.downstream.mapping.images import photo_folder
from gim_models.downstream.mapping.reconstruct import MapOptions
from gim_models.downstream.scenes import sets_of
from gim_models.downstream.splatting.compare import Contest, Entry, against_random, median_gap, rows, safe
from gim_models.downstream.splatting.density import DensityRule
from gim_models.downstream.splatting.figures import strip
from gim_models.downstream.splatting.results import SPLATS
from gim_models.downstream.splatting.scene import HOLD_OUT
from gim_models.downstream.splatting.train import TrainOptions
from gim_models.downstream.tasks import SCORES, TASKS, Cell, headline, markdown, publish
from gim_models.evaluation.predictions import open_unit
from gim_models.registry import usable_device

FIGURE = "splats.jpg"


def make_splats(job: Job) -> Summary:
    """Learn splats from the matcher's map of every set and from a random start; score both at held-out pictures.

    Writes ``scores.json``, ``<set>.ply`` (the splats from the map) and ``splats.jpg``. A set without a map is a row
    with the reason. Pairs that were matched and steps that were trained survive a kill of the attempt.

    Raises:
        BadInput: no set is configured, or pycolmap is missing.
        GimError: the matcher cannot be opened.
    """
    config: DownstreamConfig = job.params["downstream"]
    cases = _cases(job, config)
    contest = _contest(job, config)
    cells: dict[str, Cell] = {}
    pictures: list[Image] = []
    for case in cases:
        mapped = replace(contest, mapping=replace(contest.mapping, every=case.every))
        work = job.scratch / safe(case.name)
        try:
            entries = against_random(case.folder, work, mapped, job.progress)
        except BadInput as error:  # a set that this matcher makes no map of is a result, not the end of the table
            cells[case.name] = _without_map(case, error)
            continue
        cells[case.name] = cell_of(entries)
        shutil.copyfile(work / "splats" / safe(entries[0].label) / SPLATS, job.out / f"{case.name}.ply")
        pictures.append(strip(entries, median_gap(entries)))
    figures = [job.out / FIGURE] if pictures else []
    for path in figures:
        save_picture(path, stack(pictures))
    write_json(job.out / SCORES, {"sets": cells})
    publish(job, TASKS["splats"], cells, figures)
    return {
        "sets": len(cells),
        "judged": sum(cell["judged"] for cell in cells.values()),
        "similarity": headline(TASKS["splats"], cells),
        "table": markdown(TASKS["splats"], {job.unit: cells}),
        "figures": [path.name for path in figures],
    }


def cell_of(entries: Sequence[Entry]) -> Cell:
    """The numbers of one set: splats from the map, then from a random start with the same cameras.

    ``similarity`` is the mean SSIM in percent over all held-out pictures; one that the map lacks counts as 0, so that
    a map of the easy half is not the better one.
    """
    mapped, random = rows(entries)
    missing = len(entries[0].scene.missing) if entries[0].scene is not None else 0
    held_out = mapped["judged"] + missing
    return {
        "psnr": mapped["psnr"],
        "ssim": mapped["ssim"],
        "random_psnr": random["psnr"],
        "random_ssim": random["ssim"],
        "similarity": 100 * mapped["ssim"] * mapped["judged"] / held_out,
        "judged": mapped["judged"],
        "held_out": held_out,
        "gaussians": mapped["gaussians"],
        "seconds": round(mapped["seconds"], 1),
        "problem": "",
    }


def _without_map(case: Case, error: BadInput) -> Cell:
    """The row of a set without splats."""
    held_out = len(image_files(photo_folder(case.folder))[:: case.every][::HOLD_OUT])
    return {"similarity": 0.0, "judged": 0, "held_out": held_out, "problem": error.problem}


def _cases(job: Job, config: DownstreamConfig) -> list[Case]:
    """The sets that splats are learned from, large ones thinned.

    Raises:
        BadInput: there is none, or pycolmap is missing (tried again once it is installed).
    """
    if not config.splatted():
        raise BadInput(
            f"downstream.splats {list(config.splats)} names no source of downstream.maps",
            "name some of those that 'downstream.maps' lists",
        )
    narrowed = config.model_copy(update={"maps": config.splatted()})
    sets = sets_of("maps", replace(job, params={**job.params, "downstream": narrowed}))
    try:
        colmap.version()
    except GimError as error:
        raise BadInput(error.problem, error.remedy) from None
    return cases_of(sets, (1,), config.max_images)


def _contest(job: Job, config: DownstreamConfig) -> Contest:
    evaluate = job.params["evaluate"]
    density = DensityRule(most=2 * config.splat_count)
    return Contest(
        [(job.unit, open_unit(job, evaluate))],
        MapOptions(job.unit, max_side=config.max_side, threads=config.threads, seed=config.seed),
        TrainOptions(steps=config.splat_steps, count=config.splat_count, seed=config.seed, density=density),
        config.splat_side,
        device=usable_device(evaluate.device),
        frames=0,
    )
