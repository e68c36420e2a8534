"""An image that localization reads: what is known of its camera, its pose and what it shows."""

from __future__ import annotations

from dataclasses import dataclass

from gim_models.downstream.mapping.images import MapImage
from gim_models.downstream.mapping.model import MapCamera, Matrix
from gim_models.downstream.mapping.surfaces import Surface


@dataclass(frozen=True)
class PosedImage:
    """One image of a reference set, or a query.

    Attributes:
        image: the file.
        camera: intrinsics.
        T_w2c: (4, 4), or None where it is not known.
        surface: where its pixels are in the world, or None where that has to be triangulated.
    """

    image: MapImage
    camera: MapCamera
    T_w2c: Matrix | None
    surface: Surface | None = None
