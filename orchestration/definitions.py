"""What Dagster loads: ``dagster dev -m orchestration.definitions``, or 'gim ui dagster'."""

from __future__ import annotations

import warnings
from functools import partial

import dagster as dg

for _category in (dg.BetaWarning, dg.PreviewWarning):
    warnings.filterwarnings("ignore", category=_category)

from orchestration.code_location import build_definitions  # noqa: E402 (after the filters)
from orchestration.workspace import find_root, open_runner  # noqa: E402

defs = build_definitions(partial(open_runner, find_root()))
