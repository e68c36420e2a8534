"""What the labels around an unlabelled keypoint rule out: a match far from where its neighbours go.

A labelled video pair says nothing about most keypoints, and training on its matches alone teaches a network that
everything matches. Yet a keypoint beside labelled points moves with one of them, or nearly so. Farther off the rule
would be wrong too often: of true matches of rendered worlds whose labels cover half of the view, it contradicts 1 in 60
within 20 pixels of a label, and 1 in 10 beyond.
"""

from __future__ import annotations

import torch
from torch import Tensor

_NEIGHBOURS = 5
_SLACK = 6.0  # pixels that a keypoint may go astray from its neighbours' motion
_PARALLAX = 0.8  # how much more for every pixel of distance from the neighbour
_REACH = 20.0  # pixels from the nearest label beyond which nothing is claimed


def ruled_out(points0: Tensor, points1: Tensor, labels0: Tensor, labels1: Tensor) -> Tensor:
    """Which pairs of keypoints the labels around either of them rule out.

    Args:
        points0, points1: (M, 2), (N, 2) keypoints, pixels.
        labels0, labels1: (L, 2) ends of the labels.

    Returns:
        (M, N) bool; nothing is ruled out where there are fewer labels than neighbours to ask.
    """
    if len(labels0) < _NEIGHBOURS:
        return torch.zeros(len(points0), len(points1), dtype=torch.bool, device=points0.device)
    forth = _astray(points0, points1, labels0, labels1)
    return forth | _astray(points1, points0, labels1, labels0).mT


def _astray(points: Tensor, targets: Tensor, labels0: Tensor, labels1: Tensor) -> Tensor:
    """Which (M, N) ``targets`` lie near no place that a neighbour's motion takes a point to."""
    motion = _affine(labels0, labels1)
    rest = labels1 - _lift(labels0) @ motion
    distance, nearest = torch.cdist(points, labels0).topk(_NEIGHBOURS, largest=False)
    places = (_lift(points) @ motion)[:, None] + rest[nearest]
    gaps = torch.cdist(places.flatten(0, 1), targets).reshape(*distance.shape, len(targets))
    far: Tensor = (gaps > (_SLACK + _PARALLAX * distance)[..., None]).all(1)
    return far & (distance[:, :1] <= _REACH)


def _affine(labels0: Tensor, labels1: Tensor) -> Tensor:
    """The (3, 2) motion common to all labels, so that a turn or a zoom of the whole image is no parallax."""
    lifted = _lift(labels0).double()
    ridge = 1e-6 * torch.eye(3, dtype=lifted.dtype, device=lifted.device)
    motion: Tensor = torch.linalg.solve(lifted.mT @ lifted + ridge, lifted.mT @ labels1.double())
    return motion.to(labels0.dtype)


def _lift(points: Tensor) -> Tensor:
    return torch.cat([points, torch.ones_like(points[:, :1])], 1)
