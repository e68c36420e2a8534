"""Frozen detectors that sparse students stand on, by name. One line per detector."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gim_models.sparse.lightglue import GlueShape
from gim_models.sparse.sift import APPEARANCE_DIM, SiftExtractor
from gim_models.sparse.sift import DESCRIPTOR_DIM as SIFT_DIM
from gim_models.sparse.xfeat import DESCRIPTOR_DIM as XFEAT_DIM
from gim_models.sparse.xfeat import XFeatExtractor, published_xfeat

DEFAULT = "xfeat"
TrainableDetector = XFeatExtractor | SiftExtractor


class Entry(NamedTuple):
    """A detector.

    Attributes:
        use: makes it for matching.
        train: makes it for training, where every image must give the number of keypoints it is asked for.
        appearance: how many numbers of its descriptors, the first ones, are alike where the same thing is seen.
        glue: the LightGlue that an hour of CPU can train over it; its ``input_dim`` is the length of the descriptors.
    """

    use: Callable[[], TrainableDetector]
    train: Callable[[], TrainableDetector]
    appearance: int
    glue: GlueShape


_WIDE = GlueShape(input_dim=SIFT_DIM, descriptor_dim=128, n_layers=5)

DETECTORS = {
    "sift": Entry(SiftExtractor, SiftExtractor, APPEARANCE_DIM, _WIDE),
    "xfeat": Entry(published_xfeat, lambda: published_xfeat(threshold=0.0), XFEAT_DIM, GlueShape(input_dim=XFEAT_DIM)),
}
