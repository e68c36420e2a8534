"""Pictures for people: what was sampled, and what was dropped where."""

from __future__ import annotations

import cv2
import numpy as np

from gim_data.types import Image
from gim_data.video.framestore import FrameStore
from gim_data.video.measure import Measures
from gim_data.video.shots import Span

_TILE = 200  # pixels, the long side of a thumbnail
_COLUMNS, _ROWS = 5, 3
_WIDTH, _HEIGHT = 900, 150
_COLOURS = {  # BGR
    "": (96, 174, 39),
    "static": (219, 152, 52),
    "short": (160, 160, 160),
    "trimmed": (200, 200, 200),
    "black": (40, 40, 40),
    "too dark": (90, 60, 60),
    "fade": (182, 89, 155),
    "overexposed": (15, 196, 241),
    "low texture": (34, 126, 230),
}


def contact_sheet(store: FrameStore) -> Image:
    """Up to 15 frames spread over the video, with their times, as a BGR picture."""
    count = min(_COLUMNS * _ROWS, len(store))
    tiles = [_tile(store, int(i)) for i in np.linspace(0, len(store) - 1, count).round()]
    tiles += [np.full_like(tiles[0], 255)] * (-count % _COLUMNS)
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
    return np.vstack(rows)


def timeline(measures: Measures, spans: list[Span]) -> Image:
    """The spans as coloured stretches (green is kept) over the curve of luma, as a BGR picture."""
    picture = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    first, last = float(measures.time[0]), float(measures.time[-1])
    scale = (_WIDTH - 1) / max(last - first, 1e-6)
    for span in spans:
        begin, end = (round((t - first) * scale) for t in (span.start, span.end))
        cv2.rectangle(picture, (begin, 20), (max(begin, end - 1), 60), _COLOURS.get(span.reason, (0, 0, 255)), -1)
    curve = np.stack([(measures.time - first) * scale, 140 - measures.luma * (70 / 255)], axis=1)
    cv2.polylines(picture, [curve.round().astype(np.int32)], False, (60, 60, 60), 1, cv2.LINE_AA)
    _legend(picture, spans)
    return picture


def _legend(picture: Image, spans: list[Span]) -> None:
    """Names the colours that occur."""
    x = 4
    for reason in sorted({span.reason for span in spans}):
        text = reason or "kept"
        cv2.putText(
            picture, text, (x, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _COLOURS.get(reason, (0, 0, 255)), 1, cv2.LINE_AA
        )
        x += 10 * len(text) + 12


def _tile(store: FrameStore, i: int) -> Image:
    scale = _TILE / max(store.size)
    size = (max(1, round(store.size[0] * scale)), max(1, round(store.size[1] * scale)))
    tile = cv2.resize(cv2.cvtColor(store.image(i), cv2.COLOR_RGB2BGR), size, interpolation=cv2.INTER_AREA)
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        text = f"{store.times[i]:.1f}s #{store.shots[i]}"
        cv2.putText(tile, text, (4, size[1] - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, thickness, cv2.LINE_AA)
    return np.asarray(tile, dtype=np.uint8)
