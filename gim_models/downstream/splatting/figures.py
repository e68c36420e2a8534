"""What a contest of maps looks like: the curves, one picture of each, and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from gim_data.files import atomic, write_json
from gim_data.plotting import data_uri, save_figure, save_picture
from gim_data.types import Image
from gim_models.downstream.splatting.compare import Entry, common_names, median_gap, rows
from gim_models.downstream.splatting.results import side_by_side

NUMBERS, CURVES, PICTURES, PAGE = "compare.json", "curves.png", "pictures.jpg", "index.html"
_COLOURS = ("#1f6f8b", "#b5542a", "#5b7f2b", "#7a4fa3", "#444444")
_ON_PAGE = 6  # pictures at most


def write_comparison(out: Path, entries: Sequence[Entry], facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Write ``compare.json``, ``curves.png``, ``pictures.jpg`` and ``index.html``.

    Args:
        out: folder.
        entries: from ``compare``.
        facts: what the comparison was made with, for the page.

    Returns:
        the rows of the table.
    """
    table = rows(entries)
    write_json(out / NUMBERS, {"facts": dict(facts), "entries": table})
    draw_curves(out / CURVES, table)
    name = median_gap(entries)
    if name:
        save_picture(out / PICTURES, strip(entries, name))
    _write_page(out, entries, table, facts)
    return table


def strip(entries: Sequence[Entry], name: str) -> Image:
    """The photograph of that name and what each entry makes of it, in a row."""
    images: list[Image] = []
    captions: list[str] = []
    for entry in entries:
        if entry.result is None or name not in entry.result.pictures:
            continue
        truth, rendering = entry.result.pictures[name]
        if not images:
            images, captions = [truth], [f"photograph {name}"]
        psnr = next(one.psnr for one in entry.result.held_out if one.name == name)
        images.append(rendering)
        captions.append(f"{entry.label}: {psnr:.1f} dB")
    return side_by_side(images, captions)


def draw_curves(path: Path, table: Sequence[Mapping[str, Any]]) -> None:
    """Held-out PSNR over steps, a line per entry."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for i, row in enumerate(row for row in table if not row["problem"]):
        curve = np.array(row["history"]).reshape(-1, 3)
        axes.plot(curve[:, 0], curve[:, 1], "o-", ms=3.5, color=_COLOURS[i % len(_COLOURS)], label=row["label"])
    axes.set(xlabel="steps", ylabel="PSNR of held-out pictures, dB")
    axes.set_xlim(left=0)
    axes.grid(visible=True, color="#dfe4ea", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    save_figure(path, figure)


def _write_page(
    out: Path, entries: Sequence[Entry], table: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]
) -> None:
    """A page that loads nothing."""
    names = common_names(entries)
    chosen = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, min(_ON_PAGE, len(names))).astype(int))]
    for row, name in enumerate(chosen):
        save_picture(out / "pictures" / f"{row:03d}.jpg", strip(entries, name))
    environment = Environment(
        loader=PackageLoader("gim_models.downstream.splatting"), autoescape=True, undefined=StrictUndefined
    )
    text = environment.get_template("compare.html").render(
        facts=facts,
        table=table,
        curves=data_uri(out / CURVES, width=900, height=900),
        pictures=[
            (name, data_uri(out / "pictures" / f"{row:03d}.jpg", width=1600, height=900))
            for row, name in enumerate(chosen)
        ],
    )
    with atomic(out / PAGE) as temporary:
        temporary.write_text(text)
