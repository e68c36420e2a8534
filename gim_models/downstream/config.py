"""Section ``downstream`` of ``params.yaml``, and which matchers are scored downstream."""

from __future__ import annotations

from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from gim_data.errors import GimError
from gim_data.stage import Params, Section

BUILT_IN = "synthetic"
"""The source that needs no data: a rendered walk, warped pictures, a lidar that drives through a street."""
Sources = tuple[str, ...]


class DownstreamConfig(Section):
    """What matchers are used for: maps, relocalization, splats, planes, views from above; on which sets."""

    matchers: tuple[str, ...] = Field(
        ("*",), description="which of the baselines and models are scored downstream (glob patterns)"
    )
    maps: Sources = Field(
        (BUILT_IN,),
        description="posed images for maps and relocalization: 'synthetic', folders with images/ and cameras.json or "
        "frames.json, or folders that hold such folders",
    )
    splats: Sources = Field(
        (BUILT_IN,), description="those of the sources of 'maps' whose sets splats are learned from, a map each"
    )
    splat_steps: int = Field(200, ge=1, description="steps of training splats, a picture each")
    splat_side: int = Field(96, ge=32, description="long side that pictures are reduced to for splats, pixels")
    splat_count: int = Field(1000, ge=2, description="splats to start from, at most; never more than twice as many")
    planes: Sources = Field(
        (BUILT_IN,), description="pairs with homographies: 'synthetic', or folders as 'gim bench homography' reads them"
    )
    points: Sources = Field((), description="pairs with clicked points: folders as 'gim bench points' reads them")
    scans: Sources = Field(
        (BUILT_IN,), description="posed point clouds: 'synthetic', or folders with poses.json, or folders of such"
    )
    every: tuple[int, ...] = Field(
        (1, 3), description="maps are made of all images, and again of every so many-th: wide baselines"
    )
    query_every: int = Field(4, ge=2, description="every so many-th image of a set is looked for in a map of the rest")
    max_images: int = Field(60, ge=3, description="larger sets are thinned evenly to at most so many images")
    max_side: int = Field(1024, ge=64, description="long side that images are reduced to for matching")
    short_side: int = Field(480, ge=0, description="short side that planes are reduced to (0: never); pixels of it")
    farthest: float = Field(30.0, gt=0, description="metres between two scans that are aligned, at most")
    columns: int | None = Field(None, ge=3, description="numbers per point of .bin scans; null: found out from each")
    headings: int = Field(1, ge=1, le=360, description="headings of a scan that are tried")
    threads: int = Field(-1, description="threads of COLMAP; -1: one per core")
    seed: int = Field(0, ge=0, description="of every random choice")

    @field_validator("every")
    @classmethod
    def _steps(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if not steps or min(steps) < 1 or len(set(steps)) != len(steps):
            raise ValueError(f"{steps} is not a list of different steps of 1 or more")
        return steps

    def sources(self, kind: str) -> Sources:
        """The sources of ``maps``, ``planes``, ``points`` or ``scans``."""
        found: Sources = getattr(self, kind)
        return found

    def splatted(self) -> Sources:
        """The sources of ``maps`` whose sets splats are learned from."""
        return tuple(source for source in self.maps if source in self.splats)


def contender_keys(params: Params, root: object) -> list[str]:
    """The matchers that are scored downstream, in the order of the scores.

    Raises:
        GimError: the patterns fit none.
    """
    from gim_models.stages import matcher_keys

    config: DownstreamConfig = params["downstream"]
    known = matcher_keys(params, root)
    chosen = [name for name in known if any(fnmatch(name, pattern) for pattern in config.matchers)]
    if not chosen:
        raise GimError(f"downstream.matchers {list(config.matchers)} fits no matcher", f"the matchers are {known}")
    return chosen


def contender_upstream(unit: str, dep: str, dep_units: list[str], params: Params) -> list[str]:
    """A matcher reads the sets and, if it was trained, its model."""
    if dep == "scenes":
        return dep_units
    return [unit] if unit in dep_units else []


def table_upstream(unit: str, dep: str, dep_units: list[str], params: Params) -> list[str]:
    """The table reads every task that can have scores: one without sets, or without pycolmap, does not empty it."""
    config: DownstreamConfig = params["downstream"]
    possible = {
        "maps": bool(config.maps) and find_spec("pycolmap") is not None,
        "relocalization": bool(config.maps) and find_spec("pycolmap") is not None,
        "splats": bool(config.splatted()) and find_spec("pycolmap") is not None,
        "planes": bool(config.planes or config.points),
        "bev": bool(config.scans),
    }
    return dep_units if possible[dep] else []


def mapping_outside(unit: str, params: Params, root: Path) -> dict[str, Any]:
    """What a map depends on besides the graph: a baseline's weights, and the version of pycolmap.

    So installing pycolmap ends a recorded skip.

    Raises:
        GimError: the folder of a baseline is not there.
    """
    from importlib.metadata import version

    from gim_models.evaluation.baselines import outside

    pycolmap = version("pycolmap") if find_spec("pycolmap") is not None else None
    return {"pycolmap": pycolmap, "matcher": outside(unit, params, root)}
