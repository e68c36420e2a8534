"""GIM's published scaling points, a reference layer for our own curve; measured on ZEB itself, not on our pairs."""

from __future__ import annotations

PUBLISHED_CURVES = {
    "DKM": ((0.0, 46.2), (12.5, 47.4), (25.0, 48.3), (50.0, 49.4), (100.0, 51.2)),
    "LoFTR": ((0.0, 33.1), (12.5, 35.5), (25.0, 37.3), (50.0, 39.1)),
    "SuperGlue": ((0.0, 31.2), (12.5, 32.5), (25.0, 33.5), (50.0, 34.3)),
    "LightGlue": ((0.0, 31.7), (100.0, 38.3)),
}
"""Architecture -> (hours of video, mean ZEB AUC@5 in percent), from the poster's figure and the README (GIM.md 6.1)."""
