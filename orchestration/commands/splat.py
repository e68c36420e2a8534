"""``gim splat`` and ``gim bench splat``: images to a scene of gaussian splats, and which map makes the best one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from orchestration.commands.common import out
from orchestration.commands.mapping import Pairs, chosen_pairs
from orchestration.commands.match import DEFAULT_MATCHER
from orchestration.progress import reporting


class Renderer(StrEnum):
    """What draws the splats."""

    auto = "auto"
    torch = "torch"
    gsplat = "gsplat"


Source = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|IMAGES|VIDEO", help="What 'gim reconstruct' wrote, images, a video, or synthetic:SPEC."
    ),
]
Images = Annotated[str, typer.Argument(metavar="IMAGES|VIDEO", help="Images, a video, or synthetic:SPEC.")]
Target = Annotated[
    Path, typer.Option("--out", help="Folder for the result; the same folder goes on where it was.", file_okay=False)
]
Init = Annotated[str, typer.Option(help="model (the map's points), random, or a .ply of splats to go on from.")]
Steps = Annotated[int, typer.Option(min=1, help="Steps of training, a picture each.")]
Side = Annotated[int, typer.Option(min=32, help="Pictures are reduced to this long side, pixels.")]
Count = Annotated[int, typer.Option(min=2, help="Gaussians to start from, at most.")]
Most = Annotated[int, typer.Option(min=2, help="Gaussians that are never exceeded.")]
MatcherName = Annotated[str, typer.Option("--matcher", "-m", help="Who matches where a map has to be made first.")]
Matchers = Annotated[list[str], typer.Option("--matcher", "-m", help="A matcher whose map is used (repeatable).")]
MaxSide = Annotated[int, typer.Option(min=64, help="Images are matched at this long side, pixels.")]
RendererOption = Annotated[Renderer, typer.Option("--renderer", help="gsplat needs CUDA; auto takes it if it can.")]
Orbit = Annotated[int, typer.Option(min=0, help="Frames of the video; 0 for none.")]
Threads = Annotated[int, typer.Option(help="Threads of COLMAP; -1 for all cores.")]
Seed = Annotated[int, typer.Option(min=0, help="Of every random choice.")]
Device = Annotated[str, typer.Option(help="Torch device: auto, cpu, cuda...")]


def splat(
    source: Source,
    target: Target,
    init: Init = "model",
    steps: Steps = 600,
    side: Side = 160,
    count: Count = 3000,
    most: Most = 6000,
    matcher: MatcherName = DEFAULT_MATCHER,
    pairs: Pairs = "",
    max_side: MaxSide = 1600,
    renderer: RendererOption = Renderer.auto,
    orbit: Orbit = 48,
    threads: Threads = -1,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """A scene of gaussian splats from a map or from images.

    Every 8th image is held out; the splats are scored on those. Kill it whenever you like: the same command goes on.

    \b
    Writes to --out:
      splats.ply    the scene, for any viewer of 3D gaussian splats
      metrics.json  PSNR and SSIM of the held-out images, one by one, and over the training
      views/        each held-out photograph beside what the splats show
      orbit.mp4     a flight around

    \b
    Examples:
      gim splat map --out scene                       what 'gim reconstruct' wrote
      gim splat photos --out scene -m rootsift        the map is made first, to scene/map
      gim splat map --out big --steps 7000 --side 1000 --most 300000 --device cuda
    """  # noqa: D301
    from gim_models.downstream.mapping.reconstruct import MapOptions
    from gim_models.downstream.splatting.render import open_renderer
    from gim_models.downstream.splatting.results import splat as run
    from gim_models.downstream.splatting.sources import Mapping, open_scene
    from gim_models.registry import usable_device

    device = usable_device(device)
    open_renderer(renderer.value, device)  # what cannot run is said before a map is made
    mapping = Mapping(
        MapOptions(matcher, chosen_pairs(pairs, Path(source)), max_side, threads=threads, seed=seed), device
    )
    options = _options(steps, count, most, seed, init)
    with reporting(out) as progress:
        scene = open_scene(source, target, mapping, side, progress)
        found = run(scene, target, options, progress, renderer=renderer.value, device=device, frames=orbit)
    out.print(found.sentence(), highlight=False, soft_wrap=True)
    out.print(f"splats {target / 'splats.ply'}, pictures {target / 'views'}", highlight=False, soft_wrap=True)


def splat_bench(
    source: Images,
    target: Target = Path("splat-bench"),
    matcher: Matchers = [DEFAULT_MATCHER],  # noqa: B006 - typer copies it
    pairs: Pairs = "",
    max_side: MaxSide = 1600,
    steps: Steps = 600,
    side: Side = 160,
    count: Count = 3000,
    most: Most = 6000,
    renderer: RendererOption = Renderer.auto,
    orbit: Orbit = 48,
    threads: Threads = -1,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Which map makes the best splats: COLMAP's SIFT, each matcher's, or none (a random start).

    The same images, steps, seed and number of gaussians for all; every 8th image is held out. Each map has its own
    cameras, the random start has SIFT's. Of a built-in world the exact cameras and points stand beside them.

    \b
    Writes to --out:
      index.html    table, curves and pictures
      compare.json  all numbers; curves.png, pictures.jpg
      maps/ splats/ what 'gim reconstruct' and 'gim splat' write, per entry

    \b
    Examples:
      gim bench splat photos -m rootsift -m xfeat+lighterglue
      gim bench splat 'synthetic:objects?seconds=20' -m rootsift
    """  # noqa: D301
    from gim_models.downstream.mapping.reconstruct import MapOptions
    from gim_models.downstream.splatting.compare import Contest, compare
    from gim_models.downstream.splatting.figures import write_comparison
    from gim_models.downstream.splatting.render import open_renderer
    from gim_models.registry import open_matcher, usable_device

    device = usable_device(device)
    open_renderer(renderer.value, device)
    contest = Contest(
        [(name, open_matcher(name, device=device)) for name in matcher],
        MapOptions(matcher[0], chosen_pairs(pairs, Path(source)), max_side, threads=threads, seed=seed),
        _options(steps, count, most, seed),
        side,
        renderer.value,
        device,
        orbit,
    )
    with reporting(out) as progress:
        entries = compare(source, target, contest, progress)
    facts = {"source": source, "steps": steps, "count": count, "most": most, "side": side, "seed": seed}
    out.print(_table(write_comparison(target, entries, facts)))
    out.print(f"page {target / 'index.html'}", highlight=False, soft_wrap=True)


def _options(steps: int, count: int, most: int, seed: int, init: str = "model") -> Any:
    from gim_models.downstream.splatting.density import DensityRule
    from gim_models.downstream.splatting.train import TrainOptions

    return TrainOptions(init, steps, count, seed=seed, density=DensityRule(most=most))


def _table(rows: list[dict[str, Any]]) -> Table:
    """A row per entry; one without a map says why."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("start")
    for name in ("PSNR, dB", "SSIM", "judged", "images", "points", "gaussians", "training, s"):
        table.add_column(name, justify="right")
    for row in rows:
        if row["problem"]:
            table.add_row(row["label"], row["problem"])
            continue
        scores = [
            "" if row["psnr"] is None else f"{row['psnr']:.2f}",
            "" if row["ssim"] is None else f"{row['ssim']:.3f}",
        ]
        counts = [str(row[name]) for name in ("judged", "images", "points", "gaussians")]
        table.add_row(row["label"], *scores, *counts, f"{row['seconds']:.0f}")
    return table
