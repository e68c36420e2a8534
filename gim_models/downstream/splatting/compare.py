"""Does a better map make better splats? One training per map and one from nothing, on the same pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gim_data.errors import BadInput, GimError
from gim_data.files import digest_of, fingerprint, read_json, write_json
from gim_data.stage import Progress
from gim_data.types import Matcher
from gim_data.video.sources import image_files
from gim_models.downstream.mapping.images import photo_folder
from gim_models.downstream.mapping.pairing import Pair
from gim_models.downstream.mapping.reconstruct import MapOptions, MapResult, reconstruct, reconstruct_by_sift
from gim_models.downstream.mapping.store import settings_digest
from gim_models.downstream.splatting.quality import means
from gim_models.downstream.splatting.results import SplatResult, splat
from gim_models.downstream.splatting.scene import SplatScene, make_scene, model_folder, read_scene
from gim_models.downstream.splatting.sources import WORLD_VIEWS
from gim_models.downstream.splatting.train import TrainOptions
from gim_models.downstream.splatting.world import PREFIX, write_world

SIFT, RANDOM, TRUTH = "colmap-sift", "random", "exact"
_MADE = "made.json"  # what a map folder was made of


@dataclass(frozen=True)
class Contest:
    """What is compared.

    Attributes:
        matchers: registry name and matcher, one or more.
        mapping: how maps are made; its matcher is replaced by each.
        training: how splats are learned; its ``init`` is replaced.
        side: long side of the pictures, pixels.
        renderer, device: see ``splat``.
        frames: of each video.
    """

    matchers: Sequence[tuple[str, Matcher]]
    mapping: MapOptions
    training: TrainOptions
    side: int
    renderer: str = "auto"
    device: str = "cpu"
    frames: int = 48


@dataclass(frozen=True)
class Entry:
    """One training of a contest; ``result`` is None where no map came about, and ``problem`` says why."""

    label: str
    scene: SplatScene | None
    result: SplatResult | None
    problem: str = ""


def compare(source: str, out: Path, contest: Contest, progress: Progress) -> list[Entry]:
    """Learn splats from the map of COLMAP's SIFT, from each matcher's, and from random ones with SIFT's cameras.

    Every training has the same steps, seed and number of gaussians. Each map has its own cameras, as it would in use:
    a matcher that places cameras badly blurs the splats. Of a built-in world the exact cameras and points are one more
    entry. What was made stays made: the same call goes on where a killed one was.

    Args:
        source: a folder of images, a video, or ``synthetic:SPEC``.
        out: folder; maps go to ``maps/``, splats to ``splats/``.
        contest: what is compared.
        progress: where to report.

    Raises:
        GimError: two matchers of one name.
        BadInput: nothing usable is there, or not one map could be made.
    """
    names = [matcher.name for _, matcher in contest.matchers]
    if len(set(names)) < len(names):
        raise GimError(f"two matchers have one name: {', '.join(names)}", "give each once, from folders of other names")
    scenes: dict[str, SplatScene | str] = {}
    images = Path(source)
    if source.startswith(PREFIX):
        images = out / "world" / "images"
        found = write_world(source, images, WORLD_VIEWS, progress)
        scenes[TRUTH] = make_scene(found, images, list(found.views), contest.side, progress)
    scenes |= _mapped_scenes(images, out / "maps", contest, progress)
    return _learn_all(source, out, scenes, contest, progress)


def against_random(images: Path, out: Path, contest: Contest, progress: Progress) -> list[Entry]:
    """Learn splats from each matcher's map, and from random ones with the cameras of the first map that was made.

    Args:
        images: a folder of images.
        out, contest, progress: as for ``compare``.

    Raises:
        BadInput: fewer than three usable images, or not one map could be made.
    """
    scenes, _ = _scenes_by_matchers(images, out / "maps", contest, progress)
    return _learn_all(str(images), out, scenes, contest, progress)


def _learn_all(
    source: str, out: Path, scenes: Mapping[str, SplatScene | str], contest: Contest, progress: Progress
) -> list[Entry]:
    """An entry per scene, and the random start with the cameras of the first map."""
    usable = [scene for label, scene in scenes.items() if isinstance(scene, SplatScene) and label != TRUTH]
    if not usable:
        raise BadInput(
            f"not one map could be made of {source}: {'; '.join(str(scene) for scene in scenes.values())}",
            "use images with more overlap, or other matchers",
        )
    entries = [_learned(label, scene, out, contest, "model", progress) for label, scene in scenes.items()]
    return [*entries, _learned(RANDOM, usable[0], out, contest, RANDOM, progress)]


def rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """One row of numbers per entry; means are over the held-out pictures that all maps hold.

    Without such pictures, and for an entry without a map, the scores are None.
    """
    done = [entry.result for entry in entries if entry.result is not None]
    common = set.intersection(*({one.name for one in result.held_out} for result in done)) if done else set()
    return [_row(entry, common) for entry in entries]


def _row(entry: Entry, common: set[str]) -> dict[str, Any]:
    if entry.result is None or entry.scene is None:
        return {"label": entry.label, "problem": entry.problem, "psnr": None, "ssim": None}
    scores = [one for one in entry.result.held_out if one.name in common]
    psnr, ssim = means(scores) if scores else (None, None)
    return {
        "label": entry.label,
        "problem": "",
        "psnr": psnr,
        "ssim": ssim,
        "judged": len(scores),
        "images": len(entry.scene.train) + len(entry.scene.held_out),
        "points": len(entry.scene.points),
        "gaussians": len(entry.result.trained.gaussians),
        "seconds": entry.result.trained.seconds,
        "history": [list(row) for row in entry.result.trained.history],
    }


def _learned(label: str, scene: SplatScene | str, out: Path, contest: Contest, init: str, progress: Progress) -> Entry:
    if isinstance(scene, str):
        return Entry(label, None, None, scene)
    options = replace(contest.training, init=init)
    result = splat(
        scene,
        out / "splats" / safe(label),
        options,
        progress,
        renderer=contest.renderer,
        device=contest.device,
        frames=contest.frames,
        title=label,
    )
    return Entry(label, scene, result)


def _mapped_scenes(images: Path, out: Path, contest: Contest, progress: Progress) -> dict[str, SplatScene | str]:
    """Label -> the scene of its map, or why there is none; SIFT first, on the pairs of the first matcher."""
    found, pairs = _scenes_by_matchers(images, out, contest, progress)
    folder, options = out / SIFT, replace(contest.mapping, matcher=SIFT)
    made = _made(folder, images, options)
    if made is None:
        made = _note(folder, images, options, reconstruct_by_sift(images, folder, pairs, options, progress))
    return {SIFT: _scene(folder, made, contest.side, progress), **found}


def _scenes_by_matchers(
    images: Path, out: Path, contest: Contest, progress: Progress
) -> tuple[dict[str, SplatScene | str], list[Pair]]:
    """Label -> the scene of its map, or why there is none; and the pairs of the first matcher."""
    found: dict[str, SplatScene | str] = {}
    pairs: list[Pair] = []
    for name, matcher in contest.matchers:
        options = replace(contest.mapping, matcher=name)
        folder = out / safe(matcher.name)
        made = _made(folder, images, options)
        if made is None:
            result = reconstruct(images, folder, matcher, options, progress)
            made = _note(folder, images, options, result)
        pairs = pairs or [(i, j) for i, j in made["pairs"]]
        found[matcher.name] = _scene(folder, made, contest.side, progress)
    return found, pairs


def _scene(folder: Path, made: dict[str, Any], side: int, progress: Progress) -> SplatScene | str:
    if made["problem"]:
        return str(made["problem"])
    try:
        return read_scene(folder, side, progress)
    except BadInput as error:  # a map of too few pictures is a result of this matcher, not the end of the contest
        return error.problem


def _made(folder: Path, images: Path, options: MapOptions) -> dict[str, Any] | None:
    """What a map folder was made of, if it was made of these images with these options, else None."""
    path = folder / _MADE
    if not path.is_file():
        return None
    made: dict[str, Any] = read_json(path)
    whole = made["problem"] or model_folder(folder) is not None
    return made if made["key"] == _key(images, options) and whole else None


def _note(folder: Path, images: Path, options: MapOptions, result: MapResult) -> dict[str, Any]:
    made = {
        "key": _key(images, options),
        "pairs": [list(map(int, pair)) for pair in result.pairs],
        "problem": result.problem.splitlines()[0] if result.found is None else "",
        "seconds": result.seconds,
    }
    write_json(folder / _MADE, made)
    return made


def _key(images: Path, options: MapOptions) -> str:
    """Digest of what decides a map."""
    files = [images] if images.is_file() else image_files(photo_folder(images))
    prints = [[path.name, fingerprint(path)] for path in files]
    return digest_of([settings_digest(options.matcher, options.max_side), repr(options), prints])


def safe(label: str) -> str:
    """A label as a file name."""
    return "".join(c if c.isalnum() or c in "+-." else "_" for c in label)


def common_names(entries: Sequence[Entry]) -> list[str]:
    """Names of the held-out pictures that every map holds."""
    done = [set(entry.result.pictures) for entry in entries if entry.result is not None]
    return sorted(set.intersection(*done)) if done else []


def median_gap(entries: Sequence[Entry]) -> str:
    """Name of the common picture in whose PSNR the entries differ by the median amount: neither the best nor the worst.

    "" without a common picture.
    """
    names = common_names(entries)
    if not names:
        return ""
    done = [{one.name: one.psnr for one in e.result.held_out} for e in entries if e.result is not None]
    gaps = [max(scores[name] for scores in done) - min(scores[name] for scores in done) for name in names]
    return names[int(np.argsort(gaps, kind="stable")[len(gaps) // 2])]
