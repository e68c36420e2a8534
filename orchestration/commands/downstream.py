"""``gim downstream``, ``gim bench maps``, ``gim bench localization``: what matchers are good for, in tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from gim_data.errors import GimError
from orchestration.commands.common import err, out, root_of
from orchestration.commands.mapping import Device, MapperName, MaxSide, Seed, Threads, one_of
from orchestration.progress import reporting

Folders = Annotated[
    list[Path],
    typer.Argument(metavar="DIR...", help="images/ with cameras.json or frames.json.", exists=True, file_okay=False),
]
Mappers = Annotated[
    list[str], typer.Option("--matcher", "-m", help="A matcher to score (repeatable); colmap-sift for COLMAP's own.")
]
Matchers = Annotated[list[str], typer.Option("--matcher", "-m", help="A matcher to score (repeatable).")]
Steps = Annotated[list[int], typer.Option("--every", min=1, help="Use every so many-th image (repeatable).")]
QueryEvery = Annotated[int, typer.Option(min=2, help="Every so many-th image is a query.")]
Most = Annotated[int, typer.Option(min=3, help="Larger sets are thinned evenly to so many images.")]
Target = Annotated[
    Path, typer.Option("--out", help="Folder for the results; the same folder goes on where it was.", file_okay=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="All numbers as JSON.")]


def downstream(context: typer.Context, as_json: AsJson = False) -> None:
    """Print what 'gim run downstream' collected: a row per set and matcher for each task.

    \b
    First:
      gim run --with-deps downstream
    """  # noqa: D301
    from gim_models.downstream.table import TABLE, read_table

    folder = root_of(context) / "data" / "downstream" / "all"
    if not (folder / TABLE).is_file():
        raise GimError(f"{folder} holds no table", "run 'gim run --with-deps downstream'")
    found = read_table(folder)
    if as_json:
        typer.echo(json.dumps(found, indent=1, sort_keys=True))
        return
    for task, units in found.items():
        _tell(task, units)


def maps(
    folders: Folders,
    matcher: Mappers,
    every: Steps = [1],  # noqa: B006 - typer copies it
    target: Target = Path("maps-bench"),
    max_side: MaxSide = 1600,
    max_images: Most = 60,
    mapper: MapperName = "incremental",
    threads: Threads = -1,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Reconstruct posed sets with several matchers and compare with the true cameras.

    --every 3 leaves every third image: wide baselines, where a weak matcher breaks. All pairs of a set are matched,
    each once, however often it is thinned. Images that cannot be read are left out and counted; a set that cannot be
    is a row with its problem, and the command fails after the others.

    \b
    Examples:
      gim bench maps fountain fox -m rootsift -m xfeat+lighterglue -m colmap-sift
      gim bench maps fountain -m rootsift --every 1 --every 3 --every 4
    """  # noqa: D301
    from gim_models.downstream.mapping.bench import cases_of, map_case, open_contender
    from gim_models.downstream.mapping.reconstruct import MapOptions

    chosen = one_of("--mapper", mapper, ("incremental", "global"))
    cases = cases_of(_named(folders), every, max_images)
    found: dict[str, dict[str, Any]] = {}
    for name in matcher:
        opened = open_contender(name, device)
        options = MapOptions(name, max_side=max_side, mapper=chosen, threads=threads, seed=seed)
        with reporting(err) as progress:
            found[name] = {
                case.name: map_case(case, target / _folder(name) / case.folder.name, opened, options, progress).cell
                for case in cases
            }
    _finish("maps", found, target, as_json)


def localization(
    folders: Folders,
    matcher: Matchers,
    query_every: QueryEvery = 4,
    target: Target = Path("localization-bench"),
    max_side: MaxSide = 1600,
    max_images: Most = 60,
    threads: Threads = -1,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Find some images of posed sets in maps of the others, with several matchers.

    An image that cannot be read is left out of the map, or counts as a query that was not found.

    \b
    Example:
      gim bench localization fountain fox -m rootsift -m xfeat+lighterglue
    """  # noqa: D301
    from gim_models.downstream.mapping.bench import localize_set
    from gim_models.downstream.mapping.reconstruct import MapOptions
    from gim_models.registry import open_matcher

    found: dict[str, dict[str, Any]] = {}
    for name in matcher:
        opened, options = (
            open_matcher(name, device=device),
            MapOptions(name, max_side=max_side, threads=threads, seed=seed),
        )
        with reporting(err) as progress:
            found[name] = {
                one: localize_set(
                    folder,
                    target / _folder(name) / one,
                    opened,
                    options,
                    progress,
                    query_every=query_every,
                    most=max_images,
                )
                for one, folder in _named(folders).items()
            }
    _finish("relocalization", found, target, as_json)


def _named(folders: Sequence[Path]) -> dict[str, Path]:
    named = {folder.resolve().name: folder for folder in folders}
    if len(named) < len(folders):
        raise GimError("two of the folders have one name", "rename one of them")
    return named


def _folder(matcher: str) -> str:
    """A matcher's name as a folder's; two students of one name in two folders stay apart."""
    from gim_data.files import digest_of

    prefix, _, place = matcher.partition(":")
    return prefix if not place else f"{prefix}-{Path(place).name}-{digest_of(str(Path(place).resolve()))[:6]}"


def _finish(task: str, found: Mapping[str, Mapping[str, Any]], target: Path, as_json: bool) -> None:
    from gim_data.files import write_json

    write_json(target / f"{task}.json", found)
    if as_json:
        typer.echo(json.dumps(found, indent=1, sort_keys=True))
    else:
        _tell(task, found)
        out.print(f"all numbers in {target / f'{task}.json'}", highlight=False, soft_wrap=True)
    _raise_unusable(found)


def _raise_unusable(found: Mapping[str, Mapping[str, Any]]) -> None:
    """End with an error where a set could not be read; one that a matcher cannot do is a result.

    Raises:
        GimError: so it is.
    """
    bad = {name: cell for cells in found.values() for name, cell in cells.items() if cell.get("remedy")}
    if bad:
        problems = "; ".join(dict.fromkeys(str(cell["problem"]) for cell in bad.values()))
        remedy = next(iter(bad.values()))["remedy"]
        raise GimError(f"no number for {', '.join(bad)}: {problems}", f"{remedy}; then give the same command again")


def _tell(task: str, found: Mapping[str, Mapping[str, Any]]) -> None:
    from gim_models.downstream.tasks import TASKS, rows_of, used_columns

    about = TASKS[task]
    table = Table(title=about.title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for i, title in enumerate(("set", "matcher", *(column.title for column in used_columns(about, found)))):
        table.add_column(title, justify="left" if i < 2 else "right", overflow="fold")
    for row in rows_of(about, found):
        table.add_row(*row)
    out.print(table)
    for unit, cells in found.items():
        for name, cell in cells.items():
            if cell.get("problem"):
                first = str(cell["problem"]).splitlines()[0]
                out.print(f"{name}, {unit}: {first}", highlight=False, soft_wrap=True, markup=False)
            for note in cell.get("notes", ()):
                out.print(f"{name}, {unit}: {note}", highlight=False, soft_wrap=True, markup=False)
