"""Scores of this project as GIM's result dumps, so that whoever reads those reads these (GIM.md 4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gim_data.bench.dumps import COLUMNS, dump_name, write_dump
from gim_data.bench.names import BY_FOLDER
from gim_data.errors import GimError
from gim_data.types import TwoViewPair
from gim_models.evaluation.bench import read_bench
from gim_models.evaluation.scores import pick_protocol, read_errors


def write_dumps(scores: Path, bench: Path, method: str, protocol: str | None, out: Path) -> list[Path]:
    """Write one dump per sequence that a matcher was scored on; the protocol is its version.

    A sequence with the name of one of ZEB's folders gets the name that the published dumps have for it.

    Args:
        scores: folder of the matcher's ``zeb_scores`` unit.
        bench: folder of the benchmark that it was scored on.
        method: the matcher's name.
        protocol: None for the headline one.
        out: the folder to write.

    Returns:
        The files.

    Raises:
        GimError: no such scores, scores of other pairs than the benchmark's, or a name that holds a blank, which parts
            the fields of a dump.
    """
    chosen = pick_protocol(scores, protocol)
    sequences = read_bench(bench)
    files = []
    for name, rows in read_errors(scores, chosen).groupby("sequence", sort=True):
        sequence = str(name)
        table = dump_rows(rows, sequences.get(sequence, []))
        dataset = BY_FOLDER[sequence].dump if sequence in BY_FOLDER else sequence
        _refuse_blanks([method, dataset, *table["identifiers"]])
        files.append(out / dump_name(method, dataset, chosen))
        write_dump(files[-1], table)
    return files


def dump_rows(rows: pd.DataFrame, pairs: Sequence[TwoViewPair]) -> pd.DataFrame:
    """The rows of a dump from those of ``errors.parquet`` of one sequence and protocol.

    ``Bef.Num`` and ``Aft.Num`` count the *right* matches, before and among the inliers. ``t_errs2`` is the distance to
    the true translation of an estimate that is scaled to its length; the scores keep the angle folded to 90 degrees, so
    here the estimate's sign is the better one, where GIM takes it as estimated.

    Raises:
        GimError: a row whose pair is not among ``pairs``.
    """
    lengths = {pair.identifier: float(np.linalg.norm(pair.T_0to1[:3, 3])) for pair in pairs}
    strange = sorted(set(rows["identifier"]) - lengths.keys())
    if strange:
        raise GimError(f"{strange[0]} was scored, but the benchmark has no such pair", "run 'gim run zeb_scores' again")
    half = np.radians(rows["translation_deg"].to_numpy(float).clip(max=180.0)) / 2
    metric = 2 * rows["identifier"].map(lengths).to_numpy(float) * np.sin(half)
    failed = ~np.isfinite(rows["translation_deg"].to_numpy(float))
    columns = (
        *(rows["identifier"], rows["overlap"], rows["overlap"]),
        *(rows["rotation_deg"], rows["translation_deg"], np.where(failed, np.inf, metric)),
        *(rows["precision_before"], _right(rows["precision_before"], rows["matches"])),
        *(rows["precision_after"], _right(rows["precision_after"], rows["inliers"])),
    )
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def _right(share: pd.Series, count: pd.Series) -> pd.Series:
    """How many are right, from their share."""
    return (share * count).round().astype(int)


def _refuse_blanks(names: Sequence[str]) -> None:
    for name in names:
        if name.split() != [name]:
            raise GimError(f"{name!r} holds a blank, which parts the fields of a dump", "rename it")
