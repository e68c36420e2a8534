"""How often, how far and how turned: recall of bird's-eye-view alignment over pairs of posed scans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gim_data.errors import BadInput
from gim_data.stage import Progress, Silent
from gim_data.types import Matcher
from gim_models.downstream.bev.align import Alignment, BevSettings, align, lift, moved, yaw_of
from gim_models.downstream.bev.clouds import Cloud, read_cloud
from gim_models.downstream.bev.rigid import Rigid
from gim_models.downstream.bev.scans import Scan
from gim_models.evaluation.protocol import pair_seed

LIMITS: tuple[tuple[float, float], ...] = ((0.5, 1.0), (1.0, 2.0), (2.0, 5.0))
"""Metres and degrees within which an alignment counts, strictest first; the last is the usual one of the field."""
DISTANCES = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, np.inf)
YAWS = (0.0, 15.0, 30.0, 60.0, 120.0, 180.0)


@dataclass(frozen=True)
class BenchSettings:
    """Which pairs are aligned.

    Attributes:
        farthest: metres between the sensors of a pair, at most.
        turned: degrees; scan 1 of each pair is turned by up to this much to either side.
        draws: how many turns are drawn per pair.
        seed: of the turns.
        columns: numbers per point of ``.bin`` files, None to find out.
    """

    farthest: float = 30.0
    turned: float = 0.0
    draws: int = 1
    seed: int = 0
    columns: int | None = None


@dataclass(frozen=True)
class Trial:
    """One pair to align.

    Attributes:
        name: unique, from the files' names and the number of the draw.
        scan0, scan1: rows of the scans.
        turn: radians by which scan 1 was turned about its own z.
        T_0to1: (4, 4) the truth, with that turn.
    """

    name: str
    scan0: int
    scan1: int
    turn: float
    T_0to1: NDArray[np.float64]

    @property
    def distance(self) -> float:
        """Metres between the sensors, in the plane."""
        return float(np.linalg.norm(self.T_0to1[:2, 3]))

    @property
    def yaw_deg(self) -> float:
        """Degrees between the headings, 0 to 180."""
        return float(np.degrees(abs(yaw_of(self.T_0to1))))


@dataclass(frozen=True)
class TrialScore:
    """How one trial went: errors in metres and degrees, inf where there is no motion, with the reason."""

    name: str
    distance: float
    yaw_deg: float
    plane_m: float
    vertical_m: float
    turn_deg: float
    matches: int
    inliers: int
    reason: str

    def within(self, metres: float, degrees: float) -> bool:
        """Whether shift (in the plane) and turn are both as close as that."""
        return self.plane_m <= metres and self.turn_deg <= degrees


def trials_of(scans: Sequence[Scan], settings: BenchSettings) -> list[Trial]:
    """All pairs of scans that are near enough, each with its turns; a turn depends on seed and names only."""
    return [trial for pair in combinations(range(len(scans)), 2) for trial in _trials(scans, pair, settings)]


@dataclass(frozen=True)
class Readable:
    """What can be aligned.

    Attributes:
        trials: those whose two clouds can be read.
        clouds: row of the scan -> its cloud.
        left_out: file name -> why its cloud cannot be used; trials with it are not there.
    """

    trials: list[Trial]
    clouds: dict[int, Cloud]
    left_out: dict[str, str]


def read_trials(scans: Sequence[Scan], trials: Sequence[Trial], *, columns: int | None = None) -> Readable:
    """Read the clouds of the trials; one that is damaged or empty is left out with its trials, the others stay.

    Args:
        scans: all of them.
        trials: one or more.
        columns: see ``read_cloud``.

    Raises:
        BadInput: no trial remains.
    """
    clouds: dict[int, Cloud] = {}
    left_out: dict[str, str] = {}
    error: BadInput | None = None
    for row in sorted({row for trial in trials for row in (trial.scan0, trial.scan1)}):
        try:
            clouds[row] = read_cloud(scans[row].path, columns=columns)
        except BadInput as problem:
            left_out[scans[row].path.name] = problem.problem
            error = error or problem
    possible = [trial for trial in trials if {trial.scan0, trial.scan1} <= clouds.keys()]
    if not possible and error is not None:
        raise BadInput(f"no pair of scans is left: {error.problem}", error.remedy)
    return Readable(possible, clouds, left_out)


def run_trials(
    matcher: Matcher,
    clouds: Mapping[int, Cloud],
    trials: Sequence[Trial],
    settings: BevSettings,
    progress: Progress | None = None,
) -> Iterator[tuple[TrialScore, Alignment]]:
    """Align and score the trials one after the other; ``clouds`` and ``trials`` are those of ``read_trials``."""
    bar = progress or Silent()
    bar.start(f"{matcher.name} from above", len(trials))
    for trial in trials:
        found = align(matcher, clouds[trial.scan0], turned_cloud(clouds[trial.scan1], trial), settings)
        bar.advance(1, trial.name)
        yield score(trial, found), found


def turned_cloud(cloud1: Cloud, trial: Trial) -> Cloud:
    """Scan 1 of a trial, turned as it says."""
    return Cloud(moved(cloud1.points, _about_z(trial.turn)), cloud1.left_out, cloud1.name)


def score(trial: Trial, found: Alignment) -> TrialScore:
    """Compare an alignment with the truth."""
    plane = vertical = degrees = float("inf")
    if found.T_0to1 is not None:
        off = found.T_0to1[:3, 3] - trial.T_0to1[:3, 3]
        plane, vertical = float(np.linalg.norm(off[:2])), float(abs(off[2]))
        between = yaw_of(found.T_0to1) - yaw_of(trial.T_0to1)
        degrees = float(np.degrees(abs(np.angle(np.exp(1j * between)))))
    return TrialScore(
        trial.name,
        trial.distance,
        trial.yaw_deg,
        plane,
        vertical,
        degrees,
        len(found.matches),
        int(found.inliers.sum()),
        found.reason,
    )


def recall(scores: Iterable[TrialScore], metres: float, degrees: float) -> float:
    """Share of trials within both limits; NaN without trials."""
    hits = [one.within(metres, degrees) for one in scores]
    return float(np.mean(hits)) if hits else float("nan")


def summarize(scores: Sequence[TrialScore]) -> dict[str, Any]:
    """Recall at every limit, over distance and over yaw, and the errors' medians where there is a motion."""
    found = [one for one in scores if np.isfinite(one.plane_m)]
    middle = {name: _median([getattr(one, name) for one in found]) for name in ("plane_m", "vertical_m", "turn_deg")}
    return {
        "trials": len(scores),
        "without_motion": len(scores) - len(found),
        "recall": {label(limit): recall(scores, *limit) for limit in LIMITS},
        "over_distance": _binned(scores, "distance", DISTANCES),
        "over_yaw": _binned(scores, "yaw_deg", YAWS),
        "median": middle,
    }


