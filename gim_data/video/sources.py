"""From what the user lists to one source per video, each with a key that is safe as a file name."""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from gim_data.errors import GimError
from gim_data.files import digest_of, fingerprint, from_home, read_json
from gim_data.stage import Params
from gim_data.video.config import AcquireConfig, CorpusConfig

Kind = Literal["file", "images", "http", "site", "synthetic", "missing"]

_VIDEO = re.compile(
    r"\.(3g2|3gp|asf|avi|divx|dv|f4v|flv|h264|h265|hevc|ivf|m1v|m2ts"
    r"|m2v|m4v|mjpeg|mjpg|mkv|mov|mp4|mpe|mpeg|mpg|mts|mxf"
    r"|ogm|ogv|qt|rm|rmvb|ts|vob|webm|wmv|y4m)"
)
_IMAGE = re.compile(r"\.(bmp|jp2|jpe|jpeg|jpg|pgm|png|ppm|tif|tiff|webp)")
YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_YOUTUBE_URL = re.compile(
    r"https?://(?:(?:www\.|m\.)?youtube\.com/(?:watch\?(?:.*&)?v=|shorts/)|youtu\.be/)([A-Za-z0-9_-]{11})(?![A-Za-z0-9_-])"
)
_GENERIC = re.compile(
    r"(clip|video|movie|output|input|images?|imgs?|frames?|rgb|colou?r|data|raw|left|main|cam)?[\W_\d]*"
)
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class VideoSource:
    """One video of the corpus.

    Attributes:
        key: unit key, lower-case letters, digits and dashes only.
        kind: how it is fetched.
        spec: the id, URL, path or synthetic spec as the user gave it (for a member of a folder: folder/member).
        path: the file, or the folder of images; None where nothing is local.
        problem: why there is nothing to fetch (kind ``missing``), else "".
    """

    key: str
    kind: Kind
    spec: str
    path: Path | None = None
    problem: str = ""


@dataclass(frozen=True)
class _Reading:
    """Where an entry is read.

    Attributes:
        base: folder that relative paths start from.
        data: the workspace's own data; the copies in it are no sources.
        lists: the list files being read, against lists that name each other.
    """

    base: Path
    data: Path
    lists: frozenset[Path] = frozenset()

    def inside(self, path: Path) -> _Reading:
        """The same while the list at ``path`` is read."""
        return _Reading(path.parent, self.data, self.lists | {path.resolve()})

    def is_ours(self, path: Path) -> bool:
        """Whether the workspace made what lies there."""
        return path.resolve().is_relative_to(self.data)


def resolve(corpus: CorpusConfig, root: Path) -> list[VideoSource]:
    """Every video of the corpus, in the order given, duplicates once.

    Entries that lead nowhere become sources of kind ``missing``, so that one bad line does not hide the others. What
    folders and globs find below the workspace's ``data`` is left out: those are the copies of these very videos.

    Args:
        corpus: the section.
        root: folder that relative paths start from.
    """
    found: dict[str, VideoSource] = {}
    reading = _Reading(root, (root / "data").resolve())
    for entry in corpus.videos:
        for source in _expand(entry.strip(), reading):
            found.setdefault(_identity(source), source)
    return list(found.values())


def _identity(source: VideoSource) -> str:
    """The same for two ways to write one source."""
    if source.path:
        return str(source.path.resolve())
    youtube = _YOUTUBE_URL.match(source.spec)
    return youtube[1] if youtube else source.spec


def video_keys(params: Params, root: Path) -> list[str]:
    """The unit keys of the video axis."""
    return [source.key for source in resolve(params["corpus"], root)]


def find_source(unit: str, corpus: CorpusConfig, root: Path) -> VideoSource:
    """The source behind a unit key.

    Raises:
        GimError: no entry of the corpus has this key.
    """
    for source in resolve(corpus, root):
        if source.key == unit:
            return source
    raise GimError(f"no video {unit!r} in corpus.videos", "list the videos with 'gim status'")


def outside(unit: str, params: Params, root: Path) -> dict[str, Any]:
    """What decides a video's bytes besides parameters: its spec and, where it is local, its content."""
    source = find_source(unit, params["corpus"], root)
    facts: dict[str, Any] = {"spec": source.spec, "kind": source.kind, "problem": source.problem}
    try:
        if source.kind == "file" and source.path:
            facts["file"] = fingerprint(source.path)
        if source.kind == "images" and source.path:
            facts["images"] = _images_fingerprint(source.path)
    except OSError as error:
        facts["problem"] = f"{source.path} cannot be read: {error.strerror}"
    return facts


def is_image_file(path: Path) -> bool:
    """Whether it is a file whose name says that it is an image."""
    return _IMAGE.fullmatch(path.suffix.lower()) is not None and path.is_file()


def image_files(folder: Path) -> list[Path]:
    """The images directly in a folder, in natural order (2 before 10)."""
    files = [p for p in folder.iterdir() if is_image_file(p) and p.name[0] != "."]
    return sorted(files, key=lambda p: natural_order(p.name))


