"""Light, weather, season and sensor: what changes an image and not its geometry."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gim_data.synthetic.spec import LookName

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """How a world is lit and seen.

    Attributes:
        sun: direction towards the sun (any length), or None for no direct light.
        sunlight, ambient: (r, g, b) linear strengths.
        sky_top, sky_low: (r, g, b) colours of the sky overhead and at the horizon, in [0, 1].
        fog: attenuation per metre towards ``sky_low``.
        lamps: factor on the scene's lamps.
        exposure: gain before the sensor.
        noise: standard deviation of the sensor noise, in grey levels.
        rain: share of the pixels under streaks.
        snow: share of upward surfaces that are white.
        saturation: 1 leaves colours as they are.
    """

    sun: Triple | None = (0.5, 0.35, 0.8)
    sunlight: Triple = (0.85, 0.8, 0.7)
    ambient: Triple = (0.5, 0.53, 0.6)
    sky_top: Triple = (0.45, 0.62, 0.88)
    sky_low: Triple = (0.78, 0.85, 0.92)
    fog: float = 0.001
    lamps: float = 0.0
    exposure: float = 1.35
    noise: float = 1.5
    rain: float = 0.0
    snow: float = 0.0
    saturation: float = 1.0


_DAY = Look()
_OVERCAST = Look(
    sun=None,
    ambient=(0.8, 0.82, 0.85),
    sky_top=(0.7, 0.74, 0.78),
    sky_low=(0.85, 0.87, 0.88),
    fog=0.003,
    saturation=0.85,
)
LOOKS: dict[str, Look] = {
    "day": _DAY,
    "overcast": _OVERCAST,
    "dusk": Look(
        sun=(0.9, 0.3, 0.22),
        sunlight=(0.95, 0.55, 0.3),
        ambient=(0.26, 0.27, 0.38),
        sky_top=(0.25, 0.3, 0.5),
        sky_low=(0.95, 0.6, 0.4),
        lamps=0.3,
        noise=3.0,
    ),
    "night": Look(
        sun=None,
        ambient=(0.07, 0.08, 0.12),
        sky_top=(0.02, 0.03, 0.06),
        sky_low=(0.08, 0.08, 0.12),
        lamps=1.0,
        exposure=2.2,
        noise=7.0,
        saturation=0.8,
    ),
    "fog": replace(_OVERCAST, fog=0.03, saturation=0.6),
    "rain": replace(_OVERCAST, ambient=(0.55, 0.57, 0.62), fog=0.012, rain=0.012, noise=3.0, saturation=0.7),
    "winter": replace(_OVERCAST, snow=0.75, ambient=(0.65, 0.68, 0.74), saturation=0.7, fog=0.006),
}


def look_at_instant(name: LookName, seed: int, instant: int) -> Look:
    """The look of a world at ``instant`` microseconds; ``mixed`` is another one at every instant."""
    return relit(np.random.default_rng([seed, abs(instant), 1])) if name == "mixed" else LOOKS[name]


def relit(rng: np.random.Generator) -> Look:
    """A random look: any of ``LOOKS`` with its sun, strength, colour and noise changed."""
    base = LOOKS[list(LOOKS)[int(rng.integers(len(LOOKS)))]]
    bearing, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 1.3)
    sun = (float(np.cos(bearing)), float(np.sin(bearing)), float(np.tan(elevation)))
    tone = rng.uniform(0.85, 1.15, 3)
    red, green, blue = (float(a * b) for a, b in zip(base.ambient, tone, strict=True))
    return replace(
        base,
        sun=sun if base.sun else None,
        ambient=(red, green, blue),
        exposure=base.exposure * float(rng.uniform(0.7, 1.4)),
        noise=base.noise * float(rng.uniform(0.5, 1.6)),
        fog=base.fog * float(rng.uniform(0.3, 1.2)),
    )
