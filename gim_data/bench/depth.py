"""Depth maps of posed images, for overlaps that know what hides what."""

from __future__ import annotations

from gim_data.bench.checks import image_size
from gim_data.bench.posed import Camera
from gim_data.errors import BadInput
from gim_data.pixels import read_depth
from gim_data.synthetic.truth import Frame

TOLERANCE = 0.05
"""Relative difference of two measured depths up to which they are of one surface: sensors are no better."""


def depth_view(camera: Camera) -> Frame:
    """Depth and camera of an image.

    Raises:
        BadInput: it has no depth map, or one that is not as large as the image or no 16-bit grey picture.
    """
    if camera.depth is None:
        raise BadInput(f"image {camera.image} has no depth map", "add it, or leave the image out")
    width, height = image_size(camera.image)
    depth = read_depth(camera.depth)
    if depth.shape != (height, width):
        raise BadInput(
            f"depth map {camera.depth} is {depth.shape[1]}x{depth.shape[0]}, its image {width}x{height} pixels",
            "write depth of the image's size",
        )
    return Frame(depth, camera.K, camera.T_w2c)
