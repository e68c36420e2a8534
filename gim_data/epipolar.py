"""Epipolar geometry of two cameras whose poses are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def essential(T_0to1: Matrix) -> Matrix:
    """(3, 3) matrix that takes normalised coordinates of camera 0 to their lines in camera 1, from the (4, 4) pose."""
    a, b, c = T_0to1[:3, 3]
    found: Matrix = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]]) @ T_0to1[:3, :3]
    return found


def fundamental(K0: Matrix, K1: Matrix, T_0to1: Matrix) -> Matrix:
    """The same for pixels, with the (3, 3) intrinsics of both cameras."""
    found: Matrix = np.linalg.inv(K1).T @ essential(T_0to1) @ np.linalg.inv(K0)
    return found
