"""One way in for every kind of source; what came in before and is still right is not fetched again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from gim_data.errors import BadInput, GimError
from gim_data.files import read_json, sha256
from gim_data.stage import Job, load
from gim_data.video.fetched import Fetched, check_licence, recipe_of, split_pin
from gim_data.video.sources import Kind, VideoSource, notes_beside

_FETCHERS: Mapping[Kind, str] = {
    "file": "gim_data.video.fetch:copy_file",
    "images": "gim_data.video.images:join_images",
    "http": "gim_data.video.download:fetch_http",
    "site": "gim_data.video.sites:fetch_site",
    "synthetic": "gim_data.video.fetch:render_synthetic",
}
REMOTE: frozenset[Kind] = frozenset({"http", "site"})


def fetch(source: VideoSource, job: Job) -> Fetched:
    """Bring one source's file into ``job.scratch``.

    Raises:
        BadInput: the source does not exist, or its licence is not accepted.
        GimError: the download failed, or its bytes are not the pinned ones.
    """
    if source.kind == "missing":
        raise BadInput(source.problem, "correct the entry in corpus.videos, or remove it")
    fetched: Fetched = _fetched_before(source, job) or load(_FETCHERS[source.kind])(source, job)
    if source.kind in REMOTE:
        check_licence(source, fetched.licence, job.params["acquire"])
        _check_pin(source, fetched.path)
    return fetched


def copy_file(source: VideoSource, job: Job) -> Fetched:
    """A local file, copied: the workspace may outlive it, and a link would let one change the other."""
    assert source.path is not None
    target = job.scratch / f"copy{source.path.suffix}"
    try:
        shutil.copyfile(source.path, target)
    except OSError as error:
        raise BadInput(f"{source.path} cannot be read: {error.strerror}", "check its permissions") from error
    beside = notes_beside(source.path)
    return Fetched(target, beside.get("title", ""), beside.get("licence", ""))


def render_synthetic(source: VideoSource, job: Job) -> Fetched:
    """A built-in world, ray-traced."""
    from gim_data.synthetic.encode import write_video
    from gim_data.synthetic.spec import SyntheticSpec

    try:
        spec = SyntheticSpec.parse(source.spec)
    except (GimError, ValueError) as error:
        raise BadInput(f"{source.spec}: {error}", "correct the entry in corpus.videos") from error
    target = job.scratch / "synthetic.mp4"
    write_video(spec, target, job.progress)
    return Fetched(target, title=str(spec), licence="generated")


def _fetched_before(source: VideoSource, job: Job) -> Fetched | None:
    """The download that the unit already holds, when only parameters changed that do not decide its bytes."""
    unit = job.root / "data" / job.stage / job.unit
    if source.kind not in REMOTE:
        return None
    try:
        sidecar = read_json(unit / "sidecar.json")
        stored = unit / sidecar["file"]
        choices = load(f"{_FETCHERS[source.kind].partition(':')[0]}:choices")(job.params["acquire"])
        if sidecar["fetched_as"] != recipe_of(source, **choices) or sha256(stored) != sidecar["sha256"]:
            return None
    except (OSError, ValueError, KeyError):
        return None
    target = job.scratch / f"again{stored.suffix}"
    shutil.copyfile(stored, target)
    return Fetched(target, sidecar["title"], sidecar["licence"], (), sidecar["fetched_as"])


def _check_pin(source: VideoSource, path: Path) -> None:
    pin = split_pin(source.spec)[1]
    if pin and (found := sha256(path)) != pin:
        path.unlink()
        raise GimError(
            f"{source.spec}: the bytes received have sha256 {found}",
            "the source has changed: check it, then correct or remove the pin in corpus.videos",
        )
