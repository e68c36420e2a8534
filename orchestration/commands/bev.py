"""``gim bev`` and ``gim bench bev``: point clouds matched from above."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from gim_data.errors import GimError
from orchestration.commands.common import err, out
from orchestration.commands.match import DEFAULT_MATCHER, Device, MatcherName, Out
from orchestration.progress import reporting


class View(StrEnum):
    """What the picture from above shows."""

    height = "height"
    density = "density"
    both = "both"


Clouds = Annotated[list[str], typer.Argument(metavar="A B", help="Two point clouds: .bin, .ply or .pcd, in metres.")]
Scans = Annotated[str, typer.Argument(metavar="DIR", help="A folder of scans with poses.json; or synthetic:SPEC.")]
Matchers = Annotated[list[str], typer.Option("--matcher", "-m", help="A matcher to score (repeatable).")]
ViewOption = Annotated[View, typer.Option("--view", help="What the pictures show.")]
Radius = Annotated[float, typer.Option(min=1e-3, help="Show at most this many metres to each side.")]
Cell = Annotated[float | None, typer.Option(min=1e-4, help="Metres per pixel; default: about 500 pixels across.")]
Headings = Annotated[int, typer.Option(min=1, max=360, help="Headings of A to try, for an unknown yaw.")]
Columns = Annotated[int | None, typer.Option(min=3, help="Numbers per point of .bin files; default: found out.")]
Turned = Annotated[float, typer.Option(min=0, max=180, help="Turn scan 1 by a random yaw up to so many degrees.")]
Draws = Annotated[int, typer.Option(min=1, help="How many yaws to draw per pair.")]
Farthest = Annotated[float, typer.Option(min=0, help="Leave out pairs farther apart, in metres.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the random yaws.")]


def bev(
    inputs: Clouds,
    matcher: MatcherName = DEFAULT_MATCHER,
    target: Out = Path("bev"),
    view: ViewOption = View.height,
    radius: Radius = 50.0,
    cell: Cell = None,
    headings: Headings = 1,
    columns: Columns = None,
    device: Device = "auto",
) -> None:
    """Align point clouds A and B by matching what they look like from above.

    Both are drawn from above (x forward is up, y left is left), matched as pictures by a matcher that never saw such
    pictures, and a turn and a shift are fitted by RANSAC; the height comes from the floors. Axes: x forward, y left,
    z up, level to a few degrees.

    \b
    Writes to --out:
      bev.json    T_0to1 (A to B): x, y, z in metres, yaw in degrees; matches, inliers
      T_0to1.txt  the 4x4 matrix alone, for numpy.loadtxt
      bev.jpg     both views with their matches; and A (red) moved onto B (cyan): what agrees is grey

    \b
    Examples:
      gim bev 000000.bin 000018.bin
      gim bev a.pcd b.pcd --headings 8            when the yaw between them is unknown
      gim bev room1.ply room2.ply --radius 6 --view density
    """  # noqa: D301
    from gim_models.downstream.bev.align import BevSettings
    from gim_models.downstream.bev.report import align_files
    from gim_models.downstream.inputs import two_inputs
    from gim_models.registry import open_matcher

    path0, path1 = (Path(given) for given in two_inputs(inputs))
    opened = open_matcher(matcher, device=device)
    settings = BevSettings(view.value, radius, cell, headings=headings)
    found = align_files(opened, path0, path1, target, settings, columns=columns)
    if found.T_0to1 is None:
        raise GimError(
            f"{path0} and {path1} could not be aligned: {found.reason}",
            f"look at {target / 'bev.jpg'}; try --headings 8, another --view or another --matcher",
        )
    facts = found.facts()
    motion = (
        f"x {facts['x_m']:+.3f} m, y {facts['y_m']:+.3f} m, z {facts['z_m']:+.3f} m, yaw {facts['yaw_deg']:+.2f} deg"
    )
    out.print(f"A to B: {motion}", highlight=False, soft_wrap=True)
    count = f"{facts['inliers']} of {facts['matches']} matches agree within {3 * facts['cell_m']:.2f} m"
    out.print(f"{count}; matrix and picture in {target}", highlight=False, soft_wrap=True)


def bev_bench(
    scans: Scans,
    matcher: Matchers = [DEFAULT_MATCHER],  # noqa: B006 - typer copies it
    target: Out = Path("bev-bench"),
    turned: Turned = 0.0,
    draws: Draws = 1,
    farthest: Farthest = 30.0,
    view: ViewOption = View.height,
    radius: Radius = 50.0,
    cell: Cell = None,
    headings: Headings = 1,
    columns: Columns = None,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Score matchers on posed scans seen from above: recall over distance and yaw.

    DIR holds scans and poses.json: {"T_s2w": {"000000.bin": [[..4x4..]], ...}}, sensor to common frame, metres.
    Every pair of scans is aligned as 'gim bev' does and compared with its poses: a trial counts within 0.5 m and 1
    degree, 1 m and 2 degrees, 2 m and 5 degrees.

    \b
    Writes to --out:
      scores.json  summaries and every trial
      recall.png   recall over distance and over yaw
      examples/    some trials as pictures

    \b
    Examples:
      gim bench bev lidar/drive -m rootsift -m xfeat+lighterglue
      gim bench bev lidar/drive --turned 180 --headings 8
      gim bench bev 'synthetic:street?path=drive'    a built-in world, scanned once a second
    """  # noqa: D301
    from gim_models.downstream.bev.align import BevSettings
    from gim_models.downstream.bev.bench import BenchSettings
    from gim_models.downstream.bev.report import bench_folder
    from gim_models.registry import open_matcher

    opened = [open_matcher(name, device=device) for name in matcher]
    with reporting(out) as progress:
        summaries, left_out = bench_folder(
            opened,
            scans,
            target,
            BenchSettings(farthest, turned, draws, seed, columns),
            BevSettings(view.value, radius, cell, headings=headings),
            progress,
        )
    for name, problem in left_out.items():
        err.print(f"[yellow]left out[/yellow] {escape(name)}: {escape(problem)}", highlight=False, soft_wrap=True)
    out.print(_table(summaries))
    out.print(f"scores, figure and examples in {target}", highlight=False, soft_wrap=True)


def _table(summaries: dict[str, dict[str, Any]]) -> Table:
    """A row per matcher: recall in percent, and median errors of the trials that gave a motion."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("matcher")
    limits = list(next(iter(summaries.values()))["recall"])
    for name in (*limits, "trials", "no motion", "median m", "median z, m", "median deg"):
        table.add_column(name, justify="right")
    for name, one in summaries.items():
        recalls = [f"{100 * one['recall'][limit]:.0f} %" for limit in limits]
        medians = ["" if value is None else f"{value:.2f}" for value in _medians(one)]
        table.add_row(name, *recalls, str(one["trials"]), str(one["without_motion"]), *medians)
    return table


def _medians(summary: dict[str, Any]) -> list[float | None]:
    return [summary["median"][name] for name in ("plane_m", "vertical_m", "turn_deg")]
