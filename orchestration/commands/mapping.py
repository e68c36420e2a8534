"""``gim reconstruct`` and ``gim localize``: images to a map, and where other images were taken in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gim_data.errors import GimError
from orchestration.commands.common import err, out
from orchestration.progress import reporting

Source = Annotated[Path, typer.Argument(metavar="IMAGES|VIDEO", help="A folder of images, or a video file.")]
MatcherName = Annotated[str, typer.Option("--matcher", "-m", help="Any matcher of the registry.")]
Target = Annotated[
    Path, typer.Option("--out", help="Folder for the result; the same folder goes on where it was.", file_okay=False)
]
Pairs = Annotated[str, typer.Option(help="exhaustive (images), sequential (a video), retrieval, or a file of names.")]
MaxSide = Annotated[int, typer.Option(min=64, help="Images are matched at this long side, pixels.")]
MapperName = Annotated[str, typer.Option("--mapper", help="incremental or global.")]
CameraModel = Annotated[str, typer.Option("--camera", help="COLMAP camera model to estimate.")]
Masks = Annotated[
    Path | None, typer.Option(help="Folder of <name>.png; black is left out.", exists=True, file_okay=False)
]
Frames = Annotated[int, typer.Option(min=3, help="Frames taken from a video, evenly.")]
Thin = Annotated[int, typer.Option("--every", min=1, help="Use every so many-th image: wider baselines.")]
Radius = Annotated[float, typer.Option(min=0.1, help="Pixels as matched: how far matches without keypoints snap.")]
Truth = Annotated[Path | None, typer.Option(help="Folder with cameras.json to score against.")]
Compare = Annotated[bool, typer.Option("--compare-sift", help="Also map the same pairs with COLMAP's own SIFT.")]
Threads = Annotated[int, typer.Option(help="Threads of COLMAP; -1 for all cores.")]
Seed = Annotated[int, typer.Option(help="Of every random choice.")]
Map = Annotated[Path, typer.Option("--map", help="Posed images (cameras.json), or what 'gim reconstruct' wrote.")]
Queries = Annotated[Path | None, typer.Option(help="Query images: a folder, or a list with intrinsics.", exists=True)]
Depth = Annotated[
    Path | None,
    typer.Option(help="Depth maps of map images, <stem>.png, 16 bits, mm.", exists=True, file_okay=False),
]
Every = Annotated[int, typer.Option(min=2, help="Without --queries: every so many-th image of the map is one.")]
Device = Annotated[str, typer.Option(help="Torch device of learned matchers: auto, cpu, cuda...")]


def reconstruct(
    source: Source,
    matcher: MatcherName,
    target: Target,
    pairs: Pairs = "",
    max_side: MaxSide = 1600,
    mapper: MapperName = "incremental",
    camera: CameraModel = "SIMPLE_RADIAL",
    masks: Masks = None,
    frames: Frames = 60,
    every: Thin = 1,
    radius: Radius = 2.0,
    truth: Truth = None,
    compare_sift: Compare = False,
    threads: Threads = -1,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Cameras and points from images, by any matcher.

    Writes a COLMAP model (sparse/0), points.ply, transforms.json (nerfstudio), scene.html and summary.txt.
    Kill it whenever you like: pairs that were matched stay matched.

    \b
    Examples:
      gim reconstruct photos --matcher xfeat+lighterglue --out map
      gim reconstruct walk.mp4 --matcher rootsift --out map --frames 100
      gim reconstruct posed --matcher rootsift --out map --truth posed --compare-sift
      gim reconstruct posed --matcher rootsift --out wide --every 3 --compare-sift
    """  # noqa: D301
    from gim_models.downstream.mapping.bench import of_images
    from gim_models.downstream.mapping.export import write_outputs
    from gim_models.downstream.mapping.model import CAMERA_MODELS
    from gim_models.downstream.mapping.quantize import Quantizer
    from gim_models.downstream.mapping.reconstruct import MapOptions, reconstruct_by_sift
    from gim_models.downstream.mapping.reconstruct import reconstruct as run
    from gim_models.registry import open_matcher

    options = MapOptions(
        matcher,
        chosen_pairs(pairs, source),
        max_side,
        one_of("--mapper", mapper, ("incremental", "global")),
        one_of("--camera", camera, CAMERA_MODELS),
        masks,
        frames,
        every,
        Quantizer(radius),
        threads,
        seed,
    )
    reference = _reference(truth, source)
    with reporting(out) as progress:
        opened = open_matcher(matcher, device=device)
        results = [run(source, target, opened, options, progress)]
        if compare_sift:
            results.append(reconstruct_by_sift(source, target / "sift", results[0].pairs, options, progress))
    if every > 1:
        reference = of_images(reference, results[0].images)
    text = write_outputs(target, results, reference, f"{source.name} by {matcher}")
    out.print(text, highlight=False, markup=False, soft_wrap=True)
    if results[0].found is None:
        err.print(f"no map was made; what was tried is in {target}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    out.print(f"model {target / 'sparse/0'}, view {target / 'scene.html'}", highlight=False, soft_wrap=True)


def localize(
    map_folder: Map,
    matcher: MatcherName,
    target: Target,
    queries: Queries = None,
    depth: Depth = None,
    every: Every = 4,
    max_side: MaxSide = 1600,
    radius: Radius = 2.0,
    threads: Threads = -1,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Camera poses of query images in a map of posed images.

    Triangulates the map from the given cameras (or lifts matches by --depth, or by scans in InLoc's layout),
    retrieves, matches, and estimates poses. Writes poses.txt, the same as submission.txt with the names that the
    long-term visual localization benchmark wants, and localization.json; queries with known poses are scored. A query
    that cannot be read counts as failed.

    \b
    Examples:
      gim localize --map posed --matcher xfeat+lighterglue --out found              every 4th image is a query
      gim localize --map reference --queries photos --matcher rootsift --out found
      gim localize --map aachen --queries aachen/queries --matcher xfeat+lighterglue --out found
      gim localize --map inloc --matcher xfeat+lighterglue --out found
      gim localize --map office --depth office/depth_mm --matcher rootsift --out found
    """  # noqa: D301
    from gim_models.downstream.mapping.localize import localize as run
    from gim_models.downstream.mapping.quantize import Quantizer
    from gim_models.downstream.mapping.reconstruct import MapOptions
    from gim_models.downstream.mapping.reference import read_queries, read_reference, split_off, with_depth
    from gim_models.registry import open_matcher

    reference = read_reference(map_folder)
    if depth is not None:
        reference = with_depth(reference, depth)
    if queries is None:
        reference, asked = split_off(map_folder, reference, every)
    else:
        reference = [posed for posed in reference if depth is None or posed.surface is not None]
        asked = read_queries(queries, reference, target / "queries")
    options = MapOptions(matcher, max_side=max_side, quantizer=Quantizer(radius), threads=threads, seed=seed)
    with reporting(out) as progress:
        opened = open_matcher(matcher, device=device)
        found = run(reference, asked, target, opened, options, progress)
    out.print(found.as_text(), highlight=False, markup=False, soft_wrap=True)
    out.print(f"poses {target / 'poses.txt'}", highlight=False, soft_wrap=True)


def chosen_pairs(given: str, source: Path) -> Any:
    """The choice or the file; by default sequential for a video, exhaustive for images.

    Raises:
        GimError: it is neither.
    """
    from gim_models.downstream.mapping.reconstruct import CHOICES

    if not given:
        return "sequential" if source.is_file() else "exhaustive"
    if given in CHOICES:
        return given
    if Path(given).is_file():
        return Path(given)
    raise GimError(f"--pairs {given!r} is neither a way to choose pairs nor a file", f"use one of {', '.join(CHOICES)}")


def one_of(option: str, given: str, choices: Sequence[str]) -> Any:
    """The word, if it is one of the choices.

    Raises:
        GimError: it is not.
    """
    if given not in choices:
        raise GimError(f"{option} {given!r} is none of its values", f"use one of {', '.join(choices)}")
    return given


def _reference(truth: Path | None, source: Path) -> list[Any]:
    """Reference cameras: those asked for, else those that lie with the images, else none.

    Raises:
        GimError: ``--truth`` holds no camera.
    """
    from gim_data.bench.posed import sort_cameras

    if truth is None:
        return sort_cameras(source)[0] if source.is_dir() else []
    found, _ = sort_cameras(truth)
    if not found:
        raise GimError(f"{truth} holds no cameras.json or frames.json", "name the folder that holds it")
    return list(found)
