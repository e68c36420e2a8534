"""Stage ``bench``: posed pairs from everywhere, in ZEB's released layout, one folder per sequence."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gim_data.bench.checks import load_image
from gim_data.bench.pairing import DEPTH, GIVEN, Drawn, PairRules, draw_by, draw_listed
from gim_data.bench.sources import PairSource, fingerprint, resolve
from gim_data.bench.zeb import list_zeb, place, read_zeb, write_zeb
from gim_data.errors import BadInput
from gim_data.files import digest_of, write_json
from gim_data.stage import Job, Params, Summary
from gim_data.types import Image, TwoViewPair
from gim_models.evaluation.config import EvaluateConfig
from gim_models.evaluation.parallel import in_order

MANIFEST = "manifest.json"
_TILE = (320, 200)


def outside(unit: str, params: Params, root: Path) -> Any:
    """What the benchmark is made from: the sources' content, for the unit's digest."""
    config: EvaluateConfig = params["evaluate"]
    return [fingerprint(source) for source in resolve(config.pairs, root, config.exclude)]


def make_bench(job: Job) -> Summary:
    """Draw the pairs of every sequence and write them to ``<sequence>/`` in ZEB's layout, with a ``manifest.json``.

    A sequence whose files are wrong is left out and named in the manifest with its reason.

    Raises:
        BadInput: no sequence is left.
        GimError: the sources cannot be resolved.
    """
    config: EvaluateConfig = job.params["evaluate"]
    sources = resolve(config.pairs, job.root, config.exclude)
    job.progress.start("benchmark pairs", len(sources))
    rows: dict[str, Any] = {}
    refused: dict[str, str] = {}
    tasks = [SequenceTask(source, config, job.out, job.scratch) for source in sources]
    for source, made in zip(sources, in_order(make_sequence, tasks, workers=config.workers), strict=True):
        if isinstance(made, BadInput):
            refused[source.name] = made.problem
        else:
            rows[source.name] = made
        job.progress.advance(1, source.name)
    if not rows:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
        raise BadInput(f"no sequence of the benchmark is usable: {reasons}", "correct the sources in 'evaluate.pairs'")
    write_json(job.out / MANIFEST, {"sequences": rows, "refused": refused, "pairing": config.pairing})
    _write_examples(job.out, sorted(rows))
    total = sum(row["pairs"] for row in rows.values())
    summary: Summary = {"sequences": len(rows), "pairs": total, "figures": ["examples.png"]}
    return {**summary, "refused": refused} if refused else summary


def read_bench(folder: Path) -> dict[str, list[TwoViewPair]]:
    """Every sequence of a made benchmark with its checked pairs; its images were judged when it was made.

    Raises:
        BadInput: as ``list_zeb``.
    """
    return {path.name: list_zeb(path) for path in sorted(folder.iterdir()) if path.is_dir()}


@dataclass(frozen=True)
class SequenceTask:
    """One sequence to make: where it comes from, by which rules, the folders of the unit and of its scratch files."""

    source: PairSource
    config: EvaluateConfig
    out: Path
    scratch: Path


def make_sequence(task: SequenceTask) -> dict[str, Any] | BadInput:
    """Draw and write one sequence; its row of the manifest, or why it cannot be used. Fit for any process."""
    try:
        return _make_sequence(task.source, task.config, task.out / task.source.name, task.scratch)
    except BadInput as error:
        shutil.rmtree(task.out / task.source.name, ignore_errors=True)
        return error


def _make_sequence(source: PairSource, config: EvaluateConfig, out: Path, scratch: Path) -> dict[str, Any]:
    rng = np.random.default_rng([config.seed, int(digest_of(source.name)[:8], 16)])
    drawn = _draw(source, config, rng, scratch)
    pairs = drawn.pairs
    if not pairs:
        raise BadInput(
            f"{source.place}: no two images fit the pairing rules",
            "raise evaluate.max_images_per_sequence or lower evaluate.min_overlap",
        )
    write_zeb(out, [place(pair) for pair in pairs])
    overlaps = np.array([pair.overlap for pair in pairs])
    return {
        "kind": source.kind,
        "pairs": len(pairs),
        "images": len({image for pair in pairs for image in (pair.image0, pair.image1)}),
        "overlap": "unknown" if np.isnan(overlaps).all() else drawn.overlaps,
        "overlap_histogram": np.histogram(overlaps[np.isfinite(overlaps)], bins=10, range=(0, 1))[0].tolist(),
    }


def _draw(source: PairSource, config: EvaluateConfig, rng: np.random.Generator, scratch: Path) -> Drawn:
    rules = PairRules(
        config.max_pairs_per_sequence,
        config.max_images_per_sequence,
        overlap=(config.min_overlap, config.max_overlap),
        rotation=config.max_rotation,
        parallax=config.min_parallax,
    )
    if source.kind == "synthetic":
        from gim_data.bench.rendered import render_pairs

        return Drawn(render_pairs(source, scratch, rng, images=rules.images, count=rules.count), DEPTH)
    if source.kind == "zeb":
        return Drawn(draw_listed(read_zeb(Path(source.place)), rules, rng), GIVEN)
    return draw_by(config.pairing, Path(source.place), rules, rng)


def _write_examples(folder: Path, names: Sequence[str]) -> None:
    """One pair per sequence, side by side, as a picture for people."""
    rows = []
    for name in names:
        pair = list_zeb(folder / name)[0]
        row = np.hstack([_tile(load_image(path)) for path in (pair.image0, pair.image1)])
        cv2.putText(row, name, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 0), 1, cv2.LINE_AA)
        rows.append(row)
    rows += [np.zeros_like(rows[0])] * (-len(rows) % 2)
    sheet = np.vstack([np.hstack(rows[i : i + 2]) for i in range(0, len(rows), 2)])
    cv2.imwrite(str(folder / "examples.png"), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def _tile(image: Image) -> Image:
    scale = min(_TILE[0] / image.shape[1], _TILE[1] / image.shape[0])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    tile = np.zeros((_TILE[1], _TILE[0], 3), np.uint8)
    tile[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return tile
