"""Stage ``scenes``: the posed images, planes and scans that matchers are scored on downstream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gim_data.bench.sources import PairSource, fingerprint
from gim_data.errors import BadInput, GimError
from gim_data.files import write_json
from gim_data.stage import Job, Params, Summary
from gim_models.downstream.config import BUILT_IN, DownstreamConfig

MARKS = {"maps": ("cameras.json", "frames.json"), "planes": (), "points": (), "scans": ("poses.json",)}
"""Kind of set -> the files one of which lies in each set; none: the reader itself looks through the folder."""
_MADE: dict[str, tuple[str, str]] = {
    "maps": ("synthetic-walk", "write_walk"),
    "planes": ("synthetic-pictures", "write_planes"),
    "scans": ("synthetic-drive", "write_drive"),
}


def outside(unit: str, params: Params, root: Path) -> Any:
    """The content of every folder that is named, for the unit's digest.

    Raises:
        GimError: a folder is missing, holds no set, or two sets have one name.
    """
    config: DownstreamConfig = params["downstream"]
    return {
        kind: [fingerprint(PairSource(name, kind, str(path))) for name, path in folders(kind, config, root).items()]
        for kind in MARKS
    }


def make_scenes(job: Job) -> Summary:
    """Make the built-in sets below ``<kind>/<name>/``, and list all sets with their content in ``scenes.json``."""
    config: DownstreamConfig = job.params["downstream"]
    from gim_data.synthetic import showcase

    wanted = [kind for kind in _MADE if BUILT_IN in config.sources(kind)]
    job.progress.start("built-in sets", len(wanted))
    for kind in wanted:
        name, function = _MADE[kind]
        write: Callable[[Path], None] = getattr(showcase, function)
        write(job.out / kind / name)
        job.progress.advance(1, name)
    write_json(job.out / "scenes.json", outside(job.unit, job.params, job.root))
    return {kind: sorted(_all(kind, config, job.root, job.out)) for kind in MARKS}


def sets_of(kind: str, job: Job) -> dict[str, Path]:
    """Name -> folder of every configured set of a kind, in order of name.

    Raises:
        BadInput: none is configured.
    """
    config: DownstreamConfig = job.params["downstream"]
    found = _all(kind, config, job.root, job.input("scenes"))
    if not found:
        raise BadInput(f"downstream.{kind} names no set", f"add folders, or '{BUILT_IN}', to 'downstream.{kind}'")
    return found


def folders(kind: str, config: DownstreamConfig, root: Path) -> dict[str, Path]:
    """Name -> folder of the sets of a kind that lie outside the graph.

    Raises:
        GimError: a folder is missing, holds no set, or two sets have one name.
    """
    named: dict[str, Path] = {}
    for source in config.sources(kind):
        for path in _below(kind, source, root) if source != BUILT_IN else ():
            if path.name in named:
                raise GimError(f"{path} and {named[path.name]} are both named {path.name}", "rename one of them")
            named[path.name] = path
    return named


def _all(kind: str, config: DownstreamConfig, root: Path, made: Path) -> dict[str, Path]:
    own = {_MADE[kind][0]: made / kind / _MADE[kind][0]} if BUILT_IN in config.sources(kind) and kind in _MADE else {}
    return dict(sorted({**own, **folders(kind, config, root)}.items()))


def _below(kind: str, source: str, root: Path) -> Iterator[Path]:
    folder = (root / source).resolve()
    if not folder.is_dir():
        raise GimError(f"downstream.{kind}: {source} is not a folder", f"name a folder, or '{BUILT_IN}'")
    marks = MARKS[kind]
    if not marks or any((folder / mark).is_file() for mark in marks):
        yield folder
        return
    found = sorted({path.parent for mark in marks for path in folder.rglob(mark)})
    if not found:
        raise GimError(f"downstream.{kind}: {folder} holds no set", f"a set holds {' or '.join(marks)}")
    yield from found