def natural_order(text: str) -> list[tuple[int, str]]:
    """A sort key by which 2 comes before 10."""
    return [(int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", text)]


def sequence_fps(folder: Path, config: AcquireConfig) -> float:
    """Frames per second of an image folder: what a ``frames.json`` in or beside it says, else the parameter."""
    for place in (folder, folder.parent):
        fps = _read_mapping(place / "frames.json").get("fps")
        if isinstance(fps, int | float) and 0 < fps < 1e4:
            return float(fps)
    return config.sequence_fps


def notes_beside(path: Path) -> dict[str, str]:
    """Title and licence from a ``meta.json`` or ``frames.json`` beside a local video, where there is one."""
    facts = _read_mapping(path.parent / "meta.json") or _read_mapping(path.parent / "frames.json")
    texts = {"title": facts.get("title"), "licence": facts.get("licence") or facts.get("license")}
    return {name: text for name, text in texts.items() if isinstance(text, str)}


def _expand(entry: str, reading: _Reading) -> Iterator[VideoSource]:
    """Sources of one entry."""
    if entry.startswith("synthetic:"):
        yield VideoSource(_key(_synthetic_slug(entry), entry), "synthetic", entry)
    elif re.match(r"[a-z][a-z0-9+.-]*://", entry, re.IGNORECASE):
        yield _url(entry)
    else:
        yield from _local_or_id(entry, reading)


def _url(entry: str) -> VideoSource:
    parts = urlsplit(entry)
    if parts.scheme.lower() not in ("http", "https") or not parts.netloc:
        return _missing(entry, f"{entry}: only http and https URLs are fetched")
    direct = bool(_VIDEO.fullmatch(Path(parts.path).suffix.lower()))
    video_id = parse_qs(parts.query).get("v", [""])[0]
    slug = video_id or _path_slug(Path(parts.path)) or parts.netloc
    return VideoSource(_key(slug, entry), "http" if direct else "site", entry)


def _local_or_id(entry: str, reading: _Reading) -> Iterator[VideoSource]:
    base = reading.base
    path = base / from_home(entry)
    try:
        if path.is_file() and path.suffix.lower() == ".txt":
            yield from _list(entry, path, reading)
        elif path.exists():
            yield from _tree(entry, path, reading)
        elif YOUTUBE_ID.fullmatch(entry.partition("#")[0]):
            yield VideoSource(_key(entry, entry), "site", entry)
        elif _MAGIC.search(entry) and (matches := _matches(path, reading)):
            for match in matches:
                yield from _tree(_as_given(entry, base, match), match, reading)
        else:
            yield _missing(entry, f"{entry} does not exist (looked in {base})")
    except (OSError, ValueError) as error:
        yield _missing(entry, f"{entry} cannot be read: {error}")


def _matches(pattern: Path, reading: _Reading) -> list[Path]:
    """What a glob finds outside the workspace's data."""
    found = map(Path, sorted(glob.glob(str(pattern), recursive=True)))
    return [path for path in found if not reading.is_ours(path)]


def _as_given(entry: str, base: Path, match: Path) -> str:
    """A glob's match in the user's own terms: relative where the pattern was."""
    return str(match) if from_home(entry).is_absolute() else str(match.relative_to(base))


def _list(entry: str, path: Path, reading: _Reading) -> Iterator[VideoSource]:
    """GIM's own list format: one id, URL or path a line; paths start from the list's folder."""
    if path.resolve() in reading.lists:
        yield _missing(entry, f"{entry} includes itself")
        return
    for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        text = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        if text:
            yield from _expand(text, reading.inside(path))


def _tree(spec: str, path: Path, reading: _Reading) -> Iterator[VideoSource]:
    """A file as given, or what a folder holds."""
    if path.is_file():
        yield VideoSource(_key(_path_slug(Path(spec)), spec), "file", spec, path)
        return
    found = list(_folder(path, reading))
    for member in found:
        name = (Path(spec) / member.relative_to(path)).as_posix()
        yield VideoSource(_key(_path_slug(Path(name)), name), "images" if member.is_dir() else "file", name, member)
    if not found:
        own = " besides what the workspace made" if reading.is_ours(path) else ""
        yield _missing(spec, f"{spec} holds neither videos nor an image sequence{own}")


def _folder(folder: Path, reading: _Reading) -> Iterator[Path]:
    """Video files below a folder, and folders that are image sequences; nothing that the workspace made."""
    if reading.is_ours(folder):
        return
    children = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    videos = [p for p in children if _VIDEO.fullmatch(p.suffix.lower()) and p.is_file()]
    images = folder / "images"
    if not videos and images.is_dir() and len(image_files(images)) > 1:
        yield images  # a posed sequence: depth or masks beside its images are no videos
        return
    if not videos and len(image_files(folder)) > 1:
        yield folder
        return
    yield from videos
    for child in children:
        if child.is_dir() and not child.is_symlink():
            yield from _folder(child, reading)


def _missing(spec: str, problem: str) -> VideoSource:
    return VideoSource(_key(_path_slug(Path(spec)), spec), "missing", spec, None, problem)


def _key(slug: str, spec: str) -> str:
    """Readable and unique, and never a path: letters, digits and dashes, then six digits of the spec's hash."""
    safe = re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-")[:40].strip("-")
    return f"{safe or 'video'}-{hashlib.sha256(spec.encode(errors='surrogateescape')).hexdigest()[:6]}"


def _path_slug(path: Path) -> str:
    """The stem, or the nearest parent that says more than ``clip`` or ``images``."""
    names = [path.stem, *(parent.name for parent in path.parents)]
    telling = [name for name in names if not _GENERIC.fullmatch(name.lower())]
    return telling[0] if telling else path.stem


def _synthetic_slug(spec: str) -> str:
    name, _, query = spec.removeprefix("synthetic:").partition("?")
    return f"synthetic-{name}-{parse_qs(query).get('seed', [''])[0]}"


def _images_fingerprint(folder: Path) -> dict[str, Any]:
    """Names and sizes of all images, content of the first, middle and last: an hour of images is not read each run."""
    files = image_files(folder)
    chosen = {files[i] for i in (0, len(files) // 2, -1)} if files else set()
    listing = [[p.name, p.stat().st_size] for p in files]
    beside = [_read_mapping(place / "frames.json").get("fps") for place in (folder, folder.parent)]
    return {
        "files": digest_of(listing),
        "content": {p.name: fingerprint(p) for p in sorted(chosen)},
        "fps": str(beside),
    }


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
