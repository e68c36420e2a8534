"""Labels against known cameras: zero on the truth, the shift itself across the line, nothing along it."""

import json

import cv2
import numpy as np
import pytest

from gim_data.bench.posed import Camera
from gim_data.errors import BadInput
from gim_data.labels.config import LabelsConfig
from gim_data.labels.posed import PosedVideo, posed_video
from gim_data.propagation.config import PropagationConfig
from gim_data.synthetic.render import open_world
from gim_data.types import PairLabel
from gim_models.audit import audit_posed

SIZE = (640, 480)
K = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])


def pose(turn, move):
    matrix = np.eye(4)
    matrix[:3, :3] = cv2.Rodrigues(np.array(turn, np.float64))[0]
    matrix[:3, 3] = move
    return matrix


def seen_by(camera, points):
    local = points @ camera.T_w2c[:3, :3].T + camera.T_w2c[:3, 3]
    pixels = local @ camera.K.T
    return (pixels[:, :2] / pixels[:, 2:]).astype(np.float32)


def label(points0, points1):
    ones = np.ones(len(points0), np.uint8)
    return PairLabel(0, 1, points0, points1.astype(np.float32), np.ones(len(ones), np.float32), 0 * ones, ones, 1.0)


@pytest.mark.parametrize(("turn", "move"), [((0, 0, 0), (-1, 0, 0)), ((0.05, -0.1, 0.3), (0.4, 0.1, -0.8))])
def test_errors_are_pixels_from_the_true_line(tmp_path, turn, move):
    cameras = [Camera(tmp_path / "0.png", K, np.eye(4)), Camera(tmp_path / "1.png", K, pose(turn, move))]
    video = PosedVideo(cameras, SIZE, 1 / 3)
    points = np.random.default_rng(0).uniform((-3, -2, 5), (3, 2, 12), (200, 3))
    ends = [seen_by(camera, points) for camera in cameras]
    assert video.errors(label(*ends)).max() < 1e-3
    further = seen_by(cameras[1], points + (points - 0) * 0.2)  # another depth on the same ray: along the line
    assert video.errors(label(ends[0], further)).max() < 1e-3
    along = further - ends[1]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.linalg.norm(along, axis=1)[:, None]
    np.testing.assert_allclose(video.errors(label(ends[0], ends[1] + 4 * across)), 4, atol=0.02)


def write_sequence(folder, frames=4):
    """A rendered street as a posed folder."""
    (folder / "images").mkdir(parents=True)
    world = open_world("street?seed=1&seconds=4&width=320&height=240")
    listed = []
    for i in range(frames):
        view = world.render(i / 3)
        cv2.imwrite(str(folder / "images" / f"{i}.png"), view.image[..., ::-1])
        listed.append({"image": f"{i}.png", "T_w2c": view.T_w2c.tolist()})
    (folder / "frames.json").write_text(json.dumps({"K": view.K.tolist(), "frames": listed}))


@pytest.mark.slow
def test_an_audit_of_a_posed_sequence_finds_good_labels_good(tmp_path):
    write_sequence(tmp_path / "walk")
    rules = {"propagated": PropagationConfig(min_matches=16)}
    config = LabelsConfig(teachers=("rootsift",), keypoints=800)
    rows = audit_posed([tmp_path / "walk"], config, rules, seconds=1, interval=1 / 3)
    by_name = {(row["what"], row["by"]): row for row in rows}
    assert by_name["direct", "rootsift"]["precision_3px"] > 0.97
    assert by_name["propagated", "all"]["precision_3px"] > 0.97
    assert "recall" not in by_name["propagated", "all"]


def test_a_folder_that_is_no_sequence_is_refused(tmp_path):
    with pytest.raises(BadInput, match="has 0 cameras"):
        posed_video(tmp_path, seconds=1, interval=1 / 3)
    write_sequence(tmp_path / "mixed", frames=2)
    cv2.imwrite(str(tmp_path / "mixed" / "images" / "1.png"), np.zeros((200, 320, 3), np.uint8))
    with pytest.raises(BadInput):
        posed_video(tmp_path / "mixed", seconds=1, interval=1 / 3)
