"""The paper-style table: a row per matcher, a column per data set, mean and mean rank; published rows are marked.

Only numbers about the same pairs are compared: a cell about others is marked, and its row gets no rank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gim_data.bench.frozen import FrozenPairs, bare_identifier, is_released, read_frozen
from gim_data.bench.names import BY_DUMP, BY_FOLDER, ZEB
from gim_data.errors import GimError
from gim_models.evaluation.auc import THRESHOLDS, auc, mean_rank
from gim_models.evaluation.bootstrap import Interval, interval, resample_mean
from gim_models.evaluation.dump_scores import dump_errors
from gim_models.evaluation.protocol import FAILED
from gim_models.evaluation.published import PUBLISHED_PAIRS, PUBLISHED_TABLE
from gim_models.evaluation.scores import pick_protocol, read_errors

MEASURED, RESCORED, PUBLISHED = "measured", "rescored", "published"
Cells = tuple[float | None, ...]
_SAMPLES = 1000
Pairs = tuple[frozenset[str] | None, ...]  # per column the names of the pairs behind a cell
_SHORTS = tuple(row.short for row in ZEB)


@dataclass(frozen=True)
class Scored:
    """What one matcher reached on one data set.

    Attributes:
        errors: (P,) degrees, failures as 180.
        pairs: the names of the P pairs.
    """

    errors: NDArray[np.float64]
    pairs: frozenset[str]


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
        rank: mean rank among the complete rows that are about the table's pairs, or None.
        others: columns whose cell is about other pairs than the table's, and so is the mean.
    """

    name: str
    source: str
    cells: Cells
    mean: float | None
    pairs: int
    interval: Interval | None = None
    rank: float | None = None
    others: frozenset[int] = frozenset()


@dataclass(frozen=True)
class ScoreTable:
    """A table whose rows may be compared with each other, but for cells that are marked as about other pairs.

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

    Returns:
        In either table cells about other pairs than the table's are marked and their rows not ranked. ZEB's pairs are
        the whole frozen list; those of the other table are what most of its rows are about.

    Raises:
        GimError: a threshold or protocol that was not scored, or dumps that cannot be read.
    """
    if threshold not in THRESHOLDS:
        raise GimError(f"AUC@{threshold:g} is not computed", f"use one of {', '.join(f'{t:g}' for t in THRESHOLDS)}")
    chosen = next((pick_protocol(folder, protocol) for folder in units.values()), "none yet")
    found = {name: _scored(read_errors(folder, pick_protocol(folder, chosen))) for name, folder in units.items()}
    unit = f"AUC@{threshold:g}°, %"
    frozen = read_frozen()
    released = _released(found, frozen)
    own = tuple(sorted({s for cells in found.values() for s in cells} - released))
    tables = [
        _zeb_table(f"ZEB, {unit}; measured rows: {chosen}", found, released, frozen, threshold, dumps),
        _own_table(f"own pairs, {unit}, {chosen}; not comparable with ZEB", found, own, threshold),
    ]
    return [table for table in tables if table.rows and table.columns]


def _zeb_table(
    title: str,
    found: Mapping[str, Mapping[str, Scored]],
    released: set[str],
    frozen: FrozenPairs,
    threshold: float,
    dumps: Path | None,
) -> ScoreTable:
    """Published rows, rescored dumps and what was measured on ZEB's sequences; its pairs are the frozen list."""
    whole: Pairs = tuple(frozenset(frozen[row.folder]) for row in ZEB)
    published = _published_rows() if threshold == THRESHOLDS[0] else []
    rescored = _dumps(dumps) if dumps else {}
    mine = {
        name: {BY_FOLDER[s].short: _bare(cell) for s, cell in cells.items() if s in released}
        for name, cells in found.items()
    }
    rows = [(row, whole) for row in published]
    for source, several in ((RESCORED, rescored), (MEASURED, mine)):
        rows += [_row(name, source, cells, _SHORTS, threshold) for name, cells in several.items()]
    return ScoreTable(title, _SHORTS, _ranked(rows, whole))


