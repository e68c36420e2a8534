"""What the Dagster UI shows of a unit: its numbers, its figures and why it was skipped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from gim_data.ledger import Entry
from gim_data.plotting import data_uri

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
    shown = {path.stem: _picture(path) for path in figures if path.is_file()}
    numbers = {name: _value(value) for name, value in entry.summary.items() if name != "figures"}
    return {**numbers, **shown, "folder": dg.MetadataValue.path(str(folder)), "content": entry.content}


def _picture(path: Path) -> dg.MetadataValue[Any]:
    return dg.MetadataValue.md(f"![{path.stem}]({data_uri(path, width=FIGURE_WIDTH, height=FIGURE_WIDTH)})")


def _value(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("|"):
        return dg.MetadataValue.md(value)
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping | list | tuple):
        return dg.MetadataValue.json(value)  # type: ignore[arg-type]
    return dg.MetadataValue.text(str(value))