def label(limit: tuple[float, float]) -> str:
    """``1 m, 2 deg``."""
    return f"{limit[0]:g} m, {limit[1]:g} deg"


def rows(scores: Sequence[TrialScore]) -> list[dict[str, Any]]:
    """The scores as JSON rows; an infinite error is null."""
    return [
        {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in asdict(one).items()}
        for one in scores
    ]


def _binned(scores: Sequence[TrialScore], field: str, edges: Sequence[float]) -> list[dict[str, Any]]:
    """Recall at every limit of the trials in each half-open bin that has any; the last bin has both its ends."""
    bins: list[dict[str, Any]] = []
    for low, high in pairwise(edges):
        chosen = [
            one for one in scores if low <= getattr(one, field) < high or getattr(one, field) == high == edges[-1]
        ]
        if chosen:
            shares = {label(limit): recall(chosen, *limit) for limit in LIMITS}
            bins.append(
                {"from": low, "to": high if np.isfinite(high) else None, "trials": len(chosen), "recall": shares}
            )
    return bins


def _trials(scans: Sequence[Scan], pair: tuple[int, int], settings: BenchSettings) -> Iterator[Trial]:
    scan0, scan1 = (scans[row] for row in pair)
    T_0to1 = np.linalg.inv(scan1.T_s2w) @ scan0.T_s2w
    if np.linalg.norm(T_0to1[:3, 3]) > settings.farthest:
        return
    for draw in range(settings.draws):
        name = f"{scan0.path.stem}-{scan1.path.stem}" + (f"-{draw}" if settings.draws > 1 else "")
        rng = np.random.default_rng(pair_seed(name, settings.seed))
        angle = float(np.radians(rng.uniform(-settings.turned, settings.turned))) if settings.turned else 0.0
        yield Trial(name, *pair, angle, _about_z(angle) @ T_0to1)


def _about_z(angle: float) -> NDArray[np.float64]:
    return lift(Rigid(angle, np.zeros(2), np.ones(0, bool)))


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None
