"""True warps of a room through the dense matcher, its sampling, the quantizer and COLMAP: long tracks, a map."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from planted_scene import STEP, camera_of

from gim_data.bench.posed import Camera
from gim_data.stage import Silent
from gim_data.types import Matches
from gim_models.dense.matcher import DenseConfig, DenseMatcher
from gim_models.dense.warp import Warp
from gim_models.downstream.mapping.quantize import Quantizer
from gim_models.downstream.mapping.reconstruct import MapOptions, reconstruct
from gim_models.downstream.mapping.scores import score_map

pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
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


class TrueWarps:
    """A dense network that reads the camera's number from the grey of its image and knows the rest."""

    def __init__(self, room):
        self.room = room

    def pyramid(self, images, coarsest):
        return {1: images}

    def decode(self, pyramid0, pyramid1):
        flows = [self._flow(a, b) for a, b in zip(pyramid0[1], pyramid1[1], strict=True)]
        flow = torch.from_numpy(np.stack(flows)).float()
        sure = torch.full((len(flow), 1, *flow.shape[-2:]), 3.0)
        return {1: Warp(flow, sure), 16: Warp(flow, sure)}

    def _flow(self, image0, image1):
        first, second = (camera_of(255 * image.numpy()) for image in (image0, image1))
        height, width = image0.shape[-2:]
        pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).reshape(-1, 2).astype(float)
        there = self.room.project(second, self.room.surface(first, pixels))
        return ((2 * there + 1) / [width, height] - 1).T.reshape(2, height, width)


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


def scored(room, found):
    """The score of a map that must have been made."""
    assert found is not None
    return score_map(found, [Camera(Path(f"{row}.png"), K, T) for row, T in enumerate(room.T_w2c)])


def test_the_grid_of_a_semi_dense_matcher_becomes_tracks_and_the_true_cameras(tmp_path):
    room = Room()
    options = MapOptions("grid", threads=1)
    found = reconstruct(room.write(tmp_path / "in"), tmp_path / "out", TrueGrid(room), options, Silent()).found
    score = scored(room, found)
    assert (score.registered, score.images) == (6, 6)
    assert score.relative_error < 0.02
    assert (found.track_lengths >= 3).sum() > 300


@pytest.mark.slow
def test_true_warps_become_long_tracks_and_the_true_cameras(tmp_path):
    """Each pair is sampled at pixels of its own; still points are seen by three images and more."""
    room = Room()
    matcher = DenseMatcher("true", TrueWarps(room), DenseConfig(size=SIZE, sharp_size=None, samples=1200))
    source = room.write(tmp_path / "in")
    options = MapOptions("true", threads=1)
    found = reconstruct(source, tmp_path / "out", matcher, options, Silent()).found
    score = scored(room, found)
    assert (score.registered, score.images) == (6, 6)
    assert score.relative_error < 0.02
    assert score.reprojection_px < 1
    assert (found.track_lengths >= 3).sum() > 800
    alone = MapOptions("true", threads=1, quantizer=Quantizer(0.01))
    apart = reconstruct(source, tmp_path / "out", matcher, alone, Silent()).found
    assert apart is None or (apart.track_lengths >= 3).sum() < 200
