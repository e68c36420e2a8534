"""Essential and fundamental matrices against projected points."""

from __future__ import annotations

import cv2
import numpy as np

from gim_data.epipolar import essential, fundamental


def test_projections_of_one_point_lie_on_each_others_lines():
    rng = np.random.default_rng(0)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = cv2.Rodrigues(rng.normal(0, 0.3, 3))[0], rng.normal(0, 1, 3)
    K0, K1 = (np.array([[f, 0, 320], [0, f + 7, 240], [0, 0, 1.0]]) for f in (500.0, 620.0))
    X0 = rng.uniform([-2, -2, 4], [2, 2, 9], (50, 3))
    X1 = X0 @ T[:3, :3].T + T[:3, 3]
    x0, x1 = X0 / X0[:, 2:], X1 / X1[:, 2:]
    assert np.allclose(np.einsum("ni,ij,nj->n", x1, essential(T), x0), 0, atol=1e-12)
    lines = (x0 @ K0.T) @ fundamental(K0, K1, T).T
    off = ((x1 @ K1.T) * lines).sum(axis=1) / np.linalg.norm(lines[:, :2], axis=1)
    assert np.allclose(off, 0, atol=1e-9)  # pixels
    assert np.abs(((x1 @ K1.T + [3, 0, 0]) * lines).sum(axis=1)).max() > 1e-6  # and no other place does
