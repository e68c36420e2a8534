"""Points in space seen by cameras on an arc, and matchers that know where every point projects.

The pictures are flat: their colour is the number of the camera, which is all that the planted matchers read of them.
So images are read, reduced, masked and matched by the real code, and the truth is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from gim_data.bench.posed import Camera
from gim_data.files import write_json
from gim_data.types import Features, Matches

SIZE = (640, 480)
K = np.array([[600.0, 0, (SIZE[0] - 1) / 2], [0, 600.0, (SIZE[1] - 1) / 2], [0, 0, 1]])
STEP = 10  # grey values between two cameras


@dataclass
class Scene:
    """``count`` cameras that look at ``points`` random points from an arc of ``degrees``."""

    count: int = 7
    points: int = 300
    degrees: float = 60.0
    seed: int = 0
    X: np.ndarray = field(init=False)
    T_w2c: list[np.ndarray] = field(init=False)

    def __post_init__(self):
        self.X = np.random.default_rng(self.seed).uniform([-1.5, -1, -1], [1.5, 1, 1], (self.points, 3))
        self.T_w2c = [self._pose(a) for a in np.radians(np.linspace(-0.5, 0.5, self.count) * self.degrees)]

    @staticmethod
    def _pose(angle):
        T = np.eye(4)
        T[:3, :3] = [[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]]
        T[:3, 3] = [0, 0.3 * np.sin(3 * angle), 5]
        return T

    def project(self, camera):
        """(N, 2) pixels of all points and (N,) whether they are inside the image."""
        x = self.X @ self.T_w2c[camera][:3, :3].T + self.T_w2c[camera][:3, 3]
        uv = (x @ K.T)[:, :2] / x[:, 2:]
        return uv, ((uv >= 0) & (uv <= np.array(SIZE) - 1)).all(1)

    def write(self, folder: Path, rows=None, size=SIZE) -> Path:
        """``images/`` and ``cameras.json`` of some cameras."""
        (folder / "images").mkdir(parents=True, exist_ok=True)
        cameras = {}
        for row in range(self.count) if rows is None else rows:
            name = f"{row:04d}.png"
            cv2.imwrite(str(folder / "images" / name), np.full((size[1], size[0], 3), (row + 1) * STEP, np.uint8))
            cameras[name] = {"K": K.tolist(), "T_w2c": self.T_w2c[row].tolist()}
        write_json(folder / "cameras.json", {"cameras": cameras})
        return folder

    def cameras(self) -> list[Camera]:
        return [Camera(Path(f"{row:04d}.png"), K, T) for row, T in enumerate(self.T_w2c)]


class PlantedSparse:
    """Keypoints are the projections, descriptors are one-hot-like random vectors of the points."""

    name = "planted"

    def __init__(self, scene, fail_after=None):
        self.scene, self.calls, self.fail_after = scene, 0, fail_after
        self.extracted = 0
        codes = np.random.default_rng(1).normal(size=(scene.points, 16))
        self.codes = (codes / np.linalg.norm(codes, axis=1, keepdims=True)).astype(np.float32)

    def extract(self, image, mask=None):
        self.extracted += 1
        points, rows = seen(self.scene, image)
        return Features(points, self.codes[rows], np.ones(len(rows), np.float32), image.shape[1::-1], {"row": rows})

    def match_features(self, pairs):
        found = []
        for a, b in pairs:
            if self.fail_after is not None and self.calls >= self.fail_after:
                raise KeyboardInterrupt
            self.calls += 1
            _, i, j = np.intersect1d(a.extra["row"], b.extra["row"], return_indices=True)
            i, j = i.astype(np.int32), j.astype(np.int32)
            sure = np.ones(len(i), np.float32)
            found.append(Matches(a.keypoints[i], b.keypoints[j], sure, a.size, b.size, i, j))
        return found

    def match(self, image0, image1, mask0=None, mask1=None):
        return self.match_features([(self.extract(image0), self.extract(image1))])[0]


class PlantedDense:
    """Says where points are with ``noise`` pixels of error that differ from pair to pair; has no keypoints."""

    name = "planted-dense"

    def __init__(self, scene, noise=0.4):
        self.scene, self.noise = scene, noise

    def match(self, image0, image1, mask0=None, mask1=None):
        (points0, rows0), (points1, rows1) = seen(self.scene, image0), seen(self.scene, image1)
        _, i, j = np.intersect1d(rows0, rows1, return_indices=True)
        generator = np.random.default_rng([camera_of(image0), camera_of(image1)])
        jitter = [generator.normal(0, self.noise, (len(i), 2)).astype(np.float32) for _ in range(2)]
        sure = generator.uniform(0.5, 1, len(i)).astype(np.float32)
        return Matches(points0[i] + jitter[0], points1[j] + jitter[1], sure, image0.shape[1::-1], image1.shape[1::-1])


def make_planted(device):
    """A factory as the registry has them."""
    return PlantedSparse(Scene())


def make_planted_nine(device):
    """The same for a scene of nine cameras and fewer points."""
    return PlantedSparse(Scene(count=9, points=200))


def camera_of(image):
    return round(float(np.median(image)) / STEP) - 1


def seen(scene, image):
    """Projections in pixels of this (possibly reduced) image, and which points they are of."""
    uv, inside = scene.project(camera_of(image))
    factor = np.array(image.shape[1::-1]) / SIZE
    rows = np.flatnonzero(inside)
    return ((uv[rows] + 0.5) * factor - 0.5).astype(np.float32), rows
