"""GIM's SuperPoint + LightGlue from an imported folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gim_models.folder import open_folder
from gim_models.sparse.lightglue import GlueNet, GlueShape
from gim_models.sparse.matcher import SparseGlueMatcher
from gim_models.sparse.superpoint import SuperPoint
from gim_models.sparse.weights import load_strictly


class OfficialGlueConfig(BaseModel):
    """What ``config.json`` says of SuperPoint + LightGlue; the defaults are GIM's (GIM.md 1.4).

    Attributes:
        arch: always ``superpoint+lightglue``.
        shape: the size of the LightGlue.
        max_keypoints: most keypoints per image.
        filter_threshold: assignment probability below which a match is dropped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: str = Field(default="superpoint+lightglue", pattern=r"^superpoint\+lightglue$")
    shape: GlueShape = GlueShape(input_dim=256, descriptor_dim=256, n_layers=9, num_heads=4)
    max_keypoints: int = Field(default=2048, ge=1)
    filter_threshold: float = Field(default=0.1, ge=0, le=1)


def load_superpoint_lightglue(
    folder: Path, device: str = "cpu", *, name: str | None = None
) -> SparseGlueMatcher[GlueNet]:
    """The matcher from a folder that ``gim weights import`` made.

    Args:
        folder: with ``weights.safetensors`` and ``config.json``.
        device: where it runs.
        name: the matcher's name, or None for ``superpoint+lightglue:<folder name>``.

    Raises:
        GimError: a file is missing, damaged, of another architecture or not finite.
    """
    config, state, path = open_folder(folder, OfficialGlueConfig)
    detector, network = SuperPoint(), GlueNet(config.shape)
    derived: dict[str, Any] = {"confidence_thresholds": network.confidence_thresholds}
    parts = {
        prefix: {n.removeprefix(prefix): value for n, value in state.items() if n.startswith(prefix)}
        for prefix in ("detector.", "model.")
    }
    load_strictly(detector, parts["detector."], path)
    load_strictly(network, parts["model."] | derived, path)
    return SparseGlueMatcher(
        name or f"superpoint+lightglue:{folder.name}",
        detector,
        network,
        max_keypoints=config.max_keypoints,
        filter_threshold=config.filter_threshold,
        device=device,
    )
