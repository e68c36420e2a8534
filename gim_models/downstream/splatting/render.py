"""One picture of a scene: by this package's rasterizer, or by gsplat where there is CUDA."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gim_data.errors import GimError
from gim_models.downstream.splatting.camera import PinholeCamera
from gim_models.downstream.splatting.gaussians import Gaussians
from gim_models.downstream.splatting.projection import BLUR, project
from gim_models.downstream.splatting.raster import rasterize

RENDERERS = ("auto", "torch", "gsplat")
_REMEDY = "use --renderer torch, or install gsplat on a machine with an NVIDIA GPU: pip install gsplat"


@dataclass(frozen=True)
class Rendering:
    """A picture and what densification wants to know of it.

    Attributes:
        image: (H, W, 3), about 0 to 1.
        rows: (M,) of the gaussians that were drawn.
        centres: (..., 2) pixels of the gaussians' centres, a node of the graph that keeps its gradient.
        drawn: (M,) where ``rows`` are among the flattened ``centres``.
    """

    image: Tensor
    rows: Tensor
    centres: Tensor
    drawn: Tensor

    def pulls(self) -> Tensor:
        """(M,) how hard the loss pulls at each centre, after ``backward``: where it does, detail is missing."""
        gradient = self.centres.grad
        if gradient is None:
            raise ValueError("the rendering has no gradient: call backward on a loss of its image first")
        pulls: Tensor = gradient.reshape(-1, 2)[self.drawn].norm(dim=1)
        return pulls


Renderer = Callable[[Gaussians, PinholeCamera, Tensor], Rendering]
"""(gaussians, camera, (3,) background) -> picture."""


def open_renderer(name: str, device: str) -> Renderer:
    """The renderer of that name; ``auto`` takes gsplat where it can run.

    Raises:
        GimError: no such renderer, or gsplat was asked for and cannot run.
    """
    if name not in RENDERERS:
        raise GimError(f"there is no renderer {name!r}", f"use one of {', '.join(RENDERERS)}")
    problem = _no_gsplat(device)
    if name == "gsplat" and problem:
        raise GimError(f"gsplat cannot run: {problem}", _REMEDY)
    return render if name == "torch" or problem else render_by_gsplat


def render(gaussians: Gaussians, camera: PinholeCamera, background: Tensor) -> Rendering:
    """Draw by this package's own rasterizer; differentiable in all gaussians and in the background."""
    splats = project(gaussians, camera)
    image = rasterize(splats, camera.size, background)
    return Rendering(image, splats.rows, _kept(splats.means), torch.arange(len(splats.rows), device=image.device))


def render_by_gsplat(gaussians: Gaussians, camera: PinholeCamera, background: Tensor) -> Rendering:
    """Draw by gsplat (1.5) on CUDA: the same formulas in its own kernels."""
    from gsplat import rasterization

    K = camera.K.clone()
    K[:2, 2] += 0.5  # gsplat counts from the corner of the top-left pixel
    (image,), _, info = rasterization(
        gaussians.means,
        gaussians.quaternions,
        gaussians.log_scales.exp(),
        gaussians.opacities,
        gaussians.colours,
        camera.T_w2c[None],
        K[None],
        *camera.size,
        near_plane=camera.near,
        eps2d=BLUR,
        packed=False,
        backgrounds=background[None],
    )
    return _drawn(image, info)


def _drawn(image: Tensor, info: dict[str, Any]) -> Rendering:
    """The answer of gsplat for one camera, with every gaussian; a radius of zero marks those that were not drawn."""
    radii = info["radii"][0]
    shown = (radii > 0).all(-1) if radii.ndim > 1 else radii > 0
    rows = torch.nonzero(shown).flatten()
    return Rendering(image, rows, _kept(info["means2d"]), rows)


def _kept(centres: Tensor) -> Tensor:
    """The node, told to keep its gradient where there will be one."""
    if centres.requires_grad:
        centres.retain_grad()
    return centres


def _no_gsplat(device: str) -> str:
    """Why gsplat cannot run, or ""."""
    if not device.startswith("cuda"):
        return f"it needs CUDA, the device is {device}"
    if not torch.cuda.is_available():
        return "torch finds no CUDA device"
    try:
        import gsplat  # noqa: F401
    except ImportError:
        return "it is not installed"
    return ""
