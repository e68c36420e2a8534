"""Archives from outside, unpacked into one folder and nowhere else; what an interrupted call left is completed."""

from __future__ import annotations

import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gim_data.errors import BadInput, GimError
from gim_data.files import atomic
from gim_data.stage import Progress

_CHUNK = 1 << 20
_DRIVE = re.compile(r"^[A-Za-z]:")
_REFUSED = "the archive is not unpacked at all; get it again from its source"


@dataclass(frozen=True)
class Unpacked:
    """How many files were written, and how many were there already."""

    written: int
    kept: int


def unpack(archives: Sequence[Path], out: Path, progress: Progress) -> Unpacked:
    """Unpack zip archives below ``out``; every file is written whole or not at all.

    All members of all archives are judged before the first is written. A file that is there already with the same
    bytes is kept, so an interrupted call is completed by repeating it.

    Args:
        archives: zip files.
        out: the folder to fill; made where it is missing.
        progress: advanced by one per file.

    Raises:
        BadInput: no zip archive, or a damaged one; a member that is absolute, leaves the folder, is a link or special
            file, is encrypted, appears twice, or is the folder of another; a file that is there with other bytes.
        GimError: the disk is too small.
    """
    plans = [(archive, _members(archive)) for archive in archives]
    _refuse_collisions(plans)
    out.mkdir(parents=True, exist_ok=True)
    members = [(archive, member) for archive, found in plans for member in found]
    kept = {(a, m.filename) for a, m in members if _is_there(_target(out, m, a), m, a)}
    _need_space(out, sum(m.file_size for a, m in members if (a, m.filename) not in kept))
    progress.start("unpacking", len(members))
    for archive, found in plans:
        with zipfile.ZipFile(archive) as opened:
            for member in found:
                if (archive, member.filename) not in kept:
                    _write(opened, member, _target(out, member, archive), archive)
                progress.advance(1, archive.name)
    return Unpacked(len(members) - len(kept), len(kept))


def check_member(member: zipfile.ZipInfo, archive: Path) -> None:
    """Refuse a member that could reach outside the folder, or is no plain file.

    Raises:
        BadInput: so it is.
    """
    name = member.orig_filename
    kind = stat.S_IFMT(member.external_attr >> 16)
    reasons = {
        "is absolute": name.startswith(("/", "\\")) or bool(_DRIVE.match(name)),
        "leaves the folder": ".." in re.split(r"[/\\]", name),
        "has no usable name": not name.strip("./\\") or any(ord(c) < 32 for c in name) or "\\" in name,
        "is a link or a special file": kind not in (0, stat.S_IFREG, stat.S_IFDIR),
        "is encrypted": bool(member.flag_bits & 1),
    }
    for reason, holds in reasons.items():
        if holds:
            raise BadInput(f"{archive}: member {name!r} {reason}", _REFUSED)


def _members(archive: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
    except (OSError, zipfile.BadZipFile) as error:
        raise BadInput(f"{archive} is no zip archive: {error}", "download it again") from None
    for member in members:
        check_member(member, archive)
    return [member for member in members if not member.is_dir()]


def _refuse_collisions(plans: Sequence[tuple[Path, list[zipfile.ZipInfo]]]) -> None:
    """No two members may become one file, not even where the file system knows no case; and no file a folder."""
    seen: dict[str, str] = {}
    for archive, members in plans:
        for member in members:
            key = PurePosixPath(member.filename).as_posix().casefold()
            if key in seen:
                raise BadInput(f"{archive}: member {member.filename!r} is already in {seen[key]}", _REFUSED)
            seen[key] = str(archive)
    for archive, members in plans:
        for member in members:
            for parent in PurePosixPath(member.filename).parents:
                if (key := parent.as_posix().casefold()) in seen:
                    raise BadInput(f"{archive}: {member.filename!r} lies in what is a file in {seen[key]}", _REFUSED)


def _target(out: Path, member: zipfile.ZipInfo, archive: Path) -> Path:
    """Where a member goes; links that lie in the way on the disk are followed and must stay inside."""
    target = out / member.filename
    if not target.parent.resolve().is_relative_to(out.resolve()):
        raise BadInput(
            f"{archive}: member {member.filename!r} would go to {target.parent.resolve()}", "remove the link"
        )
    above = next(parent for parent in target.parents if parent.exists())
    if not above.is_dir():
        raise BadInput(f"{above} is a file, but a folder in {archive}", "move it away, or unpack into another folder")
    return target


def _is_there(target: Path, member: zipfile.ZipInfo, archive: Path) -> bool:
    if not (target.exists() or target.is_symlink()):
        return False
    if target.is_file() and target.stat().st_size == member.file_size and _crc(target) == member.CRC:
        return True
    raise BadInput(f"{target} is not what {archive} holds", "move it away, or unpack into another folder")


def _need_space(out: Path, needed: int) -> None:
    free = shutil.disk_usage(out).free
    if needed > free:
        raise GimError(f"{out} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB are needed", "free some space")


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, archive: Path) -> None:
    try:
        with atomic(target) as temporary, opened.open(member) as source, temporary.open("wb") as sink:
            shutil.copyfileobj(source, sink, _CHUNK)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise BadInput(f"{archive}: member {member.filename!r} is damaged: {error}", "download it again") from None


def _crc(path: Path) -> int:
    value = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value
