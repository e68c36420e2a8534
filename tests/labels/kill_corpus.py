"""A corpus of two tiny videos whose frames, labels and tracks are made by the real stages: something to be killed."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from gim_data.labels.config import LabelsConfig, ZoomConfig
from gim_data.propagation.config import PropagationConfig
from gim_data.runner import Runner
from gim_data.stage import Axis, Stage
from gim_data.stages import TRACKS
from gim_data.video.framestore import StoredFrame, write_frames
from gim_models.stages import MATCHES

AXIS = Axis("video", f"{__name__}:videos")
FRAMES = Stage("frames", "acquire", f"{__name__}:make_frames", AXIS, "A photograph slides by.")
LABELS = replace(MATCHES, axis=AXIS, deps=("frames",), optional=())  # there is no video behind these frames
GRAPH = {stage.name: stage for stage in (FRAMES, LABELS, replace(TRACKS, axis=AXIS))}
PARAMS = {
    "labels": LabelsConfig(teachers=("rootsift",), keypoints=300, zoom=ZoomConfig(least=1)),
    "propagation": PropagationConfig(min_matches=16, min_support=1),
}


def videos(params, root):
    """Two units a stage, so that a kill may find one done and one not."""
    return ["left", "right"]


def make_frames(job):
    """Four frames, six pixels further each time."""
    photo = cv2.resize(data.astronaut(), None, fx=1.5, fy=1.5)
    step = 6 if job.unit == "left" else -6
    shifts = (np.array([[1, 0, -60 - i * step], [0, 1, -100]], float) for i in range(4))
    images = [cv2.warpAffine(photo, shift, (256, 192)) for shift in shifts]
    write_frames(job.out, [StoredFrame(i / 3, 0, image) for i, image in enumerate(images)], source_size=(256, 192))
    return {"frames": 4}


def make_everything(root):
    """All stages in order; raises where one failed."""
    for stage in GRAPH:
        Runner(GRAPH, PARAMS, root).run(stage).raise_failures()


def store(root: Path):
    """Every byte of the store by its path."""
    files = (path for stage in GRAPH for path in sorted((root / "data" / stage).rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}
