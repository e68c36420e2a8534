"""How many labels are right, and how much of what could be matched is: by teacher, skip, hops, votes and overlap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gim_data.labels.engine import Frames
from gim_data.labels.truth import cells_of
from gim_data.propagation.graph import Source
from gim_data.types import PairLabel
from gim_data.video.moments import Moment

RADII = (1.0, 3.0, 5.0)
RIGHT = 3.0
"""Pixels within which a match counts for recall."""

Heading = tuple[str, str, str]  # what, by, value


class Truth(Frames, Protocol):
    """A video that knows how far a label is from right; ``RenderedVideo`` and ``PosedVideo`` do."""

    def moments(self) -> Iterator[Moment]:
        """Every picture, those between the sampled frames too where there are any."""
        ...

    def errors(self, label: PairLabel, /) -> NDArray[np.float64]:
        """(N,) pixels, NaN where it cannot tell."""
        ...

    def visible(self, frame0: int, frame1: int, /) -> NDArray[np.bool_]:
        """(C,) bool, the cells of frame0 that frame1 sees; (0,) where it cannot tell."""
        ...


@dataclass
class Tally:
    """What was collected under one heading.

    Attributes:
        errors: pixels, one array a pair.
        pairs: pairs with a match.
        visible, hit, right: cells that both frames see; those of them with a match; those with a right one.
    """

    errors: list[NDArray[np.float64]] = field(default_factory=list)
    pairs: int = 0
    visible: int = 0
    hit: int = 0
    right: int = 0

    def row(self) -> dict[str, float]:
        """Counts, precision at each radius, recall and coverage."""
        known = np.concatenate([np.zeros(0), *self.errors])
        known = known[~np.isnan(known)]
        precision = {f"precision_{r:g}px": float(np.mean(known <= r)) if len(known) else 0.0 for r in RADII}
        shares = {"recall": self.right / max(1, self.visible), "coverage": self.hit / max(1, self.visible)}
        return {"pairs": self.pairs, "correspondences": len(known), **precision, **shares}


@dataclass
class Audit:
    """Tallies by heading, over any number of videos."""

    tallies: defaultdict[Heading, Tally] = field(default_factory=lambda: defaultdict(Tally))

    def direct(self, video: Truth, sources: Sequence[Source], skips: Sequence[float]) -> None:
        """Add direct labels, by teacher and skip; ``skips`` (seconds) has one entry a source."""
        for source, skip in zip(sources, skips, strict=True):
            for label in source.labels:
                self._add(video, label, [("direct", source.teacher, f"{skip:.2f} s")])

    def propagated(self, video: Truth, labels: Sequence[PairLabel], name: str = "propagated") -> None:
        """Add propagated labels: all of them, by overlap, by hops and by votes."""
        for label in labels:
            overlap = f"{np.floor(label.overlap * 5) / 5:.1f}"
            off = self._add(video, label, [(name, "all", ""), (name, "overlap", overlap)])
            for kind, values in (("hops", label.hops), ("votes", label.votes)):
                for value in np.unique(values):
                    tally = self.tallies[name, kind, f"{value:d}"]
                    tally.errors.append(off[values == value])
                    tally.pairs += 1

    def rows(self) -> list[dict[str, object]]:
        """One row a heading; recall and coverage only where whole pairs stand under it."""
        found: list[dict[str, object]] = []
        for (what, by, value), tally in sorted(self.tallies.items(), key=_numbers_in_order):
            row = tally.row()
            shown = {k: v for k, v in row.items() if tally.visible or k not in ("recall", "coverage")}
            found.append({"what": what, "by": by, "value": value, **shown})
        return found

    def _add(self, video: Truth, label: PairLabel, headings: Sequence[Heading]) -> NDArray[np.float64]:
        off = video.errors(label)
        seen = video.visible(label.frame0, label.frame1)
        cells = cells_of(label.points0, video.size)
        hit, right = (np.isin(np.flatnonzero(seen), cells[chosen]).sum() for chosen in (off >= 0, off <= RIGHT))
        for heading in headings:
            tally = self.tallies[heading]
            tally.errors.append(off)
            tally.pairs += len(label) > 0
            tally.visible += int(seen.sum())
            tally.hit += int(hit)
            tally.right += int(right)
        return off


def markdown(rows: Sequence[dict[str, object]]) -> str:
    """The rows as a table."""
    head = ["what", "by", "value", "pairs", "correspondences"]
    head += [*(f"precision_{r:g}px" for r in RADII), "recall", "coverage"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [row.get(name, "") for name in head]
        lines.append("| " + " | ".join(f"{c:.4f}" if isinstance(c, float) else str(c) for c in cells) + " |")
    return "\n".join(lines) + "\n"


def _numbers_in_order(item: tuple[Heading, Tally]) -> tuple[str, str, float, str]:
    (what, by, value), _ = item
    return what, by, float(value) if value.isdecimal() else 0.0, value
