"""``gim zeb unpack``, ``check``, ``make`` and ``leakage``: the benchmark's files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from orchestration.commands.common import err, out, root_of
from orchestration.progress import reporting

if TYPE_CHECKING:
    from gim_data.bench.zeb_check import SetFindings

RELEASED = "the released benchmark"
_SHOWN = 5  # findings of one kind and data set that are listed; --json has them all
Archives = Annotated[list[Path], typer.Argument(metavar="ZIP...", help="Archives of the benchmark.", dir_okay=False)]
Out = Annotated[Path, typer.Option("--out", help="The folder that will hold the data sets.", file_okay=False)]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the data sets' folders.")]
Dumps = Annotated[Path | None, typer.Option(help="Take the pair list from these dumps instead of the built-in one.")]
List = Annotated[
    Path | None, typer.Option("--list", help="Take the pair list from this file, as 'gim zeb make' writes it.")
]
Made = Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.", file_okay=False)]
Sets = Annotated[list[str] | None, typer.Option("--set", help="Only this data set, by its folder (repeatable).")]
Posed = Annotated[
    list[str] | None,
    typer.Option(metavar="SET=FOLDER", help="Fill a data set from this folder of posed images (repeatable)."),
]
Pairs = Annotated[int, typer.Option(min=1, help="Most pairs of a data set.")]
Views = Annotated[int, typer.Option(min=2, help="Images of a scene.")]
Scenes = Annotated[int, typer.Option(min=1, help="Rendered scenes of a data set.")]
LongSide = Annotated[int, typer.Option(min=0, help="Long side of rendered images, pixels; 0: each set's own.")]
Seed = Annotated[int, typer.Option(min=0, help="Of cameras, and of the choice of pairs.")]
Images = Annotated[
    Path | None,
    typer.Option(help="A folder of images to look for; default: the workspace's benchmark.", file_okay=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="All findings, as JSON.")]


def unpack(archives: Archives, target: Out) -> None:
    """Unpack the benchmark's archives into one folder and nowhere else.

    An archive with a member that leaves the folder, is absolute, or is a link is refused as a whole. Files are
    written whole; an interrupted call is completed by repeating it.

    \b
    Example:
      gim zeb unpack ~/Downloads/*.zip --out ../zeb
    """  # noqa: D301
    from gim_data.bench.unpack import unpack as unpack_archives

    with reporting(err) as progress:
        done = unpack_archives(archives, target, progress)
    out.print(f"{done.written} files written, {done.kept} were there", highlight=False)


def check(folder: Folder, dumps: Dumps = None, listed: List = None, as_json: AsJson = False) -> None:
    """Compare an unpacked benchmark with the frozen list of its 45,916 pairs.

    Pairs, overlaps, intrinsics, poses, and the check sums inside every image. Ends with exit code 1 where anything is
    missing, too much or wrong.

    \b
    Examples:
      gim zeb check ../zeb
      gim zeb check mirror --list mirror/pairs.parquet     one that 'gim zeb make' made
    """  # noqa: D301
    from gim_data.bench.frozen import frozen_from_dumps, read_frozen
    from gim_data.bench.zeb_check import check_zeb
    from gim_data.errors import GimError

    if not folder.is_dir():
        raise GimError(f"{folder} is not a folder", "name the folder that holds gl3d, blendedmvs, eth3di and so on")
    if dumps is not None and listed is not None:
        raise GimError("--dumps and --list name two lists", "give one of them")
    frozen = frozen_from_dumps(dumps) if dumps else read_frozen(listed) if listed else read_frozen()
    with reporting(err) as progress:
        found = check_zeb(folder, frozen, progress)
    if as_json:
        rows = {f.name: {**asdict(f), "folder": str(f.folder), "sound": f.sound} for f in found}
        typer.echo(json.dumps(rows, indent=1, sort_keys=True))
    else:
        _say(found, "the benchmark of this list" if listed else RELEASED)
    if not all(f.sound for f in found):
        raise typer.Exit(1)


def leakage(context: typer.Context, images: Images = None, as_json: AsJson = False) -> None:
    """Look for benchmark images among the training pictures: videos, worlds and posed data sets.

    Perceptual hashes find a frame again after re-encoding, resizing or a change of brightness; they do not find
    another view of the same place. Ends with exit code 1 where an image was found.

    \b
    Examples:
      gim zeb leakage                    the workspace's pictures against its benchmark
      gim zeb leakage --images ../zeb    ... against other images
    """  # noqa: D301
    from gim_data.bench.leaks import bench_images, cache_folder, find_leaks, image_files
    from gim_data.errors import GimError
    from orchestration.training_pictures import training_albums

    root = root_of(context)
    data = root / "data"
    albums = training_albums(root)
    wanted = image_files(images) if images else bench_images(data)
    if not albums or not wanted:
        raise GimError(f"{data} holds no {'images' if albums else 'frames'} to compare", "gim run frames bench")
    with reporting(err) as progress:
        report = find_leaks(albums, wanted, progress, cache=cache_folder(data))
    if as_json:
        rows = [{**asdict(leak), "image": str(leak.image)} for leak in report.leaks]
        typer.echo(json.dumps({**asdict(report), "leaks": rows}, indent=1, sort_keys=True))
    else:
        for leak in report.leaks:
            text = f"{leak.image} is {leak.place} ({leak.bits} of 256 bits differ)"
            out.print(text, highlight=False, markup=False, soft_wrap=True)
        told = f"{report.pictures} training pictures, {report.images} images ({report.unseen} too plain to tell)"
        out.print(f"{told}: {len(report.leaks)} found", highlight=False)
    if report.leaks:
        raise typer.Exit(1)


def make(
    target: Made,
    sets: Sets = None,
    posed: Posed = None,
    pairs: Pairs = 60,
    views: Views = 24,
    scenes: Scenes = 1,
    long_side: LongSide = 0,
    seed: Seed = 0,
) -> None:
    """Make a small benchmark in ZEB's released layout, from ray-traced worlds or from posed images.

    Twelve folders of ZEB's names and file names, each with the kind of scene that its namesake shows. It is not ZEB:
    'gim zeb table' keeps its scores away from published ones. What is there already stays; an interrupted call is
    completed by repeating it.

    \b
    Examples:
      gim zeb make ../mirror
      gim zeb make ../mirror --set kitti --posed kitti=../data/sequences/kitti07
      gim use --pairs ../mirror                 evaluate on it
    """  # noqa: D301
    from gim_data.bench.mirror import LIST_FILE, MIRROR, MirrorRules, make_mirror
    from gim_data.errors import GimError

    given = dict(_assignment(text) for text in posed or ())
    if len(given) < len(posed or ()):
        raise GimError("--posed names one data set twice", "give each its own folder")
    rules = MirrorRules(pairs, views, scenes, long_side, seed)
    with reporting(err) as progress:
        made = make_mirror(target, sets or list(MIRROR), given, rules, progress)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("data set", "pairs", "images", "median overlap"):
        table.add_column(name, justify="left" if name == "data set" else "right")
    for name, rows in made.items():
        images = {image for pair in rows for image in (pair.image0, pair.image1)}
        overlap = sorted(pair.overlap for pair in rows)[len(rows) // 2]
        table.add_row(name, str(len(rows)), str(len(images)), f"{overlap:.2f}")
    out.print(table)
    out.print(f"check it: gim zeb check {target} --list {target / LIST_FILE}", highlight=False, soft_wrap=True)


def _assignment(text: str) -> tuple[str, Path]:
    from gim_data.bench.posed import is_posed
    from gim_data.errors import GimError

    name, equals, folder = text.partition("=")
    if not equals or not is_posed(Path(folder)):
        raise GimError(f"--posed {text}: no folder of posed images", "write SET=FOLDER, with pairs.json in the folder")
    return name, Path(folder)


def _say(found: Sequence[SetFindings], what: str) -> None:
    from gim_data.bench.zeb_check import SOURCE

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("data set", "folder", "pairs", "expected", "images", "missing", "extra", "overlap differs", "wrong"):
        table.add_column(name, justify="left" if name in ("data set", "folder") else "right")
    for f in found:
        counts = (f.pairs, f.expected, f.images, *map(len, (f.missing, f.extra, f.overlaps, f.problems)))
        table.add_row(f.name, f.folder.name, *map(str, counts), style="" if f.sound else "yellow")
    out.print(table)
    for f in found:
        absent = f.pairs == 0 and not f.problems
        for kind, items in (("missing", f.missing), ("extra", f.extra), ("overlap differs", f.overlaps)):
            _list(f"{f.name}: {kind}", ("every pair",) if absent and items else items)
        _list(f"{f.name}: wrong", f.problems)
        if what == RELEASED and f.sizes:
            _list(f"{f.name}: unusual, not wrong", (f.sizes,))
    if any(f.missing for f in found) and what == RELEASED:
        out.print(f"get what is missing: {SOURCE}", highlight=False, soft_wrap=True)
    total = sum(f.pairs for f in found)
    state = f"this is {'' if all(f.sound for f in found) else 'not '}{what}"
    out.print(f"{total} of {sum(f.expected for f in found)} pairs; {state}", highlight=False)


def _list(title: str, items: Sequence[str]) -> None:
    if items:
        more = f" ... and {len(items) - _SHOWN} more (--json lists them)" if len(items) > _SHOWN else ""
        out.print(f"{title}: {', '.join(items[:_SHOWN])}{more}", highlight=False, markup=False, soft_wrap=True)
