"""From what a user names to a scene: a map, images or a video to make one of, or a built-in world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gim_data.errors import BadInput
from gim_data.stage import Progress
from gim_data.types import Matcher
from gim_models.downstream.mapping.reconstruct import MapOptions, MapResult, reconstruct
from gim_models.downstream.splatting.scene import SplatScene, make_scene, model_folder, read_scene
from gim_models.downstream.splatting.world import PREFIX, write_world
from gim_models.registry import open_matcher

MAP = "map"
WORLD_VIEWS = 40
"""Pictures taken of a built-in world."""


@dataclass(frozen=True)
class Mapping:
    """How a map is made where there is none.

    Attributes:
        options: matcher and pairs.
        device: torch device of the matcher.
    """

    options: MapOptions
    device: str = "cpu"


def open_scene(source: str, out: Path, mapping: Mapping, side: int, progress: Progress) -> SplatScene:
    """The scene of a source; a map that has to be made first goes to ``out/map``.

    Args:
        source: a folder with ``sparse/0`` and ``images/``, a folder of images, a video, or ``synthetic:SPEC``.
        out: folder of the result.
        mapping: how a map is made.
        side: long side of the pictures that splats are learned from, pixels.
        progress: where to report.

    Raises:
        GimError: no such matcher, or no valid spec.
        BadInput: nothing usable is there, or no map can be made of it.
    """
    if source.startswith(PREFIX):
        images = out / "world" / "images"
        found = write_world(source, images, WORLD_VIEWS, progress)
        return make_scene(found, images, list(found.views), side, progress)
    folder = Path(source)
    if folder.is_dir() and model_folder(folder) is not None:
        return read_scene(folder, side, progress)
    matcher = open_matcher(mapping.options.matcher, device=mapping.device)
    made(reconstruct(folder, out / MAP, matcher, mapping.options, progress), folder, matcher)
    return read_scene(out / MAP, side, progress)


def made(result: MapResult, source: Path, matcher: Matcher) -> None:
    """Refuse an attempt that placed nothing.

    Raises:
        BadInput: so it is.
    """
    if result.found is None:
        raise BadInput(
            f"{matcher.name} made no map of {source}: {result.problem.splitlines()[0]}",
            "use images with more overlap, or another --matcher",
        )
