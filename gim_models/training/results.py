"""What training leaves: weights, their description, the history as a table, and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from kornia.feature.lightglue import filter_matches

from gim_data.plotting import draw_matches
from gim_data.types import Image
from gim_models.folder import write_folder
from gim_models.sparse.lightglue import GlueNet
from gim_models.sparse.matcher import StudentConfig
from gim_models.sparse.xfeat import XFeatExtractor
from gim_models.training.augment import plain
from gim_models.training.config import TrainConfig
from gim_models.training.features import supervise
from gim_models.training.loop import Plan, Trained
from gim_models.training.sample import Batch


def write_student(folder: Path, trained: Trained, plan: Plan, network: GlueNet, extractor: XFeatExtractor) -> list[str]:
    """Fill a unit's folder.

    Args:
        folder: where to.
        trained: what training left.
        plan: what was run.
        network: of the right shape; takes the best weights.
        extractor: its detector.

    Returns:
        Names of the pictures.
    """
    network.load_state_dict(trained.weights)
    network.to(plan.config.device).eval()
    described = StudentConfig(shape=network.shape, max_keypoints=plan.config.max_keypoints)
    write_folder(folder, described, trained.weights)
    history_table(trained).to_csv(folder / "training.csv", index=False, float_format="%.6g")
    plot_history(trained, folder / "loss.png")
    sheet = match_sheet(network, extractor, plan.held_out, plan.config)
    cv2.imwrite(str(folder / "matches.png"), sheet[..., ::-1])
    return ["loss.png", "matches.png"]


def history_table(trained: Trained) -> pd.DataFrame:
    """Losses and validations by step: one row per step at which anything was told."""
    empty = pd.DataFrame({"step": pd.Series(dtype=float)})
    tables = [pd.DataFrame(rows) if rows else empty for rows in (trained.history, trained.validations)]
    return tables[0].merge(tables[1], on="step", how="outer").sort_values("step").astype({"step": int})


def plot_history(trained: Trained, path: Path) -> None:
    """Loss and validation over steps, as a picture."""
    from matplotlib.figure import Figure

    table = history_table(trained)
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axis, prefix in ((left, "train/"), (right, "val/")):
        for name in table.columns:
            if name.startswith(prefix) and name not in ("train/learning_rate", "train/matches"):
                known = table[["step", name]].dropna()
                axis.plot(known["step"], known[name], label=name.removeprefix(prefix))
        axis.set_xlabel("step")
        axis.set_title(prefix.rstrip("/"))
        if axis.lines:
            axis.legend(fontsize=7)
    if trained.best:
        right.axvline(trained.best["step"], color="grey", linestyle=":")
    figure.savefig(path, dpi=110, metadata={"Software": None})


@torch.no_grad()
def match_sheet(network: GlueNet, extractor: XFeatExtractor, batches: Sequence[Batch], config: TrainConfig) -> Image:
    """Matches of the first held-out batch of each kind: green right, red wrong, grey where nobody knows."""
    rows: list[Image] = []
    chosen = {bool(batch.exact[0]): batch for batch in reversed(batches)}
    for batch in chosen.values():
        rows += _draw(network, extractor, batch, config)
    return np.vstack(rows)


def _draw(network: GlueNet, extractor: XFeatExtractor, batch: Batch, config: TrainConfig) -> list[Image]:
    batch = batch.to(torch.device(config.device))
    detected = config.model_copy(update={"inserted": 0.0})
    known = supervise(batch, plain(batch), extractor, detected, torch.Generator())
    found = filter_matches(network.assignment(network.layers(known.side0, known.side1)), 0.1)[0]
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
