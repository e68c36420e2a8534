"""Poses from 2D-3D matches, and how right they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from scipy.spatial.transform import Rotation

from gim_data.errors import BadInput
from gim_data.files import atomic
from gim_data.types import Floats
from gim_models.downstream.mapping.model import HALF, MapCamera, Matrix
from gim_models.downstream.mapping.scores import centre_of, rotation_angle

THRESHOLDS = ((0.25, 2.0), (0.5, 5.0), (1.0, 10.0), (5.0, 10.0))
"""Metres and degrees: those of Aachen Day-Night (0.25, 0.5 and 5 m), and InLoc's 1 m at 10 degrees."""
SHARES = ((0.005, 2.0), (0.01, 5.0), (0.02, 10.0))
"""Shares of the extent of the map's camera centres, and degrees: for worlds without metres."""
MAX_ERROR = 12.0
"""Pixels at full resolution: matches were found on reduced images."""
FEWEST = 12
"""Inliers below which a pose is not believed."""


@dataclass(frozen=True)
class QueryPose:
    """One localized query.

    Attributes:
        name: of the image.
        T_w2c: (4, 4), or None where it failed.
        matches, inliers: 2D-3D matches given, and those that agree.
        reason: why there is no pose, else "".
    """

    name: str
    T_w2c: Matrix | None
    matches: int
    inliers: int
    reason: str = ""


def estimate_pose(name: str, pixels: Floats, points: Matrix, camera: MapCamera, *, seed: int) -> QueryPose:
    """The pose of an image by LO-RANSAC over P3P with refinement (PoseLib).

    Args:
        name: of the image.
        pixels: (N, 2) ours.
        points: (N, 3) in the world.
        camera: intrinsics, with distortion.
        seed: of RANSAC.
    """
    import poselib

    if len(pixels) < FEWEST:
        return QueryPose(name, None, len(pixels), 0, f"{len(pixels)} matches to points of the map")
    described = {"model": camera.model, "width": camera.size[0], "height": camera.size[1], "params": [*camera.params]}
    pose, info = poselib.estimate_absolute_pose(
        pixels.astype(np.float64) + HALF, points, described, {"max_reproj_error": MAX_ERROR, "seed": seed}
    )
    inliers = int(np.sum(info["inliers"]))
    if inliers < FEWEST:
        return QueryPose(name, None, len(pixels), inliers, f"only {inliers} of {len(pixels)} matches agree")
    T_w2c = np.eye(4)
    T_w2c[:3, :3], T_w2c[:3, 3] = pose.R, pose.t
    return QueryPose(name, T_w2c, len(pixels), inliers)


def pose_errors(found: Matrix, true: Matrix) -> tuple[float, float]:
    """Distance of the camera centres and angle between the rotations in degrees, of two (4, 4) T_w2c."""
    distance = float(np.linalg.norm(centre_of(found) - centre_of(true)))
    return distance, rotation_angle(found[:3, :3] @ true[:3, :3].T)


def recall(errors: Sequence[tuple[float, float]], thresholds: Sequence[tuple[float, float]]) -> list[float]:
    """Share of the queries within each (distance, degrees); a failed query has infinite errors and counts."""
    if not errors:
        return [0.0 for _ in thresholds]
    return [sum(d <= most and a <= turn for d, a in errors) / len(errors) for most, turn in thresholds]


def submission_names(names: Sequence[str]) -> list[str]:
    """Names as the long-term localization benchmark lists them: file names alone, as for Aachen and InLoc.

    Where two queries share one, as RobotCar's three cameras do, all are led by their folder.
    """
    parts = [PurePosixPath(name).parts for name in names]
    for count in range(1, max(map(len, parts), default=0) + 1):
        short = ["/".join(each[-count:]) for each in parts]
        if len(set(short)) == len(short):
            return short
    return list(names)


def write_poses(path: Path, poses: Sequence[QueryPose], names: Sequence[str] | None = None) -> None:
    """Write ``name qw qx qy qz tx ty tz`` a line, world to camera: what the long-term localization benchmark takes.

    A query without a pose has no line: the benchmark counts it as failed. ``names`` replace the poses' own.
    """
    lines = []
    for name, pose in zip([pose.name for pose in poses] if names is None else names, poses, strict=True):
        if pose.T_w2c is not None:
            quaternion = Rotation.from_matrix(pose.T_w2c[:3, :3]).as_quat(scalar_first=True)
            numbers = " ".join(f"{value:.9g}" for value in (*quaternion, *pose.T_w2c[:3, 3]))
            lines.append(f"{name} {numbers}\n")
    with atomic(path) as temporary:
        temporary.write_text("".join(lines))


def read_poses(path: Path) -> dict[str, Matrix]:
    """Poses of that format: name -> (4, 4) T_w2c.

    Raises:
        BadInput: a line that does not hold a name and seven numbers.
    """
    found = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        name, *words = line.split()
        try:
            values = np.array([float(word) for word in words])
            rotation = Rotation.from_quat(values[:4], scalar_first=True).as_matrix()
            T_w2c = np.eye(4)
            T_w2c[:3, :3], T_w2c[:3, 3] = rotation, values[4:]
        except ValueError:
            raise BadInput(f"{path}, line {number}: not a pose", "write name qw qx qy qz tx ty tz") from None
        found[name] = T_w2c
    return found
