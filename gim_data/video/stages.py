"""The three stages of acquisition: the file, its shots, their frames."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gim_data.errors import BadInput
from gim_data.files import read_json, sha256, write_json
from gim_data.stage import Job, Progress, Summary
from gim_data.types import Image
from gim_data.video.config import FramesConfig, ShotsConfig
from gim_data.video.decode import Damage, DecodedFrame, read_frames
from gim_data.video.fetch import fetch
from gim_data.video.figures import contact_sheet, timeline
from gim_data.video.framestore import FrameStore, StoredFrame, write_frames
from gim_data.video.measure import measure
from gim_data.video.probe import VideoInfo, probe
from gim_data.video.shots import Span, find_spans, read_spans, write_spans
from gim_data.video.sources import find_source

SIDECAR = "sidecar.json"


def make_video(job: Job) -> Summary:
    """Fetch one video and write down what it is.

    Raises:
        BadInput: no such source, a licence that is not accepted, or nothing in it that can be decoded.
        GimError: a download failed; it is tried again at the next run.
    """
    source = find_source(job.unit, job.params["corpus"], job.root)
    fetched = fetch(source, job)
    suffix = fetched.path.suffix.lower()
    target = job.out / f"video{suffix if re.fullmatch(r'[.][a-z0-9]{1,6}', suffix) else ''}"
    shutil.move(fetched.path, target)
    info = asdict(_probed(target, source.spec))
    notes = [*fetched.notes, *info.pop("notes")]
    origin = {"source": source.spec, "kind": source.kind, "title": fetched.title, "licence": fetched.licence}
    facts = {"file": target.name, "bytes": target.stat().st_size, "sha256": sha256(target), **info, "notes": notes}
    write_json(job.out / SIDECAR, {**origin, **facts, "fetched_as": fetched.recipe})
    shown = ("codec", "width", "height", "fps", "duration", "rotation", "bytes")
    return {**origin, **{name: facts[name] for name in shown}, "notes": notes}


def _probed(path: Path, spec: str) -> VideoInfo:
    """What the file is; an error names it as the user does, not by its copy here."""
    try:
        return probe(path)
    except BadInput as error:
        copy = rf"{re.escape(str(path))}|\b{re.escape(path.name)}\b"
        problem = re.sub(copy, lambda _: spec, error.problem)
        raise BadInput(problem if spec in problem else f"{spec}: {problem}", error.remedy) from error


def make_shots(job: Job) -> Summary:
    """Find the spans of one video that labels can be made from.

    Raises:
        BadInput: there is none; the reasons are named.
    """
    config: ShotsConfig = job.params["shots"]
    path, sidecar = video_of(job.input("videos"))
    job.progress.start(f"shots {job.unit}", sidecar["duration"])
    damage = Damage()
    measures = measure(_looked_at(read_frames(path, damage=damage), config, job.progress), config)
    spans = find_spans(measures, config)
    kept = [span for span in spans if span.kept]
    if not kept:
        raise BadInput(f"{sidecar['source']}: no usable shot ({_why_not(spans)})", _shots_remedy(spans))
    facts = {"frames_looked_at": len(measures.time), "notes": damage.summary()}
    write_spans(job.out, spans, facts)
    cv2.imwrite(str(job.out / "shots.png"), timeline(measures, spans))
    dropped = _seconds_by_reason(spans)
    numbers = {"shots": len(kept), "seconds_kept": round(sum(s.seconds for s in kept), 3), "seconds_dropped": dropped}
    return {**numbers, **facts, "figures": ["shots.png"]}


def make_frames(job: Job) -> Summary:
    """Sample the kept spans of one video into a frame store.

    Raises:
        BadInput: no span yields two frames.
    """
    config: FramesConfig = job.params["frames"]
    path, sidecar = video_of(job.input("videos"))
    spans = [span for span in read_spans(job.input("shots")) if span.kept]
    job.progress.start(f"frames {job.unit}", sidecar["duration"])
    damage = Damage()
    decoded = _reported(read_frames(path, damage=damage), job.progress)
    frames = sample(decoded, spans, config, 1 / sidecar["fps"])
    count = write_frames(job.out, frames, source_size=(sidecar["width"], sidecar["height"]), quality=config.quality)
    store = FrameStore.open(job.out)
    if count < 2 or store.interval == 0:
        raise BadInput(
            f"{sidecar['source']}: {count} frame(s) at one every {config.interval:.2f} s, no two in one shot",
            "lower frames.interval or raise shots.min_seconds",
        )
    cv2.imwrite(str(job.out / "contact.png"), contact_sheet(store))
    return {
        "frames": count,
        "shots": len(spans),
        "seconds": round(sum(span.seconds for span in spans), 3),
        "size": list(store.size),
        "interval": round(store.interval, 4),
        "megabytes": round((job.out / "frames.bin").stat().st_size / 1e6, 3),
        "notes": damage.summary(),
        "figures": ["contact.png"],
    }


def video_of(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The media file and the sidecar of a videos unit."""
    sidecar = read_json(folder / SIDECAR)
    return folder / sidecar["file"], sidecar


