"""Stage ``bev``: one matcher on every set of posed scans, seen from above."""

from __future__ import annotations

from pathlib import Path

from gim_data.errors import BadInput
from gim_data.files import write_json
from gim_data.stage import Job, Summary
from gim_models.downstream.bev.align import BevSettings
from gim_models.downstream.bev.bench import (
    BenchSettings,
    Readable,
    TrialScore,
    label,
    read_trials,
    rows,
    run_trials,
    summarize,
    trials_of,
)
from gim_models.downstream.bev.figures import draw_recall
from gim_models.downstream.bev.scans import read_scans
from gim_models.downstream.config import DownstreamConfig
from gim_models.downstream.scenes import sets_of
from gim_models.downstream.tasks import SCORES, TASKS, Cell, headline, markdown, publish
from gim_models.evaluation.predictions import open_unit

FIGURE = "recall.png"


def make_bev(job: Job) -> Summary:
    """Align the pairs of every set; writes ``scores.json``, ``trials.json`` (pair by pair) and ``recall.png``.

    Scans that cannot be read are left out with their pairs and named in ``scores.json``.

    Raises:
        BadInput: no set is configured, no two scans of a set are near enough, or of none can both be read.
        GimError: the matcher cannot be opened.
    """
    config: DownstreamConfig = job.params["downstream"]
    sets = sets_of("scans", job)
    matcher = open_unit(job, job.params["evaluate"])
    settings = BevSettings(headings=config.headings, seed=config.seed)
    which = BenchSettings(farthest=config.farthest, seed=config.seed, columns=config.columns)
    read = {name: _read(folder, which) for name, folder in sets.items()}
    scores = {
        name: [score for score, _ in run_trials(matcher, one.clouds, one.trials, settings, job.progress)]
        for name, one in read.items()
    }
    cells = {name: cell_of(found) for name, found in scores.items()}
    write_json(job.out / "trials.json", {name: rows(found) for name, found in scores.items()})
    left_out = {name: one.left_out for name, one in read.items() if one.left_out}
    write_json(job.out / SCORES, {"sets": cells, **({"left_out": left_out} if left_out else {})})
    everything = [one for found in scores.values() for one in found]
    draw_recall(job.out / FIGURE, {job.unit: summarize(everything)}, label((2.0, 5.0)))
    publish(job, TASKS["bev"], cells, [job.out / FIGURE])
    return {
        "sets": len(cells),
        "pairs": len(everything),
        "scans_left_out": sum(len(one.left_out) for one in read.values()),
        "recall_2m_5deg": headline(TASKS["bev"], cells),
        "table": markdown(TASKS["bev"], {job.unit: cells}),
        "figures": [FIGURE],
    }


def cell_of(scores: list[TrialScore]) -> Cell:
    """The numbers of one set: recall in percent by name of its limits, counts, median errors."""
    summary = summarize(scores)
    recalls = {f"recall_{name.replace(' ', '').replace(',', '_')}": 100 * r for name, r in summary["recall"].items()}
    counts = {key: summary[key] for key in ("trials", "without_motion")}
    return {**recalls, **counts, **summary["median"]}


def _read(folder: Path, which: BenchSettings) -> Readable:
    scans = read_scans(folder)
    trials = trials_of(scans, which)
    if not trials:
        raise BadInput(f"{folder}: no two scans are within {which.farthest:g} m", "raise 'downstream.farthest'")
    return read_trials(scans, trials, columns=which.columns)
