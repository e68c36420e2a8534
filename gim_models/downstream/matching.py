"""One pair of images, matched and checked against a robust geometry; and the files that say so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gim_data.errors import BadInput
from gim_data.files import atomic, write_json
from gim_data.labels.robust import Fit, fit_two_view
from gim_data.types import Image, Matcher, Matches, Size
from gim_models.downstream.chance import likely
from gim_models.downstream.residuals import residuals
from gim_models.resizing import reduced, rescale, size_of

LEAST = 12
"""Inliers that a few wrong matches hardly ever lend to an epipolar geometry by chance."""
_WORDS = {"fundamental": "epipolar geometry", "homography": "homography"}


@dataclass(frozen=True)
class Checked:
    """Matches of a pair with the geometry that explains most of them.

    Attributes:
        matches: all of them, pixels of the full images.
        fit: the robust fit and its inliers.
        errors: (N,) pixels to the fit, NaN where there is none.
        threshold: pixels within which a match counts as an inlier.
    """

    matches: Matches
    fit: Fit
    errors: NDArray[np.float64]
    threshold: float

    @property
    def shared_view(self) -> bool:
        """Whether more matches agree on one geometry than matches of two unrelated pictures would."""
        return self.fit.matrix is not None and not by_chance(self.fit, self.matches.size1, self.threshold)

    def facts(self) -> dict[str, Any]:
        """What is written as JSON beside the arrays."""
        inside = self.errors[self.fit.inliers]
        return {
            "matches": len(self.matches),
            "inliers": int(self.fit.inliers.sum()),
            "model": self.fit.model,
            "reason": self.fit.reason,
            "shared_view": self.shared_view,
            "matrix_0to1": None if self.fit.matrix is None else self.fit.matrix.tolist(),
            "median_inlier_error_px": float(np.median(inside)) if len(inside) else None,
            "size0": list(self.matches.size0),
            "size1": list(self.matches.size1),
        }

    def sentence(self) -> str:
        """What was found, for people."""
        count = f"{len(self.matches)} matches"
        if self.fit.matrix is None:
            return f"{count}, no geometry: {self.fit.reason}"
        agreed, model = int(self.fit.inliers.sum()), _WORDS[self.fit.model]
        if not self.shared_view:
            return f"{agreed} of {count} fit one {model}, chance gives as many: no shared view"
        error = float(np.median(self.errors[self.fit.inliers]))
        return f"{count}, {agreed} fit one {model}, median {error:.2f} px off"


def match_reduced(matcher: Matcher, image0: Image, image1: Image, *, max_side: int) -> Matches:
    """Match images reduced to ``max_side`` pixels on the longer side; keypoints in pixels of the images given.

    Args:
        matcher: any.
        image0, image1: (H, W, 3) RGB, of any two sizes.
        max_side: pixels; smaller images are left as they are.
    """
    small0, small1 = (reduced(image, max_side) for image in (image0, image1))
    found = matcher.match(small0, small1)
    size0, size1 = size_of(image0), size_of(image1)
    return replace(
        found,
        keypoints0=rescale(found.keypoints0, size_of(small0), size0),
        keypoints1=rescale(found.keypoints1, size_of(small1), size1),
        size0=size0,
        size1=size1,
    )


def check(matches: Matches, *, threshold: float) -> Checked:
    """Fit a two-view geometry; too few matches, or none that fits, is a ``fit`` with a reason.

    Args:
        matches: of one pair.
        threshold: largest distance of an inlier to its epipolar line, pixels (twice that to a homography's point).
    """
    fit = fit_two_view(matches.keypoints0, matches.keypoints1, threshold=threshold)
    return Checked(matches, fit, residuals(fit, matches.keypoints0, matches.keypoints1), threshold)


def by_chance(fit: Fit, size1: Size, threshold: float) -> bool:
    """Whether matches that have nothing to do with each other would fit as well as these do.

    A wrong match lies near its epipolar line (or its point) as often as the strip (or the disc) around it covers
    image 1.

    Args:
        fit: with a matrix.
        size1: (width, height) of image 1.
        threshold: as for ``check``.
    """
    agreed = int(fit.inliers.sum())
    if fit.model == "fundamental":
        sample, near = 7, 2 * threshold * float(np.hypot(*size1))
    else:
        sample, near = 4, np.pi * (2 * threshold) ** 2
    return agreed < LEAST or likely(agreed, len(fit.inliers), sample, near / (size1[0] * size1[1]))


def require_matches(matches: Matches, matcher: str, what: str) -> Matches:
    """The matches, if there are any.

    Raises:
        BadInput: there is none.
    """
    if len(matches) == 0:
        raise BadInput(
            f"{matcher} finds no match between {what}",
            "make sure that both show the same place, sharp and lit; or try another --matcher",
        )
    return matches


def write_checked(folder: Path, name: str, checked: Checked, about: dict[str, Any]) -> None:
    """Write ``<name>.npz`` (the arrays) and ``<name>.json`` (the facts, and ``about``), each atomically."""
    matches = checked.matches
    with atomic(folder / f"{name}.npz") as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            keypoints0=matches.keypoints0,
            keypoints1=matches.keypoints1,
            confidence=matches.confidence,
            inliers=checked.fit.inliers,
            error_px=checked.errors.astype(np.float32),
        )
    write_json(folder / f"{name}.json", {**about, **checked.facts()})


def full_pixels(threshold: float, sizes: tuple[Size, Size], max_side: int) -> float:
    """A threshold in pixels of the reduced images that were matched, in pixels of the full ones.

    A matcher that saw a quarter of the resolution is four times as far off in full pixels.
    """
    return threshold * max(1.0, max(max(size) for size in sizes) / max_side)
