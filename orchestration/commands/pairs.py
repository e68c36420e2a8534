"""``gim pairs``: posed pairs of one's own, converted and drawn."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.commands.common import out

if TYPE_CHECKING:
    from gim_data.types import TwoViewPair

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Posed pairs of your own: convert, draw.")
Source = Annotated[Path, typer.Argument(metavar="DIR", help="Pairs in either form.", exists=True, file_okay=False)]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="One posed sequence.", exists=True, file_okay=False)]
Target = Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.", file_okay=False)]
Separator = Annotated[str | None, typer.Option(help="Between names in ZEB's layout, - or _; default: ZEB's own.")]
Count = Annotated[int, typer.Option("--pairs", min=1, help="Most pairs.")]
Images = Annotated[int, typer.Option(min=2, help="Most images, spread evenly over the sequence.")]
Overlap = Annotated[tuple[float, float], typer.Option(min=0, max=1, help="Least and largest overlap.")]
Bins = Annotated[int, typer.Option(min=1, help="Equal bins of overlap that are filled as equally as they allow.")]
Rotation = Annotated[float, typer.Option(min=0, max=180, help="Largest rotation, degrees.")]
Parallax = Annotated[float, typer.Option(min=0, help="Least baseline over the scene's median depth.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the choice.")]


class By(StrEnum):
    """Where overlaps come from."""

    auto = "auto"
    depth = "depth"
    frusta = "frusta"
    listed = "listed"


@app.callback()
def pairs() -> None:
    """Posed pairs of your own: convert, draw."""


@app.command()
def convert(source: Source, target: Target, separator: Separator = None) -> None:
    """Turn pairs.json with images/ into ZEB's released layout, or the other way round.

    Identifiers, cameras and overlaps stay as they are to the last bit. A folder of several sequences becomes a folder
    of as many.

    \b
    Examples:
      gim pairs convert ../zeb/kitti kitti        pairs.json and images/
      gim pairs convert my_pairs ../bench/mine    ZEB's layout
    """  # noqa: D301
    from gim_data.bench.convert import convert as convert_source
    from gim_data.bench.sources import find_sources
    from gim_data.bench.zeb import SEPARATORS
    from gim_data.errors import GimError

    if separator not in (None, *SEPARATORS):
        raise GimError(f"--separator {separator!r}", f"use one of {' '.join(SEPARATORS)}")
    found = find_sources(source.resolve())
    alone = len(found) == 1 and Path(found[0].place) == source.resolve()
    for item in found:
        folder = target if alone else target / item.name
        if folder.exists() and any(folder.iterdir()):
            raise GimError(f"{folder} is not empty", "name a new folder")
        count = convert_source(item, folder, separator=separator)
        out.print(f"{folder}  {count} pairs, from {item.kind}", highlight=False, soft_wrap=True)


@app.command()
def sample(
    source: Folder,
    target: Target,
    count: Count = 100,
    by: Annotated[By, typer.Option(help="Where overlaps come from.")] = By.auto,
    overlap: Overlap = (0.0, 1.0),
    bins: Bins = 10,
    images: Images = 200,
    rotation: Rotation = 180.0,
    parallax: Parallax = 0.05,
    seed: Seed = 0,
) -> None:
    """Draw pairs of a posed sequence evenly over bins of overlap, as ZEB's authors did, and write them as pairs.json.

    Overlap from depth maps (depth_mm/), from view frusta at triangulated depths where there are none, or as listed:
    'auto' takes the first that there is.

    \b
    Example:
      gim pairs sample ../data/sequences/office drawn --pairs 60
    """  # noqa: D301
    import numpy as np

    from gim_data.bench.convert import write_posed
    from gim_data.bench.pairing import GIVEN, Drawn, PairRules, draw_by, draw_listed
    from gim_data.bench.posed import read_posed
    from gim_data.errors import BadInput, GimError

    if overlap[0] >= overlap[1]:
        raise GimError(f"--overlap {overlap[0]:g} {overlap[1]:g} is empty", "give the least, then the largest")
    if target.exists() and any(target.iterdir()):
        raise GimError(f"{target} is not empty", "name a new folder")
    rules, rng = PairRules(count, images, overlap, bins, rotation, parallax), np.random.default_rng(seed)
    folder = source.resolve()
    if by is By.listed:
        found = Drawn(draw_listed([p for p in read_posed(folder) if _within(p, overlap)], rules, rng), GIVEN)
    else:
        found = draw_by("bins" if by is By.frusta else by.value, folder, rules, rng)
    drawn = found.pairs
    if not drawn:
        raise BadInput(f"{source}: no two images fit the rules", "widen --overlap, or lower --parallax")
    write_posed(target, drawn)
    shares = np.array([pair.overlap for pair in drawn])
    counts = np.histogram(shares[np.isfinite(shares)], bins=bins, range=(0, 1))[0].tolist()
    told = f"by overlap ({found.overlaps}): {' '.join(map(str, counts))}"
    out.print(f"{target}  {len(drawn)} pairs; {told}", highlight=False, soft_wrap=True)


def _within(pair: TwoViewPair, limits: tuple[float, float]) -> bool:
    """NaN (unknown) is within."""
    return not (pair.overlap < limits[0] or pair.overlap > limits[1])
