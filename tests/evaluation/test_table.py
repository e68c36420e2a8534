"""The paper-style table: it prints what was scored, published rows are marked, every form says the same."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gim_data.bench.dumps import COLUMNS, dump_name, write_dump
from gim_data.bench.frozen import read_frozen
from gim_data.bench.names import ZEB
from gim_data.errors import GimError
from gim_data.files import write_json
from gim_models.evaluation.auc import auc
from gim_models.evaluation.published import PUBLISHED_PAIRS, PUBLISHED_TABLE
from gim_models.evaluation.table import PUBLISHED, RESCORED, ScoreTable, TableRow, build_tables
from gim_models.evaluation.table_text import FORMATS, render


def write_scores(folder: Path, errors: dict[str, list[float]], protocol: str = "p") -> Path:
    """The parts of a scored unit that the table reads."""
    folder.mkdir(parents=True)
    listed = {"gl3d": list(read_frozen()["gl3d"])}
    rows = [
        (protocol, s, listed[s][i] if s in listed else f"{s}#{i}#x", e, "")
        for s, values in errors.items() for i, e in enumerate(values)
    ]  # fmt: skip
    pd.DataFrame(rows, columns=["protocol", "sequence", "identifier", "error", "reason"]).to_parquet(
        folder / "errors.parquet"
    )
    write_json(folder / "scores.json", {"headline": protocol, "protocols": {protocol: {}}})
    return folder


@pytest.fixture
def units(tmp_path: Path) -> dict[str, Path]:
    good = {"office": [1.0, 2.0, 180.0], "street": [0.5] * 4, "gl3d": [1.0]}
    poor = {"office": [4.0, 9.0, 180.0], "street": [3.0] * 4, "gl3d": [4.0]}
    return {"good": write_scores(tmp_path / "good", good), "poor": write_scores(tmp_path / "poor", poor)}


def test_the_published_means_are_those_of_the_published_cells():
    assert len(PUBLISHED_TABLE) == 16
    for mean, cells in PUBLISHED_TABLE.values():
        assert len(cells) == len(ZEB)
        assert mean == pytest.approx(np.mean(cells), abs=0.1)


def test_own_sequences_stand_apart_from_the_published_ones(units: dict[str, Path]):
    zeb, own = build_tables(units, None, 5)
    assert own.columns == ("office", "street")
    assert {row.name for row in own.rows} == {"good", "poor"}
    assert {row.source for row in zeb.rows} == {"measured", "published"}


def test_other_pairs_under_a_name_of_zeb_are_not_zeb(tmp_path: Path):
    """A mirror has ZEB's folders; its scores must never stand beside published ones."""
    folder = write_scores(tmp_path / "mirrored", {"kitti": [1.0, 2.0], "gl3d": [1.0]})
    own = build_tables({"mirrored": folder}, None, 5)[1]
    assert own.columns == ("kitti",)
    rows = pd.read_parquet(folder / "errors.parquet")
    rows.loc[rows["sequence"] == "gl3d", "identifier"] = "world000#0000#0001"
    rows.to_parquet(folder / "errors.parquet")
    assert {t.columns for t in build_tables({"mirrored": folder}, None, 10)} == {("gl3d", "kitti")}


def test_cells_and_means_are_the_scores(units: dict[str, Path]):
    own = build_tables(units, "p", 5)[1]
    good = next(row for row in own.rows if row.name == "good")
    expected = [100 * auc([1, 2, 180], 5), 100 * auc([0.5] * 4, 5)]
    assert good.cells == pytest.approx(expected)
    assert good.mean == pytest.approx(np.mean(expected))
    assert good.interval is not None
    assert good.interval[0] <= good.mean <= good.interval[1]
    assert (good.pairs, good.rank) == (7, 1.0)


def test_a_row_with_gaps_has_no_mean_and_no_rank(units: dict[str, Path]):
    zeb = build_tables(units, "p", 5)[0]
    good = next(row for row in zeb.rows if row.name == "good")
    assert good.cells[0] == pytest.approx(100 * auc([1.0], 5))
    assert good.cells[1:] == (None,) * 11
    assert good.mean is good.rank is good.interval is None
    assert good.pairs == 1
    ranks = [row.rank for row in zeb.rows if row.source == PUBLISHED]
    assert min(ranks) >= 1
    assert all(row.pairs == PUBLISHED_PAIRS for row in zeb.rows if row.source == PUBLISHED)


def test_published_rows_are_known_at_five_degrees_only(units: dict[str, Path]):
    assert {row.source for table in build_tables(units, "p", 10) for row in table.rows} == {"measured"}
    with pytest.raises(GimError, match="AUC@7 is not computed"):
        build_tables(units, "p", 7)
    with pytest.raises(GimError, match=r"no scores under 'other'.*\n.*use one of p"):
        build_tables(units, "other", 5)


def test_dumps_are_scored_and_marked(tmp_path: Path):
    rows = [("a#0#1", 0.5, 0.5, 1.0, 2.5, 0.1, 1.0, 9, 1.0, 9)]
    write_dump(tmp_path / dump_name("ours", "GL3D", "1h"), pd.DataFrame(rows, columns=COLUMNS))
    (table,) = build_tables({}, None, 5, dumps=tmp_path)
    row = next(row for row in table.rows if row.source == RESCORED)
    assert (row.name, row.cells[0], row.pairs) == ("ours", pytest.approx(75.0), 1)
    assert row.others == {0}  # one pair, and none of ZEB's


