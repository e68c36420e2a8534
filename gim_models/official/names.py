"""The names and shapes of the published checkpoints, from short tables beside this file.

A line is ``name shape``: ``{0-7}`` and ``{a,b}`` stand for several names, ``@norm`` for the five tensors of a batch
norm (weight, bias, running_mean, running_var of that shape, and the scalar num_batches_tracked).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

Shape = tuple[int, ...]
_BRACES = re.compile(r"\{([^}]*)\}")
_RANGE = re.compile(r"(\d+)-(\d+)")
_NORM = ".@norm"


def published_names(checkpoint: str) -> dict[str, Shape]:
    """Name -> shape of every tensor of a checkpoint, such as ``gim_loftr_50h``."""
    table = files("gim_models.official").joinpath(f"{checkpoint}.txt").read_text()
    return dict(entry for line in table.splitlines() for entry in expand(line))


def expand(line: str) -> Iterator[tuple[str, Shape]]:
    """Every name that a line of a table stands for, with its shape."""
    pattern, *sides = line.split()
    shape = tuple(map(int, sides))
    for name in _alternatives(pattern):
        if name.endswith(_NORM):
            stem = name.removesuffix(_NORM)
            yield from ((f"{stem}.{leaf}", shape) for leaf in ("weight", "bias", "running_mean", "running_var"))
            yield f"{stem}.num_batches_tracked", ()
        else:
            yield name, shape


def _alternatives(pattern: str) -> Iterator[str]:
    found = _BRACES.search(pattern)
    if found is None:
        yield pattern
        return
    span = _RANGE.fullmatch(found[1])
    options = map(str, range(int(span[1]), int(span[2]) + 1)) if span else found[1].split(",")
    for option in options:
        yield from _alternatives(pattern[: found.start()] + option + pattern[found.end() :])
