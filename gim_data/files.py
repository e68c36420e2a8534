"""Files that are either whole or absent, and digests of what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20
_ORDINARY = 0o644


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it when the block ends well, and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    temporary.chmod(_ORDINARY)  # mkstemp's 0600 would shut out everyone else who shares the folder
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys sorted, so that equal values give equal bytes."""
    with atomic(path) as temporary:
        temporary.write_text(canonical(value, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text())


def canonical(value: Any, indent: int | None = None) -> str:
    """JSON text with sorted keys; NaN is refused, since no other reader takes it."""
    return json.dumps(value, sort_keys=True, indent=indent, allow_nan=False)


def digest_of(value: Any) -> str:
    """SHA-256 hex digest of a JSON value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def sha256(path: Path) -> str:
    """SHA-256 hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint(path: Path) -> dict[str, Any]:
    """Size and the hash of head, middle and tail (3 MiB in all) of a file: cheap for hours of video, and about content.

    A modification time would differ on every clone, a full hash would read every video at every run.
    """
    size = path.stat().st_size
    hasher = hashlib.sha256()
    with path.open("rb") as stream:
        for offset in sorted({0, max(0, size // 2 - _CHUNK // 2), max(0, size - _CHUNK)}):
            stream.seek(offset)
            hasher.update(stream.read(_CHUNK))
    return {"size": size, "sha256_parts": hasher.hexdigest()}


def tree_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of every file below ``folder``, ledger records aside."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "ledger.json")
    return digest_of([[p.relative_to(folder).as_posix(), sha256(p)] for p in files])


def from_home(text: str | Path) -> Path:
    """A path with a leading ``~`` expanded; one that names no user's home stays as it is, as in a shell."""
    try:
        return Path(os.path.expanduser(text))  # Path.expanduser raises where there is no such user
    except ValueError:  # a zero byte, which no user's name has
        return Path(text)
