"""Where matching is allowed, and what to do about points elsewhere.

Teachers look at whole pictures, and what they found is dropped afterwards: a picture that is painted over, or cut, has
corners along the border of the paint.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gim_data.types import Floats, Mask, Matches


class Masks(Protocol):
    """Where in each frame of a video matching is allowed."""

    def allowed(self, frame: int, /) -> Mask | None:
        """(H, W) bool of one frame; None for everywhere."""
        ...


class Everywhere:
    """No mask at all."""

    def allowed(self, frame: int, /) -> Mask | None:
        """None."""
        return None


EVERYWHERE: Masks = Everywhere()


def permitted(points: Floats, mask: Mask | None) -> NDArray[np.bool_]:
    """(N,) bool, which of the (N, 2) points lie on a pixel that the mask allows; one that is not finite does not."""
    if mask is None:
        return np.ones(len(points), bool)
    finite = np.asarray(np.isfinite(points).all(axis=1), np.bool_)
    pixels = np.round(np.where(finite[:, None], points, 0)).astype(int)
    x, y = pixels[:, 0].clip(0, mask.shape[1] - 1), pixels[:, 1].clip(0, mask.shape[0] - 1)
    return np.asarray(finite & mask[y, x])


def dropped_outside(matches: Matches, mask0: Mask | None, mask1: Mask | None) -> Matches:
    """The matches both ends of which are allowed."""
    if mask0 is None and mask1 is None:
        return matches
    return matches.select(permitted(matches.keypoints0, mask0) & permitted(matches.keypoints1, mask1))
