"""Negative log-likelihood of what is known about a pair (LightGlue's loss, GIM.md 3.3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gim_models.training.supervision import UNMATCHED, Targets


class Terms(NamedTuple):
    """The loss of one read-out, per pair.

    Attributes:
        total: (B,).
        positive: (B,) mean over matches, 0 where there is none.
        negative: (B,) mean over keypoints known to have no match, 0 where there is none.
    """

    total: Tensor
    positive: Tensor
    negative: Tensor


def assignment_loss(scores: Tensor, targets: Targets) -> Terms:
    """Mean over matches and mean over known non-matches, in equal parts where a pair has both.

    Args:
        scores: (B, M + 1, N + 1) log-assignment with dustbins.
        targets: what is known; unknown keypoints count nowhere but as rivals in their rows and columns.
    """
    matched = targets.match0 >= 0
    column = targets.match0.clamp(min=0)
    right = scores[:, :-1, :-1].gather(2, column[..., None]).squeeze(2)
    positive, some = _mean(-right, matched)
    dustbins = torch.cat([scores[:, :-1, -1], scores[:, -1, :-1]], 1)
    alone = torch.cat([targets.match0, targets.match1], 1) == UNMATCHED
    negative, none = _mean(-dustbins, alone)
    parts = (some.float() + none.float()).clamp(min=1)
    return Terms((positive + negative) / parts, positive, negative)


def _mean(values: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    count = where.sum(1)
    return torch.where(where, values, 0.0).sum(1) / count.clamp(min=1), count > 0
