"""Gaussians of known place, and cameras that look at them."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from gim_data.bench.checks import save_image
from gim_models.downstream.splatting.camera import PinholeCamera
from gim_models.downstream.splatting.gaussians import SH_C0, Gaussians
from gim_models.downstream.splatting.orbit import look_at
from gim_models.downstream.splatting.render import render
from gim_models.downstream.splatting.scene import SceneView, SplatScene


def camera_at(T_w2c=None, size=(41, 31), focal=40.0, dtype=torch.float32, near=0.01):
    """A camera whose optical axis goes through the middle of the middle pixel."""
    K = torch.tensor([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1]], dtype=dtype)
    pose = torch.eye(4, dtype=dtype) if T_w2c is None else torch.tensor(T_w2c, dtype=dtype)
    return PinholeCamera(K, pose, size, near)


def gaussians_of(means, scales, opacities, colours, quaternions=None, dtype=torch.float32):
    """From what one means: standard deviations (scalar or three each), opacities and colours of 0 to 1."""
    means = torch.tensor(means, dtype=dtype)
    count = len(means)
    scales = torch.tensor(scales, dtype=dtype)
    scales = scales[:, None].repeat(1, 3) if scales.ndim == 1 else scales
    turned = torch.tensor([[1.0, 0, 0, 0]], dtype=dtype).repeat(count, 1)
    turned = turned if quaternions is None else torch.tensor(quaternions, dtype=dtype)
    colours = (torch.tensor(colours, dtype=dtype) - 0.5) / SH_C0
    return Gaussians(means, scales.log(), turned, torch.logit(torch.tensor(opacities, dtype=dtype)), colours)


def scattered(count, seed=0, dtype=torch.float32, size=0.15):
    """Gaussians of every shape in a box before a camera at the origin, some of them outside the picture."""
    rng = np.random.default_rng(seed)
    return gaussians_of(
        rng.uniform([-1.5, -1.2, 1], [1.5, 1.2, 4], (count, 3)),
        rng.uniform(0.1 * size, size, (count, 3)),
        rng.uniform(0.1, 0.95, count),
        rng.uniform(0, 1, (count, 3)),
        rng.normal(size=(count, 4)),
        dtype,
    )


def ring(count, radius=3.0, height=0.4):
    """(count, 4, 4) poses around the origin that look at it."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    eyes = np.stack([radius * np.cos(angles), height * np.sin(3 * angles), radius * np.sin(angles)], axis=1)
    return np.stack([look_at(eye, np.zeros(3), np.array([0, 1.0, 0])) for eye in eyes])


def blobs():
    """Six opaque balls of six colours around the origin."""
    means = [[0.6, 0, 0], [-0.6, 0.1, 0], [0, 0.5, 0.1], [0, -0.5, 0], [0.1, 0, 0.6], [0, 0.1, -0.6]]
    colours = [[0.9, 0.1, 0.1], [0.1, 0.8, 0.2], [0.2, 0.3, 0.9], [0.9, 0.8, 0.1], [0.8, 0.2, 0.8], [0.1, 0.8, 0.8]]
    return gaussians_of(means, [0.15] * 6, [0.95] * 6, colours)


def photographs(gaussians, poses, size=(40, 30), focal=36.0):
    """What each pose sees of the gaussians, as views named 00.png, 01.png..."""
    views = []
    for row, pose in enumerate(poses):
        camera = camera_at(pose, size, focal)
        image = render(gaussians, camera, torch.zeros(3)).image.clamp(0, 1)
        views.append(SceneView(f"{row:02d}.png", image, torch.ones(*image.shape[:2], 1), camera))
    return views


def scene_of(gaussians, points, colours, count=9):
    """A scene with exact cameras on a ring, whose first photograph is held out, and the given points."""
    views = photographs(gaussians, ring(count))
    return SplatScene(views[1:], views[:1], [], points, colours, 6.0)


def write_model(folder, views, points, colours):
    """The views as a COLMAP model in text beside their images, each point seen by the first two."""
    (folder / "images").mkdir(parents=True)
    sparse = folder / "sparse" / "0"
    sparse.mkdir(parents=True)
    cameras, images = [], []
    seen = " ".join(f"1 1 {i}" for i in range(1, len(points) + 1))
    for row, view in enumerate(views, 1):
        save_image(folder / "images" / view.name, (view.image.numpy() * 255).round().astype(np.uint8))
        K, (width, height) = view.camera.K.numpy(), view.camera.size
        cameras.append(f"{row} PINHOLE {width} {height} {K[0, 0]} {K[1, 1]} {K[0, 2] + 0.5} {K[1, 2] + 0.5}")
        T = view.camera.T_w2c.double().numpy()
        x, y, z, w = Rotation.from_matrix(T[:3, :3]).as_quat()
        at = " ".join(map(str, T[:3, 3]))
        images.append(f"{row} {w} {x} {y} {z} {at} {row} {view.name}\n{seen if row <= 2 else ''}")
    lines = [
        f"{i} {' '.join(map(str, p))} {' '.join(map(str, c))} 0.5 1 {i - 1} 2 {i - 1}"
        for i, (p, c) in enumerate(zip(points, colours, strict=True), 1)
    ]
    for name, text in (("cameras", cameras), ("images", images), ("points3D", lines)):
        (sparse / f"{name}.txt").write_text("\n".join(text) + "\n")
    return folder