def _own_table(
    title: str, found: Mapping[str, Mapping[str, Scored]], columns: tuple[str, ...], threshold: float
) -> ScoreTable:
    """All other sequences; the table's pairs are those that most of its rows are about."""
    rows = [_row(name, MEASURED, cells, columns, threshold) for name, cells in found.items()]
    return ScoreTable(title, columns, _ranked(rows, _commonest([pairs for _, pairs in rows])))


def _scored(rows: pd.DataFrame) -> dict[str, Scored]:
    """Sequence -> errors and pairs, from the rows of ``errors.parquet``, in order of identifier."""
    ordered = rows.sort_values(["sequence", "identifier"])
    groups = ordered.groupby("sequence", sort=True)
    return {str(name): Scored(part["error"].to_numpy(), frozenset(part["identifier"])) for name, part in groups}


def _bare(cell: Scored) -> Scored:
    """The same under the names of the frozen list."""
    return replace(cell, pairs=frozenset(map(bare_identifier, cell.pairs)))


def _released(found: Mapping[str, Mapping[str, Scored]], frozen: FrozenPairs) -> set[str]:
    """The sequences whose pairs are all ZEB's; a folder of the same name with other pairs is not comparable."""
    strange = {
        name for cells in found.values() for name, cell in cells.items() if not is_released(frozen, name, cell.pairs)
    }
    return {name for cells in found.values() for name in cells} - strange


def _commonest(rows: Sequence[Pairs]) -> Pairs:
    """The pairs that most complete rows are about, the larger set where two are as common; else column by column."""
    complete = Counter(row for row in rows if None not in row)
    if complete:
        return max(complete, key=lambda row: (complete[row], sum(len(pairs or ()) for pairs in row)))
    columns = [Counter(pairs for pairs in column if pairs is not None) for column in zip(*rows, strict=True)]
    return tuple(max(c, key=lambda pairs: (c[pairs], len(pairs))) if c else None for c in columns)


def _mean(cells: Cells) -> float | None:
    known = [cell for cell in cells if cell is not None]
    return float(np.mean(known)) if known and len(known) == len(cells) else None


def _row(
    name: str, source: str, found: Mapping[str, Scored], columns: Sequence[str], threshold: float
) -> tuple[TableRow, Pairs]:
    """A row that is not ranked yet, and what it is about."""
    here = [found.get(column) for column in columns]
    known = [cell.errors for cell in here if cell is not None]
    cells = tuple(None if cell is None else 100 * auc(cell.errors, threshold) for cell in here)
    pairs = tuple(None if cell is None else cell.pairs for cell in here)
    row = TableRow(name, source, cells, _mean(cells), sum(map(len, known)))
    if row.mean is None:
        return row, pairs
    low, high = interval(resample_mean(known, threshold, np.random.default_rng(0), samples=_SAMPLES))
    return replace(row, interval=(100 * low, 100 * high)), pairs


def _published_rows() -> list[TableRow]:
    return [TableRow(n, PUBLISHED, cells, mean, PUBLISHED_PAIRS) for n, (mean, cells) in PUBLISHED_TABLE.items()]


def _dumps(folder: Path) -> dict[str, dict[str, Scored]]:
    """Method -> short name of the data set -> errors and pairs of published dumps."""
    return {
        method: {
            BY_DUMP[name].short: _bare(Scored(_failures_count(errors.to_numpy(float)), frozenset(errors.index)))
            for name, errors in found.items()
            if name in BY_DUMP
        }
        for method, found in dump_errors(folder).items()
    }


def _failures_count(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(errors), errors, FAILED)


def _ranked(rows: Sequence[tuple[TableRow, Pairs]], pairs: Pairs) -> tuple[TableRow, ...]:
    """Rows with a cell, in the order of their means; the complete ones about ``pairs`` with their mean rank."""
    some = [
        replace(row, others=frozenset(i for i, own in enumerate(about) if own is not None and own != pairs[i]))
        for row, about in rows
        if any(cell is not None for cell in row.cells)
    ]
    fair = {i: row for i, row in enumerate(some) if row.mean is not None and not row.others}
    cells = {str(i): [cell for cell in row.cells if cell is not None] for i, row in fair.items()}
    ranks = mean_rank(cells) if cells else {}
    ranked = [replace(row, rank=ranks.get(str(i))) for i, row in enumerate(some)]
    return tuple(sorted(ranked, key=lambda row: -1.0 if row.mean is None else row.mean))
