"""What splatting learns from: undistorted, reduced pictures with their cameras, and the map's points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gim_data.bench.checks import check_name, load_image
from gim_data.errors import BadInput
from gim_data.stage import Progress
from gim_data.types import Image
from gim_data.video.sources import image_files
from gim_models.downstream.mapping import colmap
from gim_models.downstream.mapping.model import CAMERA_MODELS, MapCamera, MapView, Matrix, SparseMap
from gim_models.downstream.mapping.scores import extent_of
from gim_models.downstream.splatting.camera import PinholeCamera

HOLD_OUT = 8
"""Every so many-th image, the first included, is held out: the field's habit, so that numbers can be compared."""
_FEWEST = 2  # pictures to learn from
_NEAR = 0.01  # near plane, as a share of the extent


@dataclass(frozen=True)
class SceneView:
    """One picture and its camera.

    Attributes:
        name: of the image.
        image: (H, W, 3) float32, 0 to 1, black where ``mask`` is 0.
        mask: (H, W, 1) float32, 0 where undistortion found nothing, else 1.
        camera: of the reduced picture.
    """

    name: str
    image: Tensor
    mask: Tensor
    camera: PinholeCamera


@dataclass(frozen=True)
class SplatScene:
    """A map made ready.

    Attributes:
        train, held_out: pictures to learn from, and to judge by.
        missing: names of images to judge by that the map does not hold.
        points: (P, 3) float64.
        colours: (P, 3) uint8.
        extent: largest distance between two cameras, or the depth of what they see where that is larger.
    """

    train: list[SceneView]
    held_out: list[SceneView]
    missing: list[str]
    points: Matrix
    colours: NDArray[np.uint8]
    extent: float

    def box(self) -> tuple[Matrix, Matrix]:
        """Two corners, each (3,), of the box that holds all points but the outermost 1 % of each axis."""
        low, high = np.quantile(self.points, [0.01, 0.99], axis=0)
        return low, high


def read_scene(folder: Path, long_side: int, progress: Progress) -> SplatScene:
    """The scene in what ``gim reconstruct`` wrote: ``images/`` and ``sparse/0``.

    Args:
        folder: that holds both.
        long_side: pictures are reduced to it, pixels; larger than theirs leaves them.
        progress: where to report.

    Raises:
        BadInput: no model, no points, a lens that is not known, an image that is missing or damaged or of another size
            than its camera, or too few pictures.
    """
    model, images = model_folder(folder), folder / "images"
    if model is None:
        raise BadInput(f"{folder} holds no COLMAP model (sparse/0)", "make one: gim reconstruct IMAGES --out DIR")
    found = colmap.load(model)
    if not images.is_dir():
        raise BadInput(f"{images} does not exist", "put the images of the model there")
    return make_scene(found, images, [path.name for path in image_files(images)], long_side, progress)


def model_folder(folder: Path) -> Path | None:
    """Where below a folder a COLMAP model is, if one is."""
    places = (folder / "sparse" / "0", folder / "sparse")
    return next((p for p in places if any((p / f"images{s}").is_file() for s in (".bin", ".txt"))), None)


def make_scene(found: SparseMap, images: Path, names: Sequence[str], long_side: int, progress: Progress) -> SplatScene:
    """The scene of a map.

    Args:
        found: the map.
        images: folder of its images.
        names: of all images, those that were not placed included: they decide which are held out.
        long_side: see ``read_scene``.
        progress: where to report.

    Raises:
        BadInput: see ``read_scene``.
    """
    if not len(found.points):
        raise BadInput(f"the map of {images} holds no points", "make a better one: gim reconstruct, another matcher")
    _check_lenses(found, images)
    judged = set(sorted({*names, *found.views})[::HOLD_OUT])
    extent = _extent(found)
    progress.start("pictures", len(found.views))
    views: dict[str, SceneView] = {}
    for name, view in sorted(found.views.items()):
        views[name] = load_view(images / check_name(name, str(images)), name, view, long_side, _NEAR * extent)
        progress.advance(1, name)
    train = [view for name, view in views.items() if name not in judged]
    held_out = [view for name, view in views.items() if name in judged]
    if len(train) < _FEWEST or not held_out:
        raise BadInput(
            f"the map of {images} has {len(train)} picture(s) to learn from and {len(held_out)} to judge by",
            f"give a map of more images: every {HOLD_OUT}th is held out, and two or more are needed beside them",
        )
    return SplatScene(train, held_out, sorted(judged - set(views)), found.points, found.colours, extent)


