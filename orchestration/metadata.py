"""What the Dagster UI shows of a unit: its numbers, its figures and why it was skipped."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from gim_data.ledger import Entry

FIGURE_WIDTH = 800  # pixels; the instance database holds the picture, so it is kept small
FIGURES_SHOWN = 4


def unit_metadata(folder: Path, entry: Entry) -> dict[str, Any]:
    """Metadata of one unit.

    Args:
        folder: of the unit, where the figures named in its summary lie.
        entry: what the ledger says.
    """
    if entry.skipped:
        return {"skipped": dg.MetadataValue.text(entry.skipped), "remedy": dg.MetadataValue.text(entry.remedy or "")}
    figures = [folder / name for name in entry.summary.get("figures", ())][:FIGURES_SHOWN]
    shown = {path.stem: dg.MetadataValue.md(inline_image(path)) for path in figures if path.is_file()}
    numbers = {name: _value(value) for name, value in entry.summary.items() if name != "figures"}
    return {**numbers, **shown, "folder": dg.MetadataValue.path(str(folder)), "content": entry.content}


def inline_image(path: Path) -> str:
    """A picture as markdown that carries its own bytes."""
    from PIL import Image

    with Image.open(path) as picture:
        picture.thumbnail((FIGURE_WIDTH, FIGURE_WIDTH))
        stream = io.BytesIO()
        picture.convert("RGB").save(stream, "JPEG", quality=80)
    return f"![{path.stem}](data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()})"


def _value(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("|"):
        return dg.MetadataValue.md(value)
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping | list | tuple):
        return dg.MetadataValue.json(value)  # type: ignore[arg-type]
    return dg.MetadataValue.text(str(value))