def frozen_dumps(folder: Path, methods: dict[str, float], share: float) -> Path:
    """A dump per method and data set, of the first ``share`` of the frozen list, with errors of one scale each."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for row in ZEB:
        names = list(read_frozen()[row.folder])
        names = names[: max(1, round(share * len(names)))]
        for method, scale in methods.items():
            errors = rng.exponential(scale, len(names))
            table = pd.DataFrame({"identifiers": names, "R_errs": errors, "t_errs": errors}).reindex(
                columns=COLUMNS, fill_value=0
            )
            write_dump(folder / dump_name(method, row.dump, "1h"), table)
    return folder


def test_whole_dumps_are_ranked_with_an_interval_of_their_mean(tmp_path: Path):
    dumps = frozen_dumps(tmp_path / "dumps", {"good": 0.1, "poor": 600.0}, 1.0)
    (table,) = build_tables({}, None, 5, dumps=dumps)
    good, poor = (next(row for row in table.rows if row.name == name) for name in ("good", "poor"))
    for row in (good, poor):
        assert not row.others
        assert row.pairs == PUBLISHED_PAIRS
        assert row.interval is not None
        assert row.interval[0] < row.mean < row.interval[1]
        assert row.interval[1] - row.interval[0] < 1  # points, of 45,916 pairs (GIM.md 4.6)
    assert (good.rank, poor.rank) == (1.0, len(table.rows))


def test_a_part_of_zeb_is_not_ranked_beside_all_of_it(tmp_path: Path):
    """Every pair is ZEB's, every data set is there, and still the number means something else."""
    dumps = frozen_dumps(tmp_path / "dumps", {"part": 0.1}, 0.1)
    (table,) = build_tables({}, None, 5, dumps=dumps)
    part = next(row for row in table.rows if row.name == "part")
    assert part.mean is not None
    assert part.mean > 90
    assert part.rank is None
    assert part.others == set(range(12))
    lines = render([table], "text").splitlines()
    assert sum("*" in line for line in lines[3:-2]) >= 1
    assert next(line for line in lines if line.startswith("part")).count("§") == 13
    assert "*" not in next(line for line in lines if line.startswith("part"))


def test_rows_about_other_pairs_of_one_sequence_are_marked_and_not_ranked(tmp_path: Path):
    """Two matchers on 41 pairs and a better one on 23 of them, as an interrupted change of the pairs leaves it."""
    sizes = {"a": (41, 3.0), "b": (41, 2.0), "c": (23, 0.1)}
    units = {n: write_scores(tmp_path / n, {"x": [e] * count, "y": [e] * 5}) for n, (count, e) in sizes.items()}
    own = build_tables(units, None, 10)[0]
    rows = {row.name: row for row in own.rows}
    assert {name: row.rank for name, row in rows.items()} == {"a": 2.0, "b": 1.0, "c": None}
    assert rows["c"].others == {0}
    cells = {line.split()[0]: line for line in render([own], "text").splitlines()[3:6]}
    assert cells["c"].count("§") == 2  # the cell and the mean; y is about the same pairs, and the best
    assert cells["c"].count("*") == 1
    assert cells["b"].count("*") == 2
    assert {row.rank for row in build_tables({"a": units["a"], "c": units["c"]}, None, 10)[0].rows} == {1.0, None}


@pytest.fixture
def tables() -> list[ScoreTable]:
    rows = (
        TableRow("a_b & <c>|", "measured", (12.34, None), None, 5),
        TableRow("best", PUBLISHED, (45.67, 8.0), 26.8, 7, rank=1.0),
        TableRow("dump", RESCORED, (45.66, 1.0), 23.3, 7, (20.0, 30.0), 2.0),
    )
    return [ScoreTable("title, %", ("x_1", "y"), rows)]


class Cells(HTMLParser):
    """Rows of texts of the body of a table; fails on tags that are not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: object) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_html_is_well_formed_and_escaped(tables: list[ScoreTable]):
    rows = Cells(render(tables, "html")).rows
    assert rows[0][:4] == ["matcher", "x_1", "y", "mean"]
    assert rows[1] == ["a_b & <c>|", "12.3", "", "", "", "", "5"]
    assert rows[2] == ["best†", "45.7", "8.0", "26.8", "", "1.0", "7"]
    assert rows[3] == ["dump‡", "45.7", "1.0", "23.3", "20.0-30.0", "2.0", "7"]


def test_markdown_has_one_number_of_columns_and_marks_the_best(tables: list[ScoreTable]):
    lines = [line for line in render(tables, "markdown").splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {8}
    assert "| best † | **45.7** | **8.0** | **26.8** |" in lines[3]
    assert "**45.7**" in lines[4]  # what prints the same is as good


def test_latex_escapes_names_and_ends_every_row(tables: list[ScoreTable]):
    text = render(tables, "latex")
    assert r"a\_b \& <c>| & 12.3" in text
    assert r"best$^\dagger$ & \textbf{45.7}" in text
    assert r"\begin{tabular}{lrrrrrr}" in text
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert all(line.endswith(r"\\") and len(re.findall(r"(?<!\\)&", line)) == 6 for line in body)


def test_text_is_aligned(tables: list[ScoreTable]):
    lines = render(tables, "text").splitlines()[2:6]
    assert len({line.index(part) for line, part in zip(lines[1:], ("12.3", "45.7*", "45.7*"), strict=True)}) == 1


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_says_which_rows_are_published(tables: list[ScoreTable], form: str):
    assert "as published, not measured here" in render(tables, form)
