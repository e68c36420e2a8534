"""``gim bench``: matchers on planes and on hand-annotated points."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from orchestration.commands.common import err, out
from orchestration.progress import reporting

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Score matchers on planes and annotated points.")
Folders = Annotated[
    list[Path], typer.Argument(metavar="DIR...", help="Folders of pairs.", exists=True, file_okay=False)
]
Matchers = Annotated[
    list[str], typer.Option("--matcher", "-m", help="A matcher's name (repeatable), or student:<folder>.")
]
ProtocolName = Annotated[str, typer.Option(help="How homographies are estimated.")]
ShortSide = Annotated[int, typer.Option(help="Images are reduced to this short side; 0 leaves them.", min=0)]
Device = Annotated[str, typer.Option(help="Where matchers run: auto, cpu or cuda.")]
AsJson = Annotated[bool, typer.Option("--json", help="All numbers, pair by pair, as JSON.")]


@app.callback()
def bench() -> None:
    """Score matchers on planes and annotated points."""


@app.command()
def homography(
    folders: Folders,
    matcher: Matchers,
    protocol: ProtocolName = "homography-ransac-v1",
    short_side: ShortSide = 480,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Planes: AUC of the mean corner error up to 3, 5 and 10 pixels.

    Reads HPatches' and Oxford's layouts, and pairs.json with H_0to1.

    \b
    Example:
      gim bench homography hpatches-sequences --matcher rootsift --matcher xfeat+lighterglue
    """  # noqa: D301
    from gim_data.bench.planar import read_planar
    from gim_data.errors import GimError
    from gim_models.evaluation.flat_bench import run_planar
    from gim_models.evaluation.homography import PROTOCOLS

    if protocol not in PROTOCOLS:
        raise GimError(f"there is no protocol {protocol!r}", f"use one of {', '.join(PROTOCOLS)}")
    chosen = PROTOCOLS[protocol]
    sets = _merged([read_planar(folder) for folder in folders])
    cells = {}
    for name in matcher:
        with reporting(err) as progress:
            progress.start(name, sum(map(len, sets.values())))
            cells[name] = run_planar(_open(name, device), sets, chosen, progress, short_side=short_side)
    facts = {"protocol": protocol, "versions": chosen.versions(), "short_side": short_side, "seed": 0}
    _tell(facts, cells, ["auc_3px", "auc_5px", "auc_10px"], as_json)


@app.command()
def points(folders: Folders, matcher: Matchers, device: Device = "auto", as_json: AsJson = False) -> None:
    """Hand-annotated points: the share that lies within 3, 5 and 10 pixels of the estimated epipolar geometry.

    Reads WxBS' layout, and pairs.json with pts0 and pts1. Images are matched at full size.

    \b
    Example:
      gim bench points wxbs --matcher rootsift
    """  # noqa: D301
    from gim_data.bench.planar import read_points
    from gim_models.evaluation import annotated
    from gim_models.evaluation.flat_bench import run_points

    sets = _merged([read_points(folder) for folder in folders])
    cells = {}
    for name in matcher:
        with reporting(err) as progress:
            progress.start(name, sum(map(len, sets.values())))
            cells[name] = run_points(_open(name, device), sets, progress)
    facts = {"protocol": annotated.NAME, "versions": annotated.versions()}
    _tell(facts, cells, ["within_3px", "within_5px", "within_10px"], as_json)


def _open(name: str, device: str) -> Any:
    from gim_models.registry import open_matcher

    return open_matcher(name, device=device)


def _merged(found: Sequence[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """Sets of several folders; two of one name are one set."""
    sets: dict[str, list[Any]] = {}
    for each in found:
        for name, pairs in each.items():
            sets.setdefault(name, []).extend(pairs)
    return sets


def _tell(facts: dict[str, Any], cells: dict[str, dict[str, Any]], columns: list[str], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({**facts, "matchers": cells}, indent=1, sort_keys=True))
        return
    table = Table(box=None, header_style="bold", pad_edge=False, caption=_caption(facts), caption_justify="left")
    for name in ("set", "matcher", *columns, "failed", "matches"):
        table.add_column(name.replace("_", " "), justify="left" if name in ("set", "matcher") else "right")
    for name in next(iter(cells.values())):
        for matcher, found in cells.items():
            cell = found[name]
            numbers = [
                f"{cell[c]:.1f} \\[{cell[f'{c}_interval'][0]:.1f}, {cell[f'{c}_interval'][1]:.1f}]" for c in columns
            ]
            table.add_row(name, matcher, *numbers, f"{cell['failures']}/{cell['pairs']}", f"{cell['matches']:.0f}")
    out.print(table)


def _caption(facts: dict[str, Any]) -> str:
    told = [str(facts["protocol"]), *(f"{k} {v}" for k, v in facts["versions"].items())]
    told += [f"short side {facts['short_side']}"] if facts.get("short_side") else []
    return "percent, 95 % intervals over pairs; " + ", ".join(told)