def _check_lenses(found: SparseMap, images: Path) -> None:
    """Refuse lenses that ``undistort`` does not know.

    Raises:
        BadInput: there is one.
    """
    other = sorted({view.camera.model for view in found.views.values()} - set(CAMERA_MODELS))
    if other:
        raise BadInput(
            f"the map of {images} has cameras {', '.join(other)}; splats know {', '.join(CAMERA_MODELS)}",
            "undistort it first: colmap image_undistorter --image_path MAP/images --input_path MAP/sparse/0 "
            "--output_path FLAT, then 'gim splat FLAT'",
        )


def load_view(path: Path, name: str, view: MapView, long_side: int, near: float) -> SceneView:
    """One picture, undistorted with its camera's own parameters and then reduced.

    Raises:
        BadInput: the file is missing, damaged, or of another size than its camera.
    """
    pixels = load_image(path)
    size = (pixels.shape[1], pixels.shape[0])
    if size != view.camera.size:
        raise BadInput(
            f"{path} is {size[0]}x{size[1]}, its camera in the model {view.camera.size[0]}x{view.camera.size[1]}",
            "put the images there that the model was made of",
        )
    image, mask = undistort(pixels, view.camera)
    scale = min(1.0, long_side / max(size))
    small = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    reduced = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    inside = (cv2.resize(mask, small, interpolation=cv2.INTER_AREA) == 255)[..., None]  # wholly inside
    camera = PinholeCamera(
        torch.tensor(scaled(view.camera.K, size, small), dtype=torch.float32),
        torch.tensor(view.T_w2c, dtype=torch.float32),
        small,
        near,
    )
    colours = torch.tensor(reduced * inside, dtype=torch.float32) / 255
    return SceneView(name, colours, torch.tensor(inside, dtype=torch.float32), camera)


def undistort(image: Image, camera: MapCamera) -> tuple[Image, NDArray[np.uint8]]:
    """The picture that a camera with the same K and no distortion would have taken, and 255 where it is known."""
    full = np.full(image.shape[:2], 255, np.uint8)
    lens = camera.distortion
    if not any(lens.values()):
        return image, full
    numbers = np.array([lens.get(name, 0.0) for name in ("k1", "k2", "p1", "p2")])
    maps = cv2.initUndistortRectifyMap(camera.K, numbers, np.eye(3), camera.K, camera.size, cv2.CV_32FC1)
    straight = cv2.remap(image, *maps, cv2.INTER_LINEAR)
    known = cv2.remap(full, *maps, cv2.INTER_LINEAR)
    return np.asarray(straight, np.uint8), np.asarray(known, np.uint8)


def scaled(K: Matrix, size: tuple[int, int], small: tuple[int, int]) -> Matrix:
    """(3, 3) intrinsics of a picture reduced from ``size`` to ``small``; pixel centres are whole numbers in both."""
    factors = np.array([small[0] / size[0], small[1] / size[1]])
    reduced = K.copy()
    reduced[:2, 2] = (K[:2, 2] + 0.5) * factors - 0.5
    reduced[0, 0], reduced[1, 1] = K[0, 0] * factors[0], K[1, 1] * factors[1]
    return reduced


def _extent(found: SparseMap) -> float:
    """How large the scene is: by its cameras, or by the median depth where they stand close together."""
    views = list(found.views.values())
    depths = [np.median(found.points @ view.T_w2c[2, :3] + view.T_w2c[2, 3]) for view in views]
    return max(extent_of(np.array([view.centre for view in views])), float(np.median(depths)), 1e-9)
