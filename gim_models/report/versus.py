"""The page that shows where two matchers differ: a table, and the worst pairs with the matches of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from gim_data.bench.checks import load_image
from gim_data.errors import GimError
from gim_data.files import atomic
from gim_data.plotting import colour_by, draw_matches, save_picture, stack
from gim_data.types import Image, TwoViewPair
from gim_models.evaluation.bench import read_bench
from gim_models.evaluation.prediction_store import Prediction, read_predictions
from gim_models.evaluation.protocol import epipolar_distance2
from gim_models.evaluation.versus import Difference, Parted, texts

_HEIGHT = 300  # pixels of each image in a picture
_REMEDY = "the scores are of another benchmark: gim run zeb_predictions zeb_scores"
_RED = 5.0  # pixels from the true epipolar lines at which a match is drawn red


@dataclass(frozen=True)
class Contest:
    """What is compared.

    Attributes:
        names: of the two matchers.
        predictions: folder of either one's ``zeb_predictions`` unit.
        bench: folder of the benchmark.
        title: of the page.
        threshold: of the AUC, in degrees.
    """

    names: tuple[str, str]
    predictions: tuple[Path, Path]
    bench: Path
    title: str
    threshold: float


def write_page(contest: Contest, rows: Sequence[Difference], lost: Sequence[Sequence[Parted]], out: Path) -> Path:
    """Write ``index.html`` and a JPEG per pair.

    Args:
        contest: what is compared.
        rows: the table.
        lost: pairs that the first matcher lost, and pairs that the second one lost.
        out: the folder to write to.

    Returns:
        The page.
    """
    sections = []
    for loser, found in zip(contest.names, lost, strict=True):
        pictures = draw_pairs(contest, found, out)
        sections.append((loser, [(caption(contest.names, p), name) for p, name in zip(found, pictures, strict=True)]))
    environment = Environment(
        loader=PackageLoader("gim_models.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("versus.html").render(
        contest=contest, rows=[texts(row) for row in rows], sections=sections, red=_RED
    )
    target = out / "index.html"
    with atomic(target) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return target


def draw_pairs(contest: Contest, found: Sequence[Parted], out: Path) -> list[str]:
    """One picture per pair below ``out``: the matches of the first matcher above those of the second one.

    Returns:
        File names, in order.

    Raises:
        GimError: the benchmark or the predictions are not those that were scored.
    """
    truth = {(name, p.identifier): p for name, pairs in read_bench(contest.bench).items() for p in pairs}
    names = []
    for pair in found:
        views = truth.get((pair.sequence, pair.identifier))
        if views is None:
            raise GimError(f"{contest.bench} has no pair {pair.identifier}", _REMEDY)
        rows = [
            draw_side(views, _prediction(folder, pair), f"{name}: {error:.1f} degrees")
            for name, folder, error in zip(contest.names, contest.predictions, (pair.first, pair.second), strict=True)
        ]
        names.append(f"{pair.sequence}_{pair.identifier.replace('#', '_')}.jpg")
        save_picture(out / names[-1], stack(rows, width=1000))
    return names


def draw_side(pair: TwoViewPair, prediction: Prediction, caption: str) -> Image:
    """Both images with the matches, green on the true epipolar lines, red from 5 pixels off."""
    points = (prediction.keypoints0.astype(np.float64), prediction.keypoints1.astype(np.float64))
    focal = float(np.mean([pair.K0[0, 0], pair.K0[1, 1], pair.K1[0, 0], pair.K1[1, 1]]))
    pixels = focal * np.sqrt(epipolar_distance2(*points, pair) / 2)
    (image0, scale0), (image1, scale1) = (_small(load_image(path)) for path in (pair.image0, pair.image1))
    return draw_matches(
        image0,
        image1,
        prediction.keypoints0 * np.float32(scale0),
        prediction.keypoints1 * np.float32(scale1),
        colours=colour_by(pixels, low=0.0, high=_RED),
        caption=f"{caption}, {len(pixels)} matches",
    )


def caption(names: tuple[str, str], pair: Parted) -> str:
    """Which pair, and both errors."""
    share = "unknown" if np.isnan(pair.overlap) else f"{pair.overlap:.2f}"
    errors = ", ".join(f"{n} {_degrees(e)}" for n, e in zip(names, (pair.first, pair.second), strict=True))
    return f"{pair.sequence}: {pair.identifier}, overlap {share}. {errors}"


def _degrees(error: float) -> str:
    return "failed" if error >= 180 else f"{error:.1f}°"


def _prediction(folder: Path, pair: Parted) -> Prediction:
    path = folder / f"{pair.sequence}.parquet"
    found = next((p for p in read_predictions(path) if p.identifier == pair.identifier), None)
    if found is None:
        raise GimError(f"{path} has no pair {pair.identifier}", _REMEDY)
    return found


def _small(image: Image) -> tuple[Image, float]:
    scale = _HEIGHT / image.shape[0]
    size = (max(1, round(image.shape[1] * scale)), _HEIGHT)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8), scale
