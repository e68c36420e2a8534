"""Matches of sparse students on held-out pairs, coloured by what is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from gim_data.plotting import draw_matches
from gim_data.types import Image
from gim_models.sparse.detectors import TrainableDetector
from gim_models.sparse.lightglue import GlueNet
from gim_models.sparse.superglue import SuperGlue
from gim_models.training.augment import plain
from gim_models.training.config import TrainConfig
from gim_models.training.features import supervise
from gim_models.training.sample import Batch


@torch.no_grad()
def match_sheet(
    network: GlueNet | SuperGlue, extractor: TrainableDetector, batches: Sequence[Batch], config: TrainConfig
) -> Image:
    """Matches of the first held-out batch of each kind: green right, red wrong, grey where nobody knows."""
    rows: list[Image] = []
    chosen = {bool(batch.exact[0]): batch for batch in reversed(batches)}
    for batch in chosen.values():
        rows += _draw(network, extractor, batch, config)
    return np.vstack(rows)


def _draw(network: GlueNet | SuperGlue, extractor: TrainableDetector, batch: Batch, config: TrainConfig) -> list[Image]:
    batch = batch.to(torch.device(config.device))
    detected = config.model_copy(update={"inserted": 0.0})
    known = supervise(batch, plain(batch), extractor, detected, torch.Generator())
    found, _ = network.mutual(network.layers(known.side0, known.side1), 0.1)
    pictures = []
    for b in range(min(2, len(batch))):
        index = torch.nonzero(found[b] >= 0).flatten()
        truth, guess = known.targets.match0[b, index], found[b, index]
        right, told = (truth == guess).cpu().numpy(), (truth > -2).cpu().numpy()
        colours = np.where(right[:, None], [60, 200, 60], np.where(told[:, None], [220, 50, 50], [160, 160, 160]))
        points0 = known.side0.points[b, index].cpu().numpy()
        points1 = known.side1.points[b, guess].cpu().numpy()
        images = [batch.images[i].permute(1, 2, 0).cpu().numpy() for i in (b, len(batch) + b)]
        caption = f"{batch.identifiers[b]}: {len(index)} matches"
        pictures.append(
            draw_matches(images[0], images[1], points0, points1, colours=colours.astype(np.uint8), caption=caption)
        )
    return pictures
