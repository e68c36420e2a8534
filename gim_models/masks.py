"""Keypoints and the masks that say where matching is allowed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gim_data.types import Floats, Mask


def permitted(points: Floats, mask: Mask | None) -> NDArray[np.bool_]:
    """(N,) bool, which of the (N, 2) points lie on a pixel that the mask allows."""
    if mask is None:
        return np.ones(len(points), bool)
    x, y = np.round(points).astype(int).T
    return np.asarray(mask[y.clip(0, mask.shape[0] - 1), x.clip(0, mask.shape[1] - 1)])
