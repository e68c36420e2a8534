"""True warps of a room through the dense matcher, its sampling, the quantizer and COLMAP: long tracks, a map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from planted_room import SIZE, K, Room, TrueGrid
from planted_scene import camera_of

from gim_data.bench.posed import Camera
from gim_data.stage import Silent
from gim_models.dense.matcher import DenseConfig, DenseMatcher
from gim_models.dense.warp import Warp
from gim_models.downstream.mapping.quantize import Quantizer
from gim_models.downstream.mapping.reconstruct import MapOptions, reconstruct
from gim_models.downstream.mapping.scores import score_map

pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")


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


def scored(room, found):
    """The score of a map that must have been made."""
    assert found is not None
    return score_map(found, [Camera(Path(f"{row}.png"), K, T) for row, T in enumerate(room.T_w2c)])


def test_the_grid_of_a_semi_dense_matcher_becomes_tracks_and_the_true_cameras(tmp_path):
    """Half a cell is how far the middle of a cell is from a match beside it: with less, images are lost."""
    room = Room()
    options = MapOptions("grid", threads=1, quantizer=Quantizer(4.0))
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
