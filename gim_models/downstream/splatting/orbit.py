"""A short flight through the scene, as a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from gim_data.files import atomic
from gim_data.stage import Progress
from gim_data.types import Image
from gim_models.downstream.mapping.model import Matrix
from gim_models.downstream.splatting.camera import PinholeCamera
from gim_models.downstream.splatting.gaussians import Gaussians
from gim_models.downstream.splatting.render import Renderer

FPS = 12
_OPTIONS = {"crf": "20", "preset": "veryfast", "x264-params": "mbtree=0"}
_TRUST = 1e-2  # how much the middle of the points counts against the axes in finding what cameras look at


def write_orbit(
    path: Path,
    gaussians: Gaussians,
    cameras: Sequence[PinholeCamera],
    middle: Matrix,
    renderer: Renderer,
    background: Tensor,
    progress: Progress,
    *,
    frames: int,
) -> None:
    """Write an ``.mp4`` that goes once around the path of ``orbit_poses`` with the first camera's intrinsics.

    Args:
        path: the file, replaced whole.
        gaussians: the scene.
        cameras: those of the photographs.
        middle: (3,) of the points.
        renderer: draws.
        background: (3,) behind everything.
        progress: advanced by one per frame.
        frames: of the video, ``FPS`` a second.
    """
    poses = orbit_poses(np.stack([camera.T_w2c.double().numpy() for camera in cameras]), middle, frames)
    first = cameras[0]
    progress.start("orbit", frames)
    write_mp4(path, _frames(poses, first, gaussians, renderer, background, progress), first.size)


def orbit_poses(T_w2c: Matrix, middle: Matrix, count: int) -> Matrix:
    """(count, 4, 4) poses on an ellipse as wide as the cameras are spread, looking where they look.

    The ellipse lies in the plane that the (N, 4, 4) cameras vary most in. Cameras on a ring give the ring; cameras on
    a line give a sweep to and fro.

    Args:
        T_w2c: the cameras.
        middle: (3,) of the points; decides where the cameras look if their axes are parallel.
        count: of poses.
    """
    R, t = T_w2c[:, :3, :3], T_w2c[:, :3, 3]
    centres = -np.einsum("nji,nj->ni", R, t)
    mean = centres.mean(axis=0)
    _, spread, axes = np.linalg.svd(centres - mean, full_matrices=False)
    radii = spread[:2] * np.sqrt(2 / len(centres))
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    ring = mean + np.cos(angles)[:, None] * radii[0] * axes[0] + np.sin(angles)[:, None] * radii[1] * axes[1]
    focus, down = looked_at(R, centres, middle), R[:, 1].mean(axis=0)
    return np.stack([look_at(eye, focus, down) for eye in ring])


def looked_at(R: Matrix, centres: Matrix, middle: Matrix) -> Matrix:
    """(3,) the point nearest to all optical axes, drawn a little to ``middle``."""
    forward = R[:, 2]
    across = np.eye(3) - forward[:, :, None] * forward[:, None, :]  # (N, 3, 3) keeps what is perpendicular to an axis
    weight = _TRUST * len(R) * np.eye(3)
    found: Matrix = np.linalg.solve(
        across.sum(axis=0) + weight, np.einsum("nij,nj->i", across, centres) + weight @ middle
    )
    return found


def look_at(eye: Matrix, focus: Matrix, down: Matrix) -> Matrix:
    """(4, 4) T_w2c of a camera at (3,) ``eye`` whose axis meets ``focus`` and whose y axis is nearest to ``down``."""
    z = (focus - eye) / np.linalg.norm(focus - eye)
    x = np.cross(down, z)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z])
    pose[:3, 3] = -pose[:3, :3] @ eye
    return pose


def write_mp4(path: Path, images: Iterator[Image], size: tuple[int, int]) -> None:
    """Write (H, W, 3) pictures of one (width, height) as H.264; an odd last row or column is cut off."""
    width, height = size[0] // 2 * 2, size[1] // 2 * 2
    with (
        atomic(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"fflags": "+bitexact"}) as container,
    ):
        stream = container.add_stream("libx264", rate=Fraction(FPS), options=_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@torch.no_grad()
def _frames(
    poses: Matrix,
    like: PinholeCamera,
    gaussians: Gaussians,
    renderer: Renderer,
    background: Tensor,
    progress: Progress,
) -> Iterator[Image]:
    for pose in poses:
        camera = PinholeCamera(like.K, torch.tensor(pose, dtype=like.K.dtype), like.size, like.near)
        image = renderer(gaussians, camera.to(background.device), background).image
        progress.advance()
        yield as_image(image)


def as_image(image: Tensor) -> Image:
    """(H, W, 3) uint8 of a tensor of 0 to 1."""
    return np.asarray((image.clamp(0, 1) * 255).round().byte().cpu().numpy())
