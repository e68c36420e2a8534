"""Files of a bird's-eye-view alignment and of a benchmark: what ``gim bev`` and ``gim bench bev`` write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gim_data.errors import GimError
from gim_data.files import atomic, write_json
from gim_data.plotting import save_picture
from gim_data.stage import Progress
from gim_data.types import Matcher
from gim_models.downstream.bev.align import Alignment, BevSettings, align
from gim_models.downstream.bev.bench import (
    LIMITS,
    BenchSettings,
    Trial,
    TrialScore,
    label,
    read_trials,
    rows,
    run_trials,
    summarize,
    trials_of,
    turned_cloud,
)
from gim_models.downstream.bev.clouds import Cloud, read_cloud
from gim_models.downstream.bev.figures import draw_alignment, draw_recall
from gim_models.downstream.bev.scans import read_scans, scans_at

_EXAMPLES = 4


def align_files(
    matcher: Matcher, path0: Path, path1: Path, folder: Path, settings: BevSettings, *, columns: int | None = None
) -> Alignment:
    """Align two files; writes ``bev.json``, ``bev.jpg`` and, where there is a motion, ``T_0to1.txt``.

    Raises:
        BadInput: a cloud cannot be read.
    """
    cloud0, cloud1 = (read_cloud(path, columns=columns) for path in (path0, path1))
    found = align(matcher, cloud0, cloud1, settings)
    save_picture(folder / "bev.jpg", draw_alignment(found, cloud0, cloud1, kind=settings.kind, title=matcher.name))
    matrix = folder / "T_0to1.txt"
    matrix.unlink(missing_ok=True)
    if found.T_0to1 is not None:
        with atomic(matrix) as temporary:
            np.savetxt(temporary, found.T_0to1, fmt="%.9g")
    clouds = {
        f"cloud{i}": {"file": cloud.name, "points": len(cloud), "left_out": cloud.left_out}
        for i, cloud in enumerate((cloud0, cloud1))
    }
    write_json(folder / "bev.json", {"matcher": matcher.name, "view": settings.kind, **clouds, **found.facts()})
    return found


def bench_folder(
    matchers: Sequence[Matcher],
    given: str,
    folder: Path,
    bench: BenchSettings,
    settings: BevSettings,
    progress: Progress | None = None,
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Score matchers on the pairs of a folder of posed scans; writes ``scores.json``, ``recall.png``, example pictures.

    A scan that cannot be read is left out with its pairs, and recorded.

    Args:
        matchers: any.
        given: the folder of the scans, or ``synthetic:SPEC``.
        folder: where to write.
        bench: which pairs.
        settings: how they are aligned.
        progress: where to report.

    Returns:
        matcher -> summary (recall at every limit, over distance, over yaw; median errors), and file name -> why that
        scan was left out.

    Raises:
        GimError: the folder cannot be read, no pair is near enough, or of none can both scans be read.
    """
    scans = read_scans(scans_at(given, folder / "scans"))
    trials = trials_of(scans, bench)
    if not trials:
        raise GimError(f"{given}: no two scans are within {bench.farthest:g} m", "raise --farthest")
    read = read_trials(scans, trials, columns=bench.columns)
    shown = _examples(read.trials)
    scores: dict[str, list[TrialScore]] = {}
    for matcher in matchers:
        scores[matcher.name] = []
        done = run_trials(matcher, read.clouds, read.trials, settings, progress)
        for trial, (one, found) in zip(read.trials, done, strict=True):
            scores[matcher.name].append(one)
            if trial.name in shown:
                _save_example(folder / "examples", matcher.name, read.clouds, trial, found, settings)
    summaries = {name: summarize(of) for name, of in scores.items()}
    draw_recall(folder / "recall.png", summaries, label(LIMITS[-1]))
    about = {"bench": asdict(bench), "settings": asdict(settings), "left_out": read.left_out, "summaries": summaries}
    write_json(folder / "scores.json", {**about, "trials": {name: rows(of) for name, of in scores.items()}})
    return summaries, read.left_out


def _examples(trials: Sequence[Trial]) -> set[str]:
    """Names of a few trials, from the nearest to the farthest."""
    ordered = sorted(trials, key=lambda trial: (trial.distance, trial.name))
    chosen = np.linspace(0, len(ordered) - 1, min(_EXAMPLES, len(ordered))).round().astype(int)
    return {ordered[i].name for i in chosen}


def _save_example(
    folder: Path,
    matcher: str,
    clouds: Mapping[int, Cloud],
    trial: Trial,
    found: Alignment,
    settings: BevSettings,
) -> None:
    cloud0, cloud1 = clouds[trial.scan0], turned_cloud(clouds[trial.scan1], trial)
    picture = draw_alignment(
        found, cloud0, cloud1, kind=settings.kind, title=f"{matcher}, {trial.name}, {trial.distance:.1f} m apart"
    )
    safe = "".join(c if c.isalnum() or c in "+-." else "_" for c in matcher)
    save_picture(folder / f"{safe}-{trial.name}.jpg", picture)
