"""The score table as plain text, Markdown, HTML and LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from gim_models.evaluation.table import MEASURED, PUBLISHED, RESCORED, ScoreTable, TableRow

MARKS = {MEASURED: "", RESCORED: "‡", PUBLISHED: "†"}
OTHERS = "§"
FOOTNOTE = (
    "† as published, not measured here; ‡ published per-pair results, scored here; § about other pairs than the rest "
    "of the table, so neither ranked nor compared. Bold: the best of its column."
)
_LATEX_MARKS = {MEASURED: "", RESCORED: r"$^\ddagger$", PUBLISHED: r"$^\dagger$"}
_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"} | {"°": r"$^\circ$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
     "\\": r"\textbackslash{}", "†": r"$^\dagger$", "‡": r"$^\ddagger$", "§": r"$^\S$"}
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A text, and whether it is the best of its column."""

    text: str
    best: bool = False


def render(tables: Sequence[ScoreTable], form: str) -> str:
    """All tables in one of ``FORMATS``."""
    return FORMATS[form](tables)


def as_text(tables: Sequence[ScoreTable]) -> str:
    """Aligned columns for a terminal; the best of a column has a star behind it."""
    return _blocks(tables, lambda table: f"{table.title}\n\n{_aligned(table)}", FOOTNOTE.replace("Bold:", "*:"))


def as_markdown(tables: Sequence[ScoreTable]) -> str:
    """GitHub's tables."""
    return _blocks(tables, _markdown, FOOTNOTE)


def as_html(tables: Sequence[ScoreTable]) -> str:
    """One ``<table>`` each; no style and no script, to be put into any page."""
    return _blocks(tables, _html, f"<p>{escape(FOOTNOTE)}</p>")


def as_latex(tables: Sequence[ScoreTable]) -> str:
    """``tabular`` environments with booktabs rules."""
    return _blocks(tables, _latex, f"% {FOOTNOTE}")


FORMATS: Mapping[str, Callable[[Sequence[ScoreTable]], str]] = {
    "text": as_text,
    "markdown": as_markdown,
    "html": as_html,
    "latex": as_latex,
}


def head(table: ScoreTable) -> list[str]:
    """The words above the columns."""
    return ["matcher", *table.columns, "mean", "95 %", "rank", "pairs"]


def cells(table: ScoreTable, row: TableRow, mark: str) -> list[Cell]:
    """A row as texts; numbers with one decimal, as the paper prints them."""
    values = [*row.cells, row.mean]
    tops = [_best(values) for values in zip(*map(_compared, table.rows), strict=True)]
    fair = [value is not None for value in _compared(row)]
    spread = "" if row.interval is None else f"{row.interval[0]:.1f}-{row.interval[1]:.1f}"
    rank = "" if row.rank is None else f"{row.rank:.1f}"
    shown = ["" if value is None else f"{value:.1f}" for value in values]
    numbers = [
        Cell(text if alike or not text else text + OTHERS, alike and text == top)
        for text, top, alike in zip(shown, tops, fair, strict=True)
    ]
    return [Cell(row.name + mark), *numbers, Cell(spread), Cell(rank), Cell(str(row.pairs))]


def _compared(row: TableRow) -> list[float | None]:
    """Cells and mean, without those that are about other pairs."""
    cells = [None if i in row.others else cell for i, cell in enumerate(row.cells)]
    return [*cells, None if row.others else row.mean]


def _best(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{max(known):.1f}" if known else ""


def _blocks(tables: Sequence[ScoreTable], one: Callable[[ScoreTable], str], footnote: str) -> str:
    return "\n\n".join([*(one(table) for table in tables), footnote]) + "\n"


def _aligned(table: ScoreTable) -> str:
    rows = [
        [Cell(name) for name in head(table)],
        *(cells(table, r, f" {MARKS[r.source]}".rstrip()) for r in table.rows),
    ]
    texts = [[cell.text + ("*" if cell.best else " ") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = ["".join(f" {t:>{w}}" if i else f"{t:<{w}}" for i, (t, w) in enumerate(zip(r, widths, strict=True)))
             for r in texts]  # fmt: skip
    return "\n".join(line.rstrip() for line in lines)


def _markdown(table: ScoreTable) -> str:
    names = head(table)
    lines = ["| " + " | ".join(names) + " |", "|---|" + "---:|" * (len(names) - 1)]
    for row in table.rows:
        found = cells(table, row, f" {MARKS[row.source]}".rstrip())
        texts = [f"**{cell.text}**" if cell.best else cell.text.replace("|", "\\|") for cell in found]
        lines.append("| " + " | ".join(texts) + " |")
    return f"### {table.title}\n\n" + "\n".join(lines)


def _html(table: ScoreTable) -> str:
    lines = [f"<table>\n<caption>{escape(table.title)}</caption>"]
    lines.append("<thead><tr>" + "".join(f"<th>{escape(name)}</th>" for name in head(table)) + "</tr></thead>\n<tbody>")
    for row in table.rows:
        found = [(escape(cell.text), cell.best) for cell in cells(table, row, MARKS[row.source])]
        texts = [f"<td><b>{text}</b></td>" if best else f"<td>{text}</td>" for text, best in found]
        lines.append(f'<tr class="{row.source}">' + "".join(texts) + "</tr>")
    return "\n".join([*lines, "</tbody>\n</table>"])


def _latex(table: ScoreTable) -> str:
    names = head(table)
    lines = [f"% {table.title}", rf"\begin{{tabular}}{{l{'r' * (len(names) - 1)}}}", r"\toprule"]
    lines += [" & ".join(name.translate(_LATEX) for name in names) + r" \\", r"\midrule"]
    for row in table.rows:
        found = [(cell.text.translate(_LATEX), cell.best) for cell in cells(table, row, "")]
        found[0] = (found[0][0] + _LATEX_MARKS[row.source], False)
        lines.append(" & ".join(rf"\textbf{{{text}}}" if best else text for text, best in found) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])
