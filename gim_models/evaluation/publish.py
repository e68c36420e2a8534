"""Scores into MLflow: a model's into its training run, a baseline's into a run of its own, the curve into the study."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gim_data.ledger import Ledger
from gim_models.evaluation.auc import THRESHOLDS
from gim_models.evaluation.baselines import distinct_keys

if TYPE_CHECKING:
    from gim_data.stage import Job
    from gim_models.evaluation.scaling import Row
    from gim_models.tracking import RunLog, Tracker

EXPERIMENT = "gim"
MODEL_STAGE = "model"


def score_metrics(scores: Mapping[str, Any]) -> dict[str, float]:
    """MLflow metrics of a ``scores.json``: ``poselib-v1/<sequence>/auc_5deg``, ``poselib-v1/mean_auc_5deg`` and so on.

    Every cell (protocol, sequence, threshold) is one, under the same name for every matcher and in every run, whichever
    protocol is the headline; so are the tenths of overlap (``poselib-v1/overlap-0.3/auc_5deg`` from 0.3 on), and the
    precision and failures of a sequence.
    """
    metrics: dict[str, float] = {}
    for prefix, found in scores["protocols"].items():
        for key in (f"auc_{t:.0f}deg" for t in THRESHOLDS):
            metrics[f"{prefix}/mean_{key}"] = found["mean"][key]
            for sequence, cell in found["sequences"].items():
                metrics[f"{prefix}/{metric_name(sequence)}/{key}"] = cell[key]
            metrics |= {f"{prefix}/overlap-{cell['low']:.1f}/{key}": cell[key] for cell in found["overlaps"]}
        for sequence, cell in found["sequences"].items():
            for key in ("failures", "precision_before", "precision_after"):
                metrics[f"{prefix}/{metric_name(sequence)}/{key}"] = cell[key]
        metrics[f"{prefix}/failures"] = found["mean"]["failures"]
    return metrics


def metric_name(text: str) -> str:
    """A name as part of an MLflow metric, which may hold letters, digits, ``_ - .`` and blanks only."""
    return re.sub(r"[^A-Za-z0-9_. -]", "-", text)


def publish_scores(job: Job, scores: Mapping[str, Any], files: Sequence[Path]) -> None:
    """Log one matcher's scores and figures.

    A model's scores go into the run that trained it. A matcher without one (a baseline, or a model whose ``mlruns`` was
    deleted) gets a run of its own, found again by the unit's digest.
    """
    from gim_models.tracking import RunLog, open_tracker

    tracker = open_tracker(job.root)
    run_id = find_model_run(tracker, job)
    if run_id is not None:
        _log(RunLog(tracker.client, run_id), scores, files)
        return
    study, params = job.params["study"].name, {"matcher": job.unit, "protocol": scores["headline"]}
    with tracker.run(EXPERIMENT, job.unit, study=study, digest=job.digest, params=params) as log:
        _log(log, scores, files)


def find_model_run(tracker: Tracker, job: Job) -> str | None:
    """The run that trained the model a job is about, or None.

    Names do not tell: a recipe that is taken up again finds its old run, which is then not the newest of its name.
    """
    digest = model_digest(job)
    return tracker.find(digest) if digest is not None else None


def model_digest(job: Job) -> str | None:
    """The digest of the model that a job is about, which its training run carries; None for a baseline."""
    if job.unit in distinct_keys(job.params["evaluate"].baselines):
        return None
    model = Ledger(job.root).read(MODEL_STAGE, job.unit)
    return model.digest if model is not None else None


def publish_scaling(root: Path, study: str, tables: Mapping[str, Sequence[Row]], files: Sequence[Path]) -> None:
    """Log the curve of every protocol into the study's parent run, with whole seconds of video as steps; and files."""
    from gim_models.tracking import open_tracker

    log = open_tracker(root).study(EXPERIMENT, study)
    for protocol, row in ((protocol, row) for protocol, rows in tables.items() for row in rows):
        values = {f"mean_auc_{t:.0f}deg": v.value for t, v in zip(THRESHOLDS, row.auc, strict=True)}
        name, step = (row.name, 0.0) if row.student is None else (row.student, row.seconds or 0.0)
        log.metrics({f"{protocol}/{metric_name(name)}/{key}": v for key, v in values.items()}, step=round(step))
    for path in files:
        log.artifact(path)


def _log(log: RunLog, scores: Mapping[str, Any], files: Sequence[Path]) -> None:
    import json

    log.metrics(score_metrics(scores))
    log.tags({"gim.protocol": scores["headline"]})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.json"
        path.write_text(json.dumps(scores, indent=1, sort_keys=True))
        log.artifact(path)
    for path in files:
        log.artifact(path)
