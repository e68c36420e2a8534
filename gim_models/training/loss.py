"""Negative log-likelihood of what is known about a pair (LightGlue's loss, GIM.md 3.3, with partial knowledge)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gim_models.training.supervision import UNKNOWN, UNMATCHED, Targets

_CERTAIN = 1 - 1e-6  # bounds the loss of a wrong match that the network is sure of


class Terms(NamedTuple):
    """The loss of one read-out, per pair.

    Attributes:
        total: (B,).
        positive: (B,) mean over matches, 0 where there is none.
        negative: (B,) mean over keypoints known to have no match, 0 where there is none.
        impossible: (B,) mean over keypoints of which only impossible partners are known, 0 where there is none.
    """

    total: Tensor
    positive: Tensor
    negative: Tensor
    impossible: Tensor


def assignment_loss(scores: Tensor, targets: Targets) -> Terms:
    """Half for what matches, half for what does not.

    A match costs -log of its assignment, a keypoint without a match -log of its dustbin, and any other keypoint -log of
    what it does not give to partners it cannot have; which of the others it prefers, if any, is left open.

    Args:
        scores: (B, M + 1, N + 1) log-assignment with dustbins.
        targets: what is known.
    """
    inner = scores[:, :-1, :-1]
    right = inner.gather(2, targets.match0.clamp(min=0)[..., None]).squeeze(2)
    positive = mean_where(-right, targets.match0 >= 0)
    dustbins = torch.cat([scores[:, :-1, -1], scores[:, -1, :-1]], 1)
    known = torch.cat([targets.match0, targets.match1], 1)
    negative = mean_where(-dustbins, known == UNMATCHED)
    wrong = inner.exp() * targets.impossible
    astray = torch.cat([wrong.sum(2), wrong.sum(1)], 1).clamp(max=_CERTAIN)
    some = torch.cat([targets.impossible.any(2), targets.impossible.any(1)], 1)
    impossible = mean_where(-torch.log1p(-astray), (known == UNKNOWN) & some)
    return Terms((positive + negative + impossible) / 2, positive, negative, impossible)


def mean_where(values: Tensor, where: Tensor) -> Tensor:
    """(B,) means of (B, N) values over those marked; 0 where there are none."""
    return torch.where(where, values, 0.0).sum(1) / where.sum(1).clamp(min=1)