def sample(
    frames: Iterator[DecodedFrame], spans: Sequence[Span], config: FramesConfig, period: float
) -> Iterator[StoredFrame]:
    """Pick from each span the frames nearest to every ``interval`` seconds, by presentation time (GIM.md 1.2).

    Args:
        frames: of the whole video, in order.
        spans: the kept ones, in order.
        config: interval and size.
        period: usual seconds between frames; picks may be half of it early.
    """
    size = None
    shot, due = 0, spans[0].start if spans else 0.0
    for frame in frames:
        while shot < len(spans) and frame.time > spans[shot].end:
            shot += 1
            due = spans[shot].start if shot < len(spans) else 0.0
        if shot == len(spans):
            return
        if frame.time < spans[shot].start or frame.time < due - period / 2:
            continue
        image = frame.image(config.max_side) if size is None else frame.image_of(size)
        size = (image.shape[1], image.shape[0])
        yield StoredFrame(frame.time, shot, image)
        late = frame.time > due + period / 2  # after a gap: count from here, or two picks would come close together
        due = (frame.time if late else due) + config.interval


def _looked_at(
    frames: Iterator[DecodedFrame], config: ShotsConfig, progress: Progress
) -> Iterator[tuple[float, Image]]:
    """At most ``analysis_fps`` frames a second, reduced, all of one size."""
    size, due = None, -np.inf
    for frame in _reported(frames, progress):
        if frame.time < due:
            continue
        due = frame.time + 0.75 / config.analysis_fps  # 24 to 40 frames a second are all looked at
        image = (
            frame.image(config.analysis_side, order="bgr24") if size is None else frame.image_of(size, order="bgr24")
        )
        size = (image.shape[1], image.shape[0])
        yield frame.time, image


def _reported(frames: Iterator[DecodedFrame], progress: Progress) -> Iterator[DecodedFrame]:
    """The same frames; the bar moves by seconds of video."""
    last: float | None = None
    for frame in frames:
        progress.advance(0.0 if last is None else frame.time - last)
        last = frame.time
        yield frame


def _seconds_by_reason(spans: Sequence[Span]) -> dict[str, float]:
    reasons = sorted({span.reason for span in spans if not span.kept})
    return {r: round(sum(s.seconds for s in spans if s.reason == r), 3) for r in reasons}


def _why_not(spans: Sequence[Span]) -> str:
    return ", ".join(f"{seconds:.1f} s {reason}" for reason, seconds in _seconds_by_reason(spans).items()) or "no frame"


def _shots_remedy(spans: Sequence[Span]) -> str:
    if any(span.reason == "static" for span in spans):
        return "set shots.static to 'keep' if the camera does move, or remove the video"
    return "remove the video from corpus.videos, or loosen the thresholds under 'shots'"
