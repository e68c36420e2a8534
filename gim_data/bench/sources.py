"""Where benchmark pairs come from: posed folders, ZEB-layout folders, synthetic sequences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from gim_data.bench.listing import PAIRS_FILE
from gim_data.bench.posed import find_posed, is_posed
from gim_data.bench.zeb import is_zeb
from gim_data.errors import GimError
from gim_data.files import digest_of, sha256

SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class PairSource:
    """One sequence of the benchmark, before its pairs are drawn.

    Attributes:
        name: of the sequence; a folder name.
        kind: ``posed``, ``zeb`` or ``synthetic``.
        place: the folder, or the text of the synthetic sequence's specification.
    """

    name: str
    kind: str
    place: str


def resolve(sources: Sequence[str], root: Path, exclude: Sequence[str] = ()) -> list[PairSource]:
    """Every sequence that the sources name, in order of name.

    Args:
        sources: ``synthetic``, or paths (relative ones below ``root``) of posed or ZEB-layout folders or trees of them.
        root: the workspace.
        exclude: glob patterns of sequence names to leave out.

    Raises:
        GimError: a folder does not exist or holds no posed pair, or two sequences have the same name.
    """
    found = [item for source in sources for item in _resolve_one(source, root)]
    kept = [item for item in found if not any(fnmatch(item.name, pattern) for pattern in exclude)]
    if not kept:
        raise GimError("the benchmark has no sequence", "set 'evaluate.pairs' to posed folders, or to 'synthetic'")
    places: dict[str, str] = {}
    for item in kept:
        if item.name in places:
            raise GimError(
                f"{item.place} and {places[item.name]} are both named {item.name}", "rename or exclude one of them"
            )
        places[item.name] = item.place
    return sorted(kept, key=lambda item: item.name)


def fingerprint(source: PairSource) -> dict[str, Any]:
    """What identifies a source's content, wherever it lies: its small files by hash, its images by name and size."""
    if source.kind == SYNTHETIC:
        return {"name": source.name, "spec": source.place}
    folder = Path(source.place)
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    listing = [
        [p.relative_to(folder).as_posix(), sha256(p) if p.suffix in {".json", ".txt"} else p.stat().st_size]
        for p in files
    ]
    return {"name": source.name, "kind": source.kind, "files": digest_of(listing)}


def _resolve_one(source: str, root: Path) -> Iterator[PairSource]:
    if source == SYNTHETIC:
        from gim_data.synthetic.benchmark import benchmark_worlds

        yield from (PairSource(name, SYNTHETIC, str(spec)) for name, spec in benchmark_worlds().items())
        return
    folder = (root / source).resolve()
    if not folder.is_dir():
        raise GimError(f"evaluate.pairs: {source} is not a folder", "give a folder of posed pairs, or 'synthetic'")
    yield from find_sources(folder)


def find_sources(folder: Path) -> list[PairSource]:
    """Every sequence at or below a folder, in either form, in order of name.

    Raises:
        GimError: there is none.
    """
    found = list(_folders(folder))
    if not found:
        raise GimError(
            f"{folder} holds no posed pairs", f"put {PAIRS_FILE} and images/ there, or pair files in ZEB's layout"
        )
    return found


def _folders(folder: Path) -> Iterator[PairSource]:
    if is_posed(folder):
        yield PairSource(folder.name, "posed", str(folder))
    elif is_zeb(folder):
        yield PairSource(folder.name, "zeb", str(folder))
    else:
        yield from (PairSource(p.name, "posed", str(p)) for p in find_posed(folder))
        below = {p.parent for p in folder.rglob("*.txt")} - {folder}
        yield from (PairSource(p.name, "zeb", str(p)) for p in sorted(below) if is_zeb(p))
