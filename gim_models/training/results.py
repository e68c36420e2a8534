"""What training leaves: weights, their description, the history as a table, and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import pandas as pd
from torch import nn

from gim_models.folder import write_folder
from gim_models.training.families.family import Family
from gim_models.training.loop import Plan, Trained

_NO_LOSSES = {"train/learning_rate", "train/matches", "train/pixels", "train/fine_px"}


def write_student(folder: Path, trained: Trained, plan: Plan, network: nn.Module, family: Family[Any]) -> list[str]:
    """Fill a unit's folder.

    Args:
        folder: where to.
        trained: what training left.
        plan: what was run.
        network: of the right shape; takes what was learned.
        family: its family.

    Returns:
        Names of the pictures.
    """
    network.load_state_dict(trained.weights)
    network.to(plan.config.device).eval()
    write_folder(folder, family.describe(network, plan.config), trained.weights)
    history_table(trained).to_csv(folder / "training.csv", index=False, float_format="%.6g")
    plot_history(trained, folder / "loss.png")
    sheet = family.sheet(network, plan.held_out, plan.config)
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
            if name.startswith(prefix) and name not in _NO_LOSSES:
                known = table[["step", name]].dropna()
                axis.plot(known["step"], known[name], label=name.removeprefix(prefix))
        axis.set_xlabel("step")
        axis.set_title(prefix.rstrip("/"))
        if axis.lines:
            axis.legend(fontsize=7)
    figure.savefig(path, dpi=110, metadata={"Software": None})
