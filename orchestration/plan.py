"""What a corpus will cost, before it is paid for: its extent from the sources, the rates from a short run here.

The calibration runs the stages themselves, with the workspace's own parameters, on a few seconds of a synthetic street
at the size of the corpus; a rate is what they took, over what they were given.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gim_data.errors import GimError
from gim_data.ledger import RECORD, Ledger
from gim_data.runner import Runner
from gim_data.stage import Params, Progress
from gim_data.video.config import CorpusConfig, ShotsConfig
from gim_data.video.sources import VideoSource, resolve

GROWS_WITH = {
    "shots": ("pictures", "frames"),
    "frames": ("pictures", "frames"),
    "matches": ("pairs", "pairs"),
    "tracks": ("frames", "frames"),
}
"""Stage -> the numbers of an ``Extent`` that its time and its bytes grow with."""
_FPS = 12  # of the calibration video, which is ray-traced; corpora have more pictures a second, and that is counted
_OVERLAPS = 3  # the calibration is so many times as long as the longest skip


@dataclass(frozen=True)
class Extent:
    """How much there is to do.

    Attributes:
        videos: in the corpus.
        seconds: of video that is left after trimming.
        pictures: that will be decoded.
        frames: that will be stored.
        pairs: that will be matched, over all skips, teachers and passes.
    """

    videos: int
    seconds: float
    pictures: float
    frames: int
    pairs: int


@dataclass(frozen=True)
class Cost:
    """What a stage takes.

    Attributes:
        stage: its name.
        hours: of the device.
        gigabytes: on disk.
    """

    stage: str
    hours: float
    gigabytes: float


def scaled(cost: Cost, trial: Extent, corpus: Extent) -> Cost:
    """What a stage takes for a corpus, when it took ``cost`` for a trial."""
    time_of, bytes_of = GROWS_WITH[cost.stage]
    slower, bigger = (getattr(corpus, name) / getattr(trial, name) for name in (time_of, bytes_of))
    return Cost(cost.stage, cost.hours * slower, cost.gigabytes * bigger)


def extent_of(params: Params, lengths: Sequence[float], fps: float) -> Extent:
    """How much a corpus is, were none of its videos cut into shots.

    Args:
        params: the validated sections.
        lengths: seconds of every video.
        fps: pictures a second.
    """
    labels, interval = params["labels"], params["frames"].interval
    passes = len(labels.teachers) * (1 if labels.zoom is None else 2)
    usable = [trimmed(seconds, params["shots"]) for seconds in lengths]
    frames = [int(seconds // interval) + 1 for seconds in usable]  # 26.2 / 0.2 is 131.0, but 131 * 0.2 lies behind 26.2
    skips = {round(skip / interval) for skip in labels.skips} - {0}
    pairs = sum(max(0, count - skip) for count in frames for skip in skips)
    return Extent(len(usable), sum(usable), sum(lengths) * fps, sum(frames), pairs * passes)


def trimmed(seconds: float, config: ShotsConfig) -> float:
    """What is left of a video without its head and tail."""
    return seconds - 2 * config.trimmed_end(seconds)


def lengths_of(params: Params, root: Path, progress: Progress) -> list[float | None]:
    """Seconds of every video of the corpus, from the ledger, the file or the spec; None where none of them knows."""
    sources, ledger = resolve(params["corpus"], root), Ledger(root)
    lengths: list[float | None] = []
    progress.start("looking at videos", len(sources))
    for source in sources:
        lengths.append(_length(source, ledger))
        progress.advance(note=source.spec)
    return lengths


def _length(source: VideoSource, ledger: Ledger) -> float | None:
    from gim_data.synthetic.spec import SyntheticSpec
    from gim_data.video.probe import probe

    entry = ledger.read("videos", source.key)
    if entry is not None and "duration" in entry.summary:
        return float(entry.summary["duration"])
    try:
        if source.kind == "file" and source.path is not None:
            return probe(source.path).duration
        if source.kind == "synthetic":
            return SyntheticSpec.parse(source.spec).seconds
    except GimError:
        return None
    return None


def calibrate(runner: Runner, width: int, height: int, progress: Progress) -> tuple[Extent, list[Cost]]:
    """Run the stages of ``GROWS_WITH`` on a short video and see what they take.

    Args:
        runner: the workspace; its parameters are taken over, nothing in it is touched.
        width, height: of the video, pixels.
        progress: told of every stage.

    Raises:
        GimError: a stage failed or found nothing to do; the message is that stage's own.
    """
    labels = runner.params["labels"]
    seconds = max(4.0, _OVERLAPS * max(labels.skips))
    spec = f"synthetic:street?seed=1&seconds={seconds:g}&fps={_FPS}&width={width}&height={height}"
    params = {**runner.params, "corpus": CorpusConfig(videos=(spec,))}
    clock = time.process_time if labels.device == "cpu" else time.perf_counter
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        trial = Runner(runner.graph, params, Path(folder))
        progress.start("rendering a trial", None)
        _made(trial, "videos")
        for stage in GROWS_WITH:
            progress.start(f"trying {stage}", None)
            began = clock()
            made = _made(trial, stage)
            costs.append(Cost(stage, (clock() - began) / 3600, _gigabytes(made)))
    return extent_of(params, [seconds], _FPS), costs


def _made(trial: Runner, stage: str) -> Path:
    """The folder of the only unit of a stage, after it was made.

    Raises:
        GimError: it failed, or was skipped.
    """
    report = trial.run(stage)
    report.raise_failures()
    outcome = report.outcomes[0]
    if outcome.status == "skipped":
        raise GimError(f"the calibration video went no further than {stage}: {outcome.reason}", "see 'gim params'")
    return trial.ledger.folder(stage, outcome.unit)


def _gigabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != RECORD) / 1e9
