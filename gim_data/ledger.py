"""Which units are made, from what: the record that lets Dagster, DVC and the command line find each other's work done.

A unit is a folder ``data/<stage>/<unit>/`` with ``ledger.json`` in it. The folder is filled elsewhere and renamed into
place whole, so a unit that exists is complete; its digest says whether it is still the right one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from gim_data.files import canonical, read_json, tree_digest, write_json

RECORD = "ledger.json"


@dataclass(frozen=True)
class Entry:
    """What the ledger says of one unit.

    Attributes:
        digest: of inputs, params and stage version.
        content: of the files made; what downstream digests are computed from, so equal bytes stop the wave.
        summary: numbers and texts from the stage function.
        skipped: why the unit holds nothing, or None.
        remedy: what the user can do about the skip, or None.
    """

    digest: str
    content: str
    summary: dict[str, Any]
    skipped: str | None = None
    remedy: str | None = None


class Ledger:
    """The units of one workspace, on disk."""

    def __init__(self, root: Path) -> None:
        self.data = root / "data"
        self._work = root / "data" / ".work"

    def folder(self, stage: str, unit: str) -> Path:
        """Where a unit lives."""
        return self.data / stage / unit

    def read(self, stage: str, unit: str) -> Entry | None:
        """The unit's entry, or None where it is not made or its record cannot be read."""
        try:
            return Entry(**read_json(self.folder(stage, unit) / RECORD))
        except (OSError, ValueError, TypeError):
            return None

    def units(self, stage: str) -> list[str]:
        """Every unit of a stage that is on disk, whatever its digest."""
        return _folders(self.data / stage)

    def begun(self, stage: str) -> list[str]:
        """Every unit of a stage that has a place to work in, such as a partial download or a checkpoint."""
        return _folders(self._work / stage)

    @contextmanager
    def lock(self, stage: str, unit: str, timeout: float = -1) -> Iterator[None]:
        """Hold the unit against other processes that would make it.

        Args:
            stage, unit: which.
            timeout: seconds to wait for another process, forever where negative.

        Raises:
            filelock.Timeout: another process still makes it.
        """
        path = self._work / "locks" / f"{stage}.{unit}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path, timeout=timeout):
            yield

    def begin(self, stage: str, unit: str, digest: str) -> tuple[Path, Path]:
        """An empty folder to fill, and a scratch folder that survives a killed attempt at the same digest."""
        base = self._work / stage / unit
        for stale in base.glob("*") if base.is_dir() else ():
            if stale.name != digest[:16]:
                shutil.rmtree(stale)
        out, scratch = base / digest[:16] / "out", base / digest[:16] / "scratch"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        scratch.mkdir(exist_ok=True)
        return out, scratch

    def commit(self, stage: str, unit: str, out: Path, entry: Entry) -> Entry:
        """Seal a filled folder with its record and put it in place, in one rename."""
        sealed = Entry(**{**asdict(entry), "content": tree_digest(out)})
        canonical(sealed.summary)
        write_json(out / RECORD, asdict(sealed))
        target = self.folder(stage, unit)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            old = out.parent / "old"
            shutil.rmtree(old, ignore_errors=True)
            os.replace(target, old)
        os.replace(out, target)
        shutil.rmtree(out.parent, ignore_errors=True)
        return sealed

    def remove(self, stage: str, unit: str) -> None:
        """Forget a unit and what was begun of it: first out of sight in one rename, then deleted."""
        trash = self._work / "trash" / f"{stage}.{unit}.{os.getpid()}"
        shutil.rmtree(trash, ignore_errors=True)
        trash.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self.folder(stage, unit), self._work / stage / unit):
            if folder.is_dir():
                os.replace(folder, trash)
                shutil.rmtree(trash)


def _folders(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
