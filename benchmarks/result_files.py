"""What the benchmarks with tables leave behind."""

from __future__ import annotations

import json
from pathlib import Path


def publish(out: Path | None, rows: object, text: str) -> None:
    """Write ``<out>.json`` and ``<out>.md`` where ``out`` is given, and print the table.

    Args:
        out: path without suffix, or None.
        rows: what is written as JSON.
        text: the table in Markdown.
    """
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")
        out.with_suffix(".md").write_text(text)
    print(text)
