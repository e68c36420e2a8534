"""Smooth camera paths: seconds in, world-to-camera pose out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Pose = NDArray[np.float64]
Path = Callable[[float], Pose]
"""``path(t)`` is the (4, 4) T_w2c at ``t`` seconds; the world has z up, the camera follows OpenCV."""


@dataclass(frozen=True)
class Wander:
    """A smooth random function of time, about within +-1: a sum of sines of random period and phase.

    Attributes:
        rates: (channels, waves) radians per second.
        phases: (channels, waves).
    """

    rates: NDArray[np.float64]
    phases: NDArray[np.float64]

    @classmethod
    def draw(cls, rng: np.random.Generator, channels: int, *, period: float) -> Wander:
        """Random function with periods of about ``period`` seconds and ``channels`` outputs."""
        rates = 2 * np.pi / (period * rng.uniform(0.6, 1.7, (channels, 3)))
        return cls(rates, rng.uniform(0, 2 * np.pi, (channels, 3)))

    def __call__(self, t: float) -> NDArray[np.float64]:
        """(channels,) values at ``t`` seconds."""
        values: NDArray[np.float64] = np.sin(self.rates * t + self.phases).mean(1) * 1.5
        return values


def camera(position: ArrayLike, *, yaw: float, pitch: float, roll: float = 0.0) -> Pose:
    """T_w2c of a camera at ``position`` (3,).

    Args:
        position: metres.
        yaw: radians counter-clockwise from +x, seen from above.
        pitch: radians, upwards positive.
        roll: radians about the view axis.
    """
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    down = np.cross(forward, right)
    cos, sin = np.cos(roll), np.sin(roll)
    rotation = np.stack([cos * right + sin * down, -sin * right + cos * down, forward])
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = -rotation @ np.asarray(position, np.float64)
    return pose


def look_at(position: ArrayLike, target: ArrayLike, *, roll: float = 0.0) -> Pose:
    """T_w2c of a camera at ``position`` (3,) that sees ``target`` (3,) in its centre."""
    x, y, z = np.asarray(target, np.float64) - np.asarray(position, np.float64)
    return camera(position, yaw=float(np.arctan2(y, x)), pitch=float(np.arctan2(z, np.hypot(x, y))), roll=roll)


def position_of(pose: Pose) -> NDArray[np.float64]:
    """(3,) camera centre in the world of a (4, 4) T_w2c."""
    centre: NDArray[np.float64] = -pose[:3, :3].T @ pose[:3, 3]
    return centre


def walk(rng: np.random.Generator, *, speed: float = 1.3, lane: float = 0.9, height: float = 1.65) -> Path:
    """Along +x on foot: the head bobs, sways and looks around.

    Args:
        rng: seeds the looking around.
        speed: metres per second.
        lane: metres the walker strays from y = 0.
        height: of the eyes, metres.
    """
    stray, gaze = Wander.draw(rng, 1, period=13), Wander.draw(rng, 2, period=16)
    step = rng.uniform(1.7, 2.0) * 2 * np.pi

    def path(t: float) -> Pose:
        bob = np.array([0.0, 0.02 * np.sin(step * t / 2), 0.025 * np.sin(step * t)])
        position = np.array([speed * t, lane * stray(t)[0], height]) + bob
        yaw, pitch = gaze(t) * np.array([0.6, 0.13])
        return camera(position, yaw=yaw, pitch=pitch + 0.05, roll=0.015 * np.sin(step * t / 2))

    return path


def drive(rng: np.random.Generator, *, speed: float = 6.0, lane: float = -0.8) -> Path:
    """Along +x by car: fast, level, nearly straight ahead."""
    stray, pitch = Wander.draw(rng, 2, period=9), Wander.draw(rng, 1, period=1.3)

    def path(t: float) -> Pose:
        side, yaw = stray(t)
        return camera([speed * t, lane + 0.35 * side, 1.4], yaw=0.12 * yaw, pitch=0.01 * pitch(t)[0], roll=0.01 * yaw)

    return path


def drone(
    rng: np.random.Generator, *, floor: float, altitude: float, reach: float, speed: float, centre: ArrayLike = (0, 0)
) -> Path:
    """A wandering flight that looks ahead and down.

    Args:
        rng: seeds the wandering.
        floor: height of the tallest thing that must not be hit, metres.
        altitude: above ``floor``, metres.
        reach: how far it strays from ``centre`` (2,), metres.
        speed: metres per second.
        centre: metres.
    """
    where = Wander.draw(rng, 2, period=2 * np.pi * reach / speed)
    height, gaze = Wander.draw(rng, 1, period=13), Wander.draw(rng, 3, period=20)
    middle = np.asarray(centre, np.float64)
    heading = rng.uniform(0, 2 * np.pi)

    def path(t: float) -> Pose:
        x, y = middle + reach * where(t)
        turn, tilt, roll = gaze(t)
        z = floor + altitude * (1 + 0.25 * height(t)[0])
        return camera([x, y, z], yaw=heading + 0.9 * turn, pitch=-0.85 + 0.3 * tilt, roll=0.08 * roll)

    return path


def orbit(
    rng: np.random.Generator, *, target: ArrayLike, radius: float, height: float, period: float, outward: bool = False
) -> Path:
    """Around ``target`` (3,), looking at it, or away from it where ``outward`` (a walk around a room).

    Args:
        rng: seeds the unsteadiness and the direction.
        target: metres.
        radius, height: of the camera above the target's floor, metres.
        period: seconds per turn.
        outward: look past the centre to the far wall with much wandering, instead of at the target.
    """
    sway, gaze = Wander.draw(rng, 2, period=9), Wander.draw(rng, 3, period=17)
    start, sense = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1])
    goal = np.asarray(target, np.float64)
    swing = np.array([1.1, 0.22, 0.06]) if outward else np.array([0.12, 0.1, 0.06])

    def path(t: float) -> Pose:
        angle = start + sense * 2 * np.pi * t / period
        out, up = sway(t)
        reach = radius * (1 + 0.12 * out)
        position = np.array(
            [goal[0] + reach * np.cos(angle), goal[1] + reach * np.sin(angle), height * (1 + 0.15 * up)]
        )
        x, y, z = goal - position
        turn, tilt, roll = gaze(t) * swing
        return camera(position, yaw=np.arctan2(y, x) + turn, pitch=np.arctan2(z, np.hypot(x, y)) + tilt, roll=roll)

    return path
