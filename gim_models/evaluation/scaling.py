"""Stage ``scaling_curve``: accuracy over video, beside the baselines, with tests: table, figures, MLflow study."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gim_data.errors import BadInput
from gim_data.files import atomic, read_json, write_json
from gim_data.ledger import RECORD
from gim_data.stage import Job, Summary
from gim_models.evaluation.auc import THRESHOLDS
from gim_models.evaluation.baselines import distinct_keys
from gim_models.evaluation.bootstrap import compare
from gim_models.evaluation.config import EvaluateConfig
from gim_models.evaluation.figures import draw_errors, draw_overlaps, draw_scaling
from gim_models.evaluation.overlaps import overlap_cells
from gim_models.evaluation.publish import publish_scaling
from gim_models.evaluation.scores import Errors, by_sequence, read_errors, read_scores

if TYPE_CHECKING:
    from gim_models.training.config import StudyConfig

REFERENCE = "rootsift"
"""The baseline that every matcher is tested against, where it is scored."""


@dataclass(frozen=True)
class Value:
    """A number in percent with its 95 % interval, and where it is a difference, the p-value of it."""

    value: float
    low: float
    high: float
    p: float | None = None


@dataclass(frozen=True)
class Row:
    """One matcher in the table.

    Attributes:
        name: of the matcher.
        kind: ``student`` or ``baseline``.
        student, budget, seconds: which model with how much video; None for baselines.
        video: the amount of video for people.
        auc: mean AUC at 5, 10 and 20 degrees.
        gain: AUC@5 less that of the same student without video.
        over_reference: AUC@5 less that of RootSIFT.
        pairs, failures: counts over all sequences.
    """

    name: str
    kind: str
    student: str | None
    budget: float | None
    seconds: float | None
    video: str
    auc: tuple[Value, ...]
    gain: Value | None
    over_reference: Value | None
    pairs: int
    failures: int


def make_scaling(job: Job) -> Summary:
    """Put every scored matcher into one table per protocol, test the differences, draw, and fill the MLflow study.

    Writes ``scaling.json`` (all tables), ``scaling.csv`` (students, for ``dvc plots``), ``scaling.md``,
    ``metrics.json``, ``scaling.png``, ``errors.png`` and ``overlaps.png``.

    Raises:
        BadInput: no student was scored.
    """
    config: EvaluateConfig = job.params["evaluate"]
    study: StudyConfig = job.params["study"]
    units = dict(job.inputs["zeb_scores"])
    seconds = video_seconds(job.input("dataset"))
    tables = {p: build_rows(units, p, study, seconds, config) for p in config.protocols}
    rows = tables[config.protocol]
    if not any(row.student for row in rows):
        raise BadInput("no student was scored", "run 'gim run model', then 'gim run zeb_predictions zeb_scores'")
    note = f"{rows[0].pairs} pairs, protocol {config.protocol}; bands and brackets are 95 % bootstrap intervals"
    _write_tables(job.out, tables, config, note)
    draw_scaling(job.out / "scaling.png", tables, "zero-shot accuracy over video")
    found = {row.name: read_errors(units[row.name], config.protocol) for row in rows}
    errors = {name: by_sequence(table) for name, table in found.items()}
    draw_errors(job.out / "errors.png", errors, f"pairs within a pose error, mean over sequences ({config.protocol})")
    overlaps = {n: overlap_cells(t, samples=config.bootstrap, seed=config.seed) for n, t in found.items()}
    draw_overlaps(
        job.out / "overlaps.png", overlaps, f"accuracy by overlap, all sequences together ({config.protocol})"
    )
    publish_scaling(job.root, study.name, tables, sorted(job.out.iterdir()))
    return {**flat_metrics(rows), "figures": ["scaling.png", "errors.png", "overlaps.png"], "table": markdown(rows)}


def video_seconds(dataset: Path) -> float:
    """Seconds of video behind a budget of 1, as the dataset stage recorded them."""
    return float(read_json(dataset / RECORD)["summary"]["seconds"])


def build_rows(
    units: Mapping[str, Path], protocol: str, study: StudyConfig, seconds: float, config: EvaluateConfig
) -> list[Row]:
    """One row per scored matcher under one protocol: students by name and budget, then baselines."""
    from gim_models.training.config import model_key

    errors = {name: by_sequence(read_errors(folder, protocol)) for name, folder in units.items()}
    rows = []
    for student in study.students:
        zero = errors.get(model_key(student.name, 0.0))
        for budget in sorted(study.budgets):
            key = model_key(student.name, budget)
            if key in units:
                cell = read_scores(units[key])["protocols"][protocol]["mean"]
                gain = _difference(errors[key], zero, config) if budget > 0 else None
                over = _difference(errors[key], errors.get(REFERENCE), config)
                rows.append(_row(key, cell, (student.name, budget, budget * seconds), gain, over))
    for name in distinct_keys(config.baselines):
        if name in units:
            cell = read_scores(units[name])["protocols"][protocol]["mean"]
            over = _difference(errors[name], errors.get(REFERENCE), config) if name != REFERENCE else None
            rows.append(_row(name, cell, None, None, over))
    return rows


def markdown(rows: Sequence[Row]) -> str:
    """The table for people, AUC in percent with 95 % intervals."""
    head = ["matcher", "video", *(f"AUC@{t:.0f}°" for t in THRESHOLDS), "gain over 0 h", f"over {REFERENCE}", "failed"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for row in rows:
        cells = [f"{v.value:.1f} [{v.low:.1f}, {v.high:.1f}]" for v in row.auc]
        lines.append(
            f"| {row.name} | {row.video} | {' | '.join(cells)} | {_signed(row.gain)} | {_signed(row.over_reference)} "
            f"| {row.failures}/{row.pairs} |"
        )
    return "\n".join(lines) + "\n"


def flat_metrics(rows: Sequence[Row]) -> dict[str, float]:
    """``<matcher>/auc_5deg`` and so on, and gains: for ``dvc metrics`` and the summary."""
    out = {}
    for row in rows:
        for threshold, value in zip(THRESHOLDS, row.auc, strict=True):
            out[f"{row.name}/auc_{threshold:.0f}deg"] = value.value
        if row.gain:
            out[f"{row.name}/gain_5deg"] = row.gain.value
    return out


def _row(
    name: str,
    cell: Mapping[str, Any],
    model: tuple[str, float, float] | None,
    gain: Value | None,
    over: Value | None,
) -> Row:
    keys = [f"auc_{t:.0f}deg" for t in THRESHOLDS]
    auc = tuple(Value(cell[key], *cell[f"{key}_interval"]) for key in keys)
    student, budget, seconds = model or (None, None, None)
    video = "" if seconds is None else f"{seconds / 60:.1f} min"
    kind = "student" if model else "baseline"
    return Row(name, kind, student, budget, seconds, video, auc, gain, over, cell["pairs"], cell["failures"])


def _difference(first: Errors, second: Errors | None, config: EvaluateConfig) -> Value | None:
    """Paired difference in mean AUC@5, in percent; None where there is nothing to compare with."""
    if second is None:
        return None
    rng = np.random.default_rng(config.seed)
    found = compare(first, second, THRESHOLDS[0], rng, samples=config.bootstrap)
    return Value(100 * found.difference, 100 * found.interval[0], 100 * found.interval[1], found.p_value)


def _write_tables(folder: Path, tables: Mapping[str, Sequence[Row]], config: EvaluateConfig, note: str) -> None:
    rows = tables[config.protocol]
    whole = {
        "note": note,
        "thresholds": [int(t) for t in THRESHOLDS],
        "protocol": config.protocol,
        "rows": [asdict(row) for row in rows],
        "tables": {name: [asdict(row) for row in table] for name, table in tables.items()},
    }
    write_json(folder / "scaling.json", whole)
    write_json(folder / "metrics.json", flat_metrics(rows))
    text = "\n".join(f"### {name}\n\n{markdown(table)}" for name, table in tables.items())
    with atomic(folder / "scaling.md") as temporary:
        temporary.write_text(text)
    with atomic(folder / "scaling.csv") as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(
            ["student", "budget", "minutes", *(f"auc_{t:.0f}deg{s}" for t in THRESHOLDS for s in _SUFFIXES)]
        )
        for row in rows:
            if row.student and row.seconds is not None:
                numbers = [n for v in row.auc for n in (v.value, v.low, v.high)]
                writer.writerow([row.student, row.budget, row.seconds / 60, *(round(n, 4) for n in numbers)])


_SUFFIXES = ("", "_low", "_high")


def _signed(value: Value | None) -> str:
    if value is None:
        return ""
    return f"{value.value:+.1f} [{value.low:+.1f}, {value.high:+.1f}] p={value.p:.3f}"
