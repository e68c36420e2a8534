"""Stage ``zeb_scores``: pose errors of one matcher, and its AUC per sequence and on average, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gim_data.errors import GimError
from gim_data.files import atomic, read_json, write_json
from gim_data.stage import Job, Summary
from gim_data.types import TwoViewPair
from gim_models.evaluation.auc import THRESHOLDS, auc
from gim_models.evaluation.bench import read_bench
from gim_models.evaluation.bootstrap import interval, resample, resample_mean
from gim_models.evaluation.config import EvaluateConfig
from gim_models.evaluation.figures import draw_errors, draw_overlaps, draw_sequences
from gim_models.evaluation.overlaps import overlap_cells
from gim_models.evaluation.pose_stage import pair_up, score_tasks
from gim_models.evaluation.prediction_store import read_predictions
from gim_models.evaluation.protocol import PROTOCOLS, PairScore
from gim_models.evaluation.publish import publish_scores

SCORES_FILE = "scores.json"
ERRORS_FILE = "errors.parquet"
Errors = Mapping[str, NDArray[np.float64]]  # sequence -> (P,) degrees


def make_scores(job: Job) -> Summary:
    """Score the unit's predictions under every configured protocol.

    Writes ``errors.parquet`` (one row per protocol and pair) and ``scores.json``:
    ``{"protocols": {name: {"versions", "seed", "sequences": {name: cell}, "mean": cell, "overlaps": [cell]}},
    "headline": name}``, where a cell holds ``auc_5deg``, ``auc_10deg``, ``auc_20deg`` and the 95 % intervals of each,
    in percent, ``pairs``, ``failures`` and their reasons; those of ``overlaps`` are described in ``overlaps.py``.
    """
    config: EvaluateConfig = job.params["evaluate"]
    sequences = read_bench(job.inputs["bench"]["all"])
    folder = job.input("zeb_predictions")
    total = len(config.protocols) * sum(len(pairs) for pairs in sequences.values())
    job.progress.start(f"poses of {job.unit}", total)
    tables = [_score_protocol(name, sequences, folder, config, job) for name in config.protocols]
    errors = pd.concat(tables, ignore_index=True)
    with atomic(job.out / ERRORS_FILE) as temporary:
        errors.to_parquet(temporary, compression="zstd", index=False)
    scores = summarise(errors, config)
    write_json(job.out / SCORES_FILE, scores)
    figures = _draw(job, scores, errors, config)
    publish_scores(job, scores, figures)
    headline = scores["protocols"][config.protocol]
    shown = {"table": markdown(headline), "figures": [path.name for path in figures]}
    return {"protocol": config.protocol, **headline["mean"], **shown}


def summarise(errors: pd.DataFrame, config: EvaluateConfig) -> dict[str, Any]:
    """The contents of ``scores.json`` from the rows of ``errors.parquet``."""
    protocols = {}
    for name in config.protocols:
        rows = errors[errors["protocol"] == name]
        cells = {str(s): cell(part, config) for s, part in rows.groupby("sequence", sort=True)}
        protocols[name] = {
            "versions": PROTOCOLS[name].versions(),
            "seed": config.seed,
            "sequences": cells,
            "mean": mean_cell(rows, cells, config),
            "overlaps": overlap_cells(rows, samples=config.bootstrap, seed=config.seed),
        }
    return {"headline": config.protocol, "protocols": protocols, "bootstrap": config.bootstrap}


def markdown(found: Mapping[str, Any]) -> str:
    """The cells of one protocol as a table for people, in percent with 95 % intervals."""
    keys = [f"auc_{t:.0f}deg" for t in THRESHOLDS]
    head = ["sequence", "pairs", *(f"AUC@{t:.0f}°" for t in THRESHOLDS), "failed", "precision", "of inliers"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for name, each in {**found["sequences"], "mean": found["mean"]}.items():
        values = [f"{each[k]:.1f} [{each[f'{k}_interval'][0]:.1f}, {each[f'{k}_interval'][1]:.1f}]" for k in keys]
        shares = [f"{each[k]:.2f}" if k in each else "" for k in ("precision_before", "precision_after")]
        lines.append("| " + " | ".join([name, str(each["pairs"]), *values, str(each["failures"]), *shares]) + " |")
    return "\n".join(lines) + "\n"


def cell(rows: pd.DataFrame, config: EvaluateConfig) -> dict[str, Any]:
    """AUC in percent with intervals, of the pairs of one sequence."""
    values = rows["error"].to_numpy()
    rng = np.random.default_rng(config.seed)
    out: dict[str, Any] = {"pairs": len(rows), "failures": int((rows["reason"] != "").sum())}
    for t in THRESHOLDS:
        out[f"auc_{t:.0f}deg"] = 100 * auc(values, t)
        out[f"auc_{t:.0f}deg_interval"] = _percent(interval(resample(values, t, rng, samples=config.bootstrap)))
    out["reasons"] = dict(sorted(Counter(rows["reason"]).items()))
    out["reasons"].pop("", None)
    out["precision_before"] = float(rows["precision_before"].mean())
    out["precision_after"] = float(rows["precision_after"].mean())
    return out


def mean_cell(rows: pd.DataFrame, cells: Mapping[str, Mapping[str, Any]], config: EvaluateConfig) -> dict[str, Any]:
    """The unweighted mean over sequences, with the interval of that mean."""
    rng = np.random.default_rng(config.seed)
    groups = list(by_sequence(rows).values())
    out: dict[str, Any] = {key: sum(int(c[key]) for c in cells.values()) for key in ("pairs", "failures")}
    for t in THRESHOLDS:
        key = f"auc_{t:.0f}deg"
        out[key] = float(np.mean([c[key] for c in cells.values()]))
        out[f"{key}_interval"] = _percent(interval(resample_mean(groups, t, rng, samples=config.bootstrap)))
    return {**out, "sequences": len(cells)}


def by_sequence(rows: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Sequence -> (P,) errors in degrees, pairs in order of identifier."""
    ordered = rows.sort_values(["sequence", "identifier"])
    return {str(name): part["error"].to_numpy() for name, part in ordered.groupby("sequence", sort=True)}


