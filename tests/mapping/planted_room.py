"""A corner of a room seen by cameras on an arc, and where every pixel of one is in another."""

from __future__ import annotations

import cv2
import numpy as np
from planted_scene import STEP, camera_of

from gim_data.types import Matches

SIZE = (320, 256)
K = np.array([[370.0, 0, 159.5], [0, 370.0, 127.5], [0, 0, 1]])
PLANES = np.array([[1.0, 0, 1, 6], [-1, 0, 1, 6], [0, 1, 0, 1.2]])
"""A corner of two walls above a floor: n x = d. Seen from inside nothing hides anything."""


class Room:
    """Cameras on an arc in front of the corner; where every pixel of one is in another is known."""

    def __init__(self, count=6):
        self.T_w2c = []
        for angle in np.linspace(-0.35, 0.35, count):
            R = cv2.Rodrigues(np.array([0.05 * np.sin(9 * angle), -angle, 0.0]))[0]
            centre = np.array([4.5 * np.sin(angle), 0.6 * np.sin(7 * angle), 4.5 - 4.5 * np.cos(angle)])
            T = np.eye(4)
            T[:3, :3], T[:3, 3] = R, -R @ centre
            self.T_w2c.append(T)

    def surface(self, camera, pixels):
        """(N, 3) first hits of the rays through (N, 2) pixels."""
        R, t = self.T_w2c[camera][:3, :3], self.T_w2c[camera][:3, 3]
        centre = -R.T @ t
        rays = np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.inv(K).T @ R
        with np.errstate(divide="ignore"):
            reach = (PLANES[:, 3] - PLANES[:, :3] @ centre) / (rays @ PLANES[:, :3].T)
        return centre + rays * np.where(reach > 0, reach, np.inf).min(1)[:, None]

    def project(self, camera, points):
        x = (points @ self.T_w2c[camera][:3, :3].T + self.T_w2c[camera][:3, 3]) @ K.T
        return np.where(x[:, 2:] > 0, x[:, :2] / x[:, 2:], -1e3)

    def write(self, folder):
        (folder / "images").mkdir(parents=True)
        for row in range(len(self.T_w2c)):
            flat = np.full((SIZE[1], SIZE[0], 3), (row + 1) * STEP, np.uint8)
            cv2.imwrite(str(folder / "images" / f"{row}.png"), flat)
        return folder


class TrueGrid:
    """A semi-dense matcher: cells of eight pixels in the first image, their places to a third of a pixel in the other.

    So an image has matches at its cells in pairs that it leads, and between them in the others.
    """

    name = "grid"

    def __init__(self, room):
        self.room = room

    def match(self, image0, image1, mask0=None, mask1=None):
        first, second = camera_of(image0), camera_of(image1)
        cells = np.stack(np.meshgrid(np.arange(4, SIZE[0], 8), np.arange(4, SIZE[1], 8)), -1).reshape(-1, 2)
        there = self.room.project(second, self.room.surface(first, cells.astype(float)))
        there += np.random.default_rng([first, second]).normal(0, 0.3, there.shape)
        inside = ((there >= 0) & (there <= np.array(SIZE) - 1)).all(1)
        ends = [points[inside].astype(np.float32) for points in (cells, there)]
        return Matches(*ends, np.ones(inside.sum(), np.float32), SIZE, SIZE)
