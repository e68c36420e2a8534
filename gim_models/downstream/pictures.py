"""Pictures of a matched pair: lines coloured by trust, one image warped onto the other."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.plotting import colour_by, draw_matches, write_caption
from gim_data.types import Image, Matches
from gim_models.downstream.matching import Checked
from gim_models.resizing import reduced, rescale, size_of

ColourBy = Literal["error", "confidence"]
PANEL = 800
"""Longest side, pixels, at which an image appears in a picture."""
_FAR = 3.0  # thresholds at which an error is painted fully red


def draw_checked(
    image0: Image, image1: Image, checked: Checked, *, by: ColourBy, threshold: float, title: str, limit: int = 200
) -> Image:
    """Both images side by side with their matches, green to red; without a fit, errors give way to confidence.

    Args:
        image0, image1: (H, W, 3) RGB.
        checked: what was found.
        by: what the colour says.
        threshold: pixels that the fit allowed an inlier.
        title: first words of the caption.
        limit: most lines to draw.

    Returns:
        (H, W, 3) RGB.
    """
    fit = checked.fit
    if by == "error" and fit.matrix is not None:
        far = _FAR * threshold
        badness = np.minimum(checked.errors, far)
        colours, legend = colour_by(badness, low=0, high=far), f"green 0 px off, red {far:g} px or more"
    else:
        badness = 1 - checked.matches.confidence.astype(np.float64)
        colours, legend = colour_by(badness, low=0, high=1), "green confidence 1, red 0"
    best_last = np.argsort(-badness, kind="stable")
    matches = checked.matches.select(best_last)
    return draw_lines(
        image0, image1, matches, colours[best_last], caption=f"{title}: {checked.sentence()} ({legend})", limit=limit
    )


def draw_lines(
    image0: Image, image1: Image, matches: Matches, colours: NDArray[np.uint8], *, caption: str, limit: int = 200
) -> Image:
    """Both images, reduced to ``PANEL`` pixels, with lines in (N, 3) ``colours``; later lines lie on top."""
    small0, small1 = reduced(image0, PANEL), reduced(image1, PANEL)
    return draw_matches(
        small0,
        small1,
        rescale(matches.keypoints0, size_of(image0), size_of(small0)),
        rescale(matches.keypoints1, size_of(image1), size_of(small1)),
        colours=colours,
        caption=caption,
        limit=limit,
    )


def draw_warp(image0: Image, image1: Image, H_0to1: NDArray[np.float64], *, caption: str) -> Image:
    """Image 0 seen from where image 1 was taken, image 1, and both in one: what agrees turns grey.

    In the third panel image 0 is red and image 1 is cyan, so that a disagreement has coloured edges.
    """
    warped = warp_image(image0, H_0to1, image1)
    panels = [reduced(image, PANEL) for image in (warped, image1, anaglyph(warped, image1))]
    return write_caption(np.concatenate(panels, axis=1), caption)


def warp_image(image0: Image, H_0to1: NDArray[np.float64], like: Image) -> Image:
    """Image 0 through a homography, on a canvas of the size of ``like``, black where it shows nothing."""
    return np.asarray(cv2.warpPerspective(image0, H_0to1, size_of(like), flags=cv2.INTER_LINEAR), np.uint8)


def anaglyph(first: Image, second: Image) -> Image:
    """Two images of one size in one: the first's brightness in red, the second's in green and blue."""
    red, cyan = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second))
    return np.stack([red, cyan, cyan], axis=-1)


def inlier_colours(inliers: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(N, 3) colours: green for an inlier, dark red for the others."""
    return np.where(inliers[:, None], np.array([60, 220, 60]), np.array([150, 30, 30])).astype(np.uint8)
