"""The picture of an audit: a panel for every way of telling labels apart that there is something to say about."""

from __future__ import annotations

import cv2
import pytest

from gim_models.audit_figure import plot_audit


def row(what, by, value, share, count=100):
    precision = {f"precision_{radius}px": share for radius in (1, 3, 5)}
    return {"what": what, "by": by, "value": value, "pairs": 3, "correspondences": count, **precision}


DIRECT = [row("direct", "rootsift", f"{skip:.2f} s", 0.9) for skip in (0.33, 0.67)]
ALL = [row("propagated", "all", "", 0.9)]
HOPS = [row("propagated", "hops", str(n), 1 - n / 10, 50_000) for n in range(4)]


@pytest.mark.parametrize(
    ("rows", "columns"), [([], 1), (ALL, 1), (DIRECT, 1), (DIRECT + ALL + HOPS, 2), (DIRECT + HOPS * 2, 2)]
)
def test_what_has_no_values_has_no_panel(rows, columns, tmp_path):
    plot_audit(rows, tmp_path / "audit.png")
    height, width = cv2.imread(str(tmp_path / "audit.png")).shape[:2]
    assert (width, height) == (round(3.6 * 110) * columns, round(2.9 * 110))


def test_a_heading_without_correspondences_draws_nothing(tmp_path):
    plot_audit(HOPS, tmp_path / "known.png")
    plot_audit([*HOPS, row("propagated", "hops", "9", 0.0, 0)], tmp_path / "same.png")
    assert (tmp_path / "known.png").read_bytes() == (tmp_path / "same.png").read_bytes()
