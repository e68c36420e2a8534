"""Two image files in, files of matches or of a homography out: what ``gim match`` and ``gim homography`` do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gim_data.files import atomic, write_json
from gim_data.plotting import save_picture
from gim_data.types import Image, Matcher
from gim_models.downstream.inputs import ImagePair, read_photo
from gim_models.downstream.matching import (
    Checked,
    check,
    full_pixels,
    match_reduced,
    require_matches,
    write_checked,
)
from gim_models.downstream.pictures import ColourBy, draw_checked, draw_lines, draw_warp, inlier_colours
from gim_models.downstream.planar import Planar, estimate_homography

_POINT = 3.0  # a homography's threshold over that of the epipolar line, as in ``planar``


@dataclass(frozen=True)
class MatchSettings:
    """How a pair is matched and shown.

    Attributes:
        threshold: largest distance of an inlier to its epipolar line, pixels of the images as matched.
        max_side: pixels to which larger images are reduced for matching.
        colour: what the colour of a line says.
        warp: whether image 0 is also shown on image 1.
    """

    threshold: float = 1.0
    max_side: int = 1600
    colour: ColourBy = "error"
    warp: bool = False


def match_files(matcher: Matcher, pair: ImagePair, folder: Path, settings: MatchSettings) -> Checked:
    """Match two files; writes ``<name>.json``, ``<name>.npz``, ``<name>.jpg`` and, where asked, ``<name>-warp.jpg``.

    Raises:
        BadInput: an image cannot be read, or there is no match.
    """
    image0, image1 = read_photo(pair.path0), read_photo(pair.path1)
    found = match_reduced(matcher, image0, image1, max_side=settings.max_side)
    require_matches(found, matcher.name, f"{pair.path0} and {pair.path1}")
    threshold = full_pixels(settings.threshold, (found.size0, found.size1), settings.max_side)
    checked = check(found, threshold=threshold)
    about = {**_about(matcher, pair), "threshold_px": threshold}
    picture = draw_checked(image0, image1, checked, by=settings.colour, threshold=threshold, title=matcher.name)
    save_picture(folder / f"{pair.name}.jpg", picture)
    if settings.warp:
        planar = estimate_homography(found, threshold=_POINT * threshold)
        about["homography"] = planar.facts()
        _save_warp(folder / f"{pair.name}-warp.jpg", image0, image1, planar)
    write_checked(folder, pair.name, checked, about)
    return checked


def relate_files(matcher: Matcher, pair: ImagePair, folder: Path, *, threshold: float, max_side: int) -> Planar:
    """Relate two files by a homography; writes ``homography.json``, ``inliers.jpg`` and, where it exists, the rest.

    Args:
        matcher: any.
        pair: the files.
        folder: where ``homography.json``, ``H_0to1.txt``, ``inliers.jpg`` and ``warp.jpg`` go.
        threshold: largest distance of an inlier to its point, pixels of the images as matched.
        max_side: pixels to which larger images are reduced for matching.

    Raises:
        BadInput: an image cannot be read, or there is no match.
    """
    image0, image1 = read_photo(pair.path0), read_photo(pair.path1)
    found = match_reduced(matcher, image0, image1, max_side=max_side)
    require_matches(found, matcher.name, f"{pair.path0} and {pair.path1}")
    full = full_pixels(threshold, (found.size0, found.size1), max_side)
    planar = estimate_homography(found, threshold=full)
    caption = f"{matcher.name}: {int(planar.inliers.sum())} of {len(found)} matches agree on a homography (green)"
    order = np.argsort(planar.inliers, kind="stable")
    colours = inlier_colours(planar.inliers[order])
    save_picture(folder / "inliers.jpg", draw_lines(image0, image1, found.select(order), colours, caption=caption))
    _save_warp(folder / "warp.jpg", image0, image1, planar)
    _write_matrix(folder / "H_0to1.txt", planar)
    write_json(folder / "homography.json", {**_about(matcher, pair), "threshold_px": full, **planar.facts()})
    return planar


def _save_warp(path: Path, image0: Image, image1: Image, planar: Planar) -> None:
    """The warp picture; none, not even an old one, where there is no homography."""
    if planar.H_0to1 is None:
        path.unlink(missing_ok=True)
        return
    caption = f"A on B | B | both (A red, B cyan)   homography: {planar.verdict}, {planar.reason}"
    save_picture(path, draw_warp(image0, image1, planar.H_0to1, caption=caption))


def _write_matrix(path: Path, planar: Planar) -> None:
    if planar.H_0to1 is None:
        path.unlink(missing_ok=True)
        return
    with atomic(path) as temporary:
        np.savetxt(temporary, planar.H_0to1, fmt="%.12g")


def _about(matcher: Matcher, pair: ImagePair) -> dict[str, Any]:
    return {"matcher": matcher.name, "image0": str(pair.path0), "image1": str(pair.path1)}
