"""A posed folder in miniature, and its damage."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

K = [[120.0, 0, 80.0], [0, 120.0, 60.0], [0, 0, 1]]


def look_sideways(index: int) -> list[list[float]]:
    """T_w2c of a camera that steps to the right and turns a little."""
    T = np.eye(4)
    T[:3, :3] = cv2.Rodrigues(np.array([0, 0.05 * index, 0.0]))[0]
    T[:3, 3] = T[:3, :3] @ [-0.5 * index, 0, 0]
    return T.tolist()


@pytest.fixture
def posed(tmp_path: Path) -> Path:
    """Four images of a textured wall, all pairs listed, a camera each."""
    folder = tmp_path / "wall"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    wall = cv2.resize(rng.integers(0, 255, (60, 160, 3), dtype=np.uint8), (480, 180), interpolation=cv2.INTER_CUBIC)
    poses = [np.array(look_sideways(i)) for i in range(4)]
    for i in range(4):
        cv2.imwrite(str(folder / "images" / f"{i}.png"), wall[30:150, 40 * i : 40 * i + 160])
    pairs = [
        {
            "image0": f"{i}.png",
            "image1": f"{j}.png",
            "K0": K,
            "K1": K,
            "T_0to1": (poses[j] @ np.linalg.inv(poses[i])).tolist(),
            "overlap": 1 - 0.25 * (j - i),
        }
        for i in range(4)
        for j in range(i + 1, 4)
    ]
    (folder / "pairs.json").write_text(json.dumps({"pairs": pairs}))
    frames = [{"image": f"{i}.png", "T_w2c": pose.tolist()} for i, pose in enumerate(poses)]
    (folder / "frames.json").write_text(json.dumps({"K": K, "frames": frames}))
    return folder


@pytest.fixture
def damage(posed: Path) -> Callable[[str, Any], Path]:
    """Set one field of the second listed pair, which is on line 3, or remove it with ``...``."""

    def change(field: str, value: Any) -> Path:
        path = posed / "pairs.json"
        raw = json.loads(path.read_text())
        if value is ...:
            del raw["pairs"][1][field]
        else:
            raw["pairs"][1][field] = value
        path.write_text('{"pairs": [\n' + ",\n".join(map(json.dumps, raw["pairs"])) + "\n]}")
        return posed

    return change
