"""What an audit found, as a picture: a panel for every way in which labels are told apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gim_data.labels.audit import RADII
from gim_data.plotting import save_figure

Row = Mapping[str, object]
_COLOURS = ("#1f6fb4", "#3a9a6b", "#d98a2b")  # of the radii, the strictest first
_COLUMNS = 3


def plot_audit(rows: Sequence[Row], path: Path) -> None:
    """Precision over skips, overlaps, hops and votes at every radius; numbers of correspondences below.

    Args:
        rows: of ``gim_data.labels.audit``.
        path: the PNG to write.
    """
    panels: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["value"] != "" and row["correspondences"]:
            panels[str(row["what"]), str(row["by"])].append(row)
    columns = max(1, min(_COLUMNS, len(panels)))
    height = max(1, -(-len(panels) // columns))
    figure = Figure(figsize=(3.6 * columns, 2.9 * height), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.subplots(height, columns, squeeze=False).ravel()
    for panel, ((what, by), found) in zip(axes, panels.items(), strict=False):
        _draw(panel, found)
        panel.set_title(f"{what}: {by}", fontsize=9)
    for empty in axes[len(panels) :]:
        empty.set_axis_off()
    save_figure(path, figure)


def _draw(panel: Axes, rows: Sequence[Row]) -> None:
    places = range(len(rows))
    for radius, colour in zip(RADII, _COLOURS, strict=True):
        shares = [float(str(row[f"precision_{radius:g}px"])) for row in rows]
        panel.plot(places, shares, "o-", ms=4, color=colour, label=f"within {radius:g} px")
    names = [f"{row['value']}\n{_short(int(str(row['correspondences'])))}" for row in rows]
    panel.set_xticks(places, names, fontsize=7)
    panel.set_ylim(None, 1.02)
    panel.grid(visible=True, axis="y", color="#dfe4ea", linewidth=0.7)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(axis="y", labelsize=7)
    panel.legend(frameon=False, fontsize=7)


def _short(count: int) -> str:
    return f"{count / 1000:.0f}k" if count >= 10_000 else str(count)