def read_scores(folder: Path) -> dict[str, Any]:
    """``scores.json`` of a scored matcher.

    Raises:
        GimError: there is none.
    """
    path = folder / SCORES_FILE
    if not path.is_file():
        raise GimError(f"{path} is missing", "run 'gim run zeb_scores'")
    scores: dict[str, Any] = read_json(path)
    return scores


def pick_protocol(folder: Path, protocol: str | None) -> str:
    """The protocol asked for, the headline one where none is.

    Raises:
        GimError: the matcher was not scored under it.
    """
    scores = read_scores(folder)
    chosen = str(protocol or scores["headline"])
    if chosen not in scores["protocols"]:
        known = ", ".join(sorted(scores["protocols"]))
        raise GimError(f"{folder} has no scores under {chosen!r}", f"use one of {known}, or add it to evaluate.also")
    return chosen


def read_errors(folder: Path, protocol: str) -> pd.DataFrame:
    """The rows of ``errors.parquet`` under one protocol."""
    table = pd.read_parquet(folder / ERRORS_FILE)
    return table[table["protocol"] == protocol].reset_index(drop=True)


def _score_protocol(
    protocol: str, sequences: Mapping[str, Sequence[TwoViewPair]], folder: Path, config: EvaluateConfig, job: Job
) -> pd.DataFrame:
    tasks, names = [], []
    for name, pairs in sequences.items():
        tasks += pair_up(protocol, pairs, read_predictions(folder / f"{name}.parquet"), config.seed)
        names += [name] * len(pairs)
    rows = []
    for name, score in zip(names, score_tasks(tasks, workers=config.workers), strict=True):
        rows.append(_row(protocol, name, score))
        job.progress.advance(1, name)
    return pd.DataFrame(rows)


def _row(protocol: str, sequence: str, score: PairScore) -> dict[str, Any]:
    return {"protocol": protocol, "sequence": sequence, **asdict(score), "error": score.error}


def _draw(job: Job, scores: Mapping[str, Any], errors: pd.DataFrame, config: EvaluateConfig) -> list[Path]:
    paths = [job.out / f"{name}.png" for name in ("sequences", "errors", "overlaps")]
    title = f"{job.unit}, {config.protocol}"
    draw_sequences(paths[0], scores["protocols"][config.protocol]["sequences"], title)
    curves = {name: by_sequence(errors[errors["protocol"] == name]) for name in config.protocols}
    draw_errors(paths[1], curves, f"{job.unit}: pairs within a pose error, mean over sequences")
    overlaps = {name: found["overlaps"] for name, found in scores["protocols"].items()}
    draw_overlaps(paths[2], overlaps, f"{job.unit}: accuracy by overlap, all sequences together")
    return paths


def _percent(bounds: tuple[float, float]) -> list[float]:
    return [100 * bound for bound in bounds]
