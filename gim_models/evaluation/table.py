"""The paper-style table: a row per matcher, a column per data set, mean and mean rank; published rows are marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from gim_data.bench.frozen import bare_identifier, read_frozen
from gim_data.bench.names import BY_DUMP, BY_FOLDER, ZEB
from gim_data.errors import GimError
from gim_models.evaluation.auc import THRESHOLDS, auc, mean_rank
from gim_models.evaluation.bootstrap import Interval, interval, resample_mean
from gim_models.evaluation.dump_scores import score_dumps
from gim_models.evaluation.published import PUBLISHED_PAIRS, PUBLISHED_TABLE
from gim_models.evaluation.scores import Errors, by_sequence, pick_protocol, read_errors

MEASURED, RESCORED, PUBLISHED = "measured", "rescored", "published"
Cells = tuple[float | None, ...]
_SHORTS = tuple(row.short for row in ZEB)


@dataclass(frozen=True)
class TableRow:
    """One matcher.

    Attributes:
        name: of the matcher.
        source: ``measured`` here, ``rescored`` from published per-pair results, or ``published`` as a number.
        cells: AUC in percent per column of the table, None where there is none.
        mean: the unweighted mean over the columns, None where one is missing.
        pairs: how many pairs are behind the row.
        interval: 95 % interval of the mean in percent, where errors per pair are known.
        rank: mean rank among the complete rows of the table, or None.
    """

    name: str
    source: str
    cells: Cells
    mean: float | None
    pairs: int
    interval: Interval | None = None
    rank: float | None = None


@dataclass(frozen=True)
class ScoreTable:
    """A table whose rows may be compared with each other.

    Attributes:
        title: what is shown, in which unit, on what.
        columns: data sets.
        rows: matchers, ranked.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


def build_tables(
    units: Mapping[str, Path], protocol: str | None, threshold: float, *, dumps: Path | None = None
) -> list[ScoreTable]:
    """Measured scores; sequences that are ZEB's own stand beside the published rows, all others in a table apart.

    A sequence is ZEB's own if it has the name of a data set and every pair of it is on the frozen list.

    Args:
        units: matcher -> folder of its ``zeb_scores`` unit.
        protocol: that every row is taken from; None for the headline protocol of the scores.
        threshold: degrees, one of ``THRESHOLDS``. The published rows are known at 5 only.
        dumps: folder of published result dumps to be scored too, or None.

    Raises:
        GimError: a threshold or protocol that was not scored, or dumps that cannot be read.
    """
    if threshold not in THRESHOLDS:
        raise GimError(f"AUC@{threshold:g} is not computed", f"use one of {', '.join(f'{t:g}' for t in THRESHOLDS)}")
    chosen = next((pick_protocol(folder, protocol) for folder in units.values()), "none yet")
    rows = {name: read_errors(folder, pick_protocol(folder, chosen)) for name, folder in units.items()}
    released = _released(pd.concat(rows.values())) if rows else set()
    errors = {name: by_sequence(found) for name, found in rows.items()}
    published = _published_rows() if threshold == THRESHOLDS[0] else []
    rescored = _dump_rows(dumps, threshold) if dumps else []
    zeb = [_row(name, {BY_FOLDER[s].short: e for s, e in found.items() if s in released}, _SHORTS, threshold)
           for name, found in errors.items()]  # fmt: skip
    own = tuple(sorted({s for found in errors.values() for s in found if s not in released}))
    others = [_row(name, found, own, threshold) for name, found in errors.items()]
    unit = f"AUC@{threshold:g}°, %"
    tables = [
        ScoreTable(f"ZEB, {unit}; measured rows: {chosen}", _SHORTS, _ranked([*published, *rescored, *zeb])),
        ScoreTable(f"own pairs, {unit}, {chosen}; not comparable with ZEB", own, _ranked(others)),
    ]
    return [table for table in tables if table.rows and table.columns]


def _released(rows: pd.DataFrame) -> set[str]:
    """The sequences whose pairs are all ZEB's; a folder of the same name with other pairs is not comparable."""
    named = {str(name): part for name, part in rows.groupby("sequence") if str(name) in BY_FOLDER}
    frozen = read_frozen() if named else {}
    return {
        name for name, part in named.items() if all(bare_identifier(i) in frozen[name] for i in set(part["identifier"]))
    }


def _mean(cells: Cells) -> float | None:
    known = [cell for cell in cells if cell is not None]
    return float(np.mean(known)) if known and len(known) == len(cells) else None


def _row(name: str, errors: Errors, columns: Sequence[str], threshold: float) -> TableRow:
    found = [errors[c] for c in columns if c in errors]
    cells = tuple(100 * auc(errors[c], threshold) if c in errors else None for c in columns)
    row = TableRow(name, MEASURED, cells, _mean(cells), sum(map(len, found)))
    if row.mean is None:
        return row
    low, high = interval(resample_mean(found, threshold, np.random.default_rng(0), samples=1000))
    return replace(row, interval=(100 * low, 100 * high))


def _published_rows() -> list[TableRow]:
    return [TableRow(n, PUBLISHED, cells, mean, PUBLISHED_PAIRS) for n, (mean, cells) in PUBLISHED_TABLE.items()]


def _dump_rows(folder: Path, threshold: float) -> list[TableRow]:
    rows = []
    for method, found in score_dumps(folder).items():
        by_short = {BY_DUMP[name].short: cell for name, cell in found.items() if name in BY_DUMP}
        cells = tuple(by_short[s][f"auc_{threshold:.0f}deg"] if s in by_short else None for s in _SHORTS)
        rows.append(TableRow(method, RESCORED, cells, _mean(cells), sum(cell["pairs"] for cell in by_short.values())))
    return rows


def _ranked(rows: Sequence[TableRow]) -> tuple[TableRow, ...]:
    """Rows with a cell, in the order of their means, the complete ones with their mean rank."""
    some = [row for row in rows if any(cell is not None for cell in row.cells)]
    complete = {i: [c for c in row.cells if c is not None] for i, row in enumerate(some) if row.mean is not None}
    ranks = mean_rank({str(i): cells for i, cells in complete.items()}) if complete else {}
    ranked = [replace(row, rank=ranks.get(str(i))) for i, row in enumerate(some)]
    return tuple(sorted(ranked, key=lambda row: -1.0 if row.mean is None else row.mean))
