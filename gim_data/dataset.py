"""The training index: which propagated pairs each video budget may use, and random access to them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field

from gim_data.errors import BadInput, GimError
from gim_data.files import atomic
from gim_data.labels.store import LabelStore
from gim_data.stage import Job, Section, Summary
from gim_data.types import Image, PairLabel
from gim_data.video.framestore import FrameStore

INDEX = "index.parquet"
PAIRS = "pairs.parquet"
COLUMNS = ("video", "row", "frame0", "frame1", "time0", "time1", "n", "overlap", "rank", "split")
_REMEDY = "delete it and run 'gim run dataset' again"
_BINS = np.linspace(0, 1, 11)


class DatasetConfig(Section):
    """How pairs are split and ordered."""

    validation: float = Field(0.1, ge=0, lt=1, description="share of the videos held out, rounded down; none when few")
    seed: int = Field(0, ge=0, description="order of the videos: which of them small budgets see")
    max_pairs_per_video: int = Field(20_000, ge=1, description="more pairs than this are thinned evenly over time")


def make_dataset(job: Job) -> Summary:
    """Index all videos' pairs.

    Raises:
        BadInput: no video has a usable pair.
    """
    config: DatasetConfig = job.params["dataset"]
    videos = sorted(job.inputs["tracks"])
    held, order = split_videos(videos, config)
    job.progress.start("indexing pairs", len(videos))
    parts, seconds = [], {}
    for video in videos:
        frames = FrameStore.open(job.inputs["frames"][video])
        seconds[video], elapsed = kept_time(frames.times, frames.shots)
        pairs = video_index(video, job.inputs["tracks"][video] / PAIRS, frames.times, config)
        parts.append(
            pairs.assign(elapsed=elapsed[pairs["frame1"].to_numpy()], split="val" if video in held else "train")
        )
        job.progress.advance()
    if not any(len(part) for part in parts):
        raise BadInput("no video of the corpus has a usable pair", "see why each was skipped with 'gim status tracks'")
    index = rank_pairs(pd.concat(parts, ignore_index=True), order, seconds)
    write_index(job.out / INDEX, index)
    return summarise(index, {video: seconds[video] for video in order}, held)


def split_videos(videos: Sequence[str], config: DatasetConfig) -> tuple[set[str], list[str]]:
    """Held-out videos, and the training videos in the order in which growing budgets take them.

    Whole videos are held out, since neighbouring frames of one video are nearly the same picture.
    """
    shuffled = [sorted(videos)[i] for i in np.random.default_rng(config.seed).permutation(len(videos))]
    count = int(config.validation * len(videos))
    return set(shuffled[len(videos) - count :]), shuffled[: len(videos) - count]


def kept_time(times: NDArray[np.float64], shots: NDArray[np.int32]) -> tuple[float, NDArray[np.float64]]:
    """Seconds of video that its frames stand for, and how much of it has gone by at each frame.

    Args:
        times: (F,) seconds.
        shots: (F,) shot of each frame; what lies between shots was dropped and does not count.
    """
    inside = np.r_[False, np.diff(shots) == 0]
    steps = np.r_[0.0, np.diff(times)]
    usual = float(np.median(steps[inside])) if inside.any() else 0.0
    elapsed = np.cumsum(np.where(inside, steps, usual))
    return float(elapsed[-1]) if len(elapsed) else 0.0, elapsed


def video_index(video: str, labels: Path, times: NDArray[np.float64], config: DatasetConfig) -> pd.DataFrame:
    """One row per non-empty pair of a video, thinned to the cap.

    Raises:
        GimError: the label file is broken, or names frames that the video does not have.
    """
    pairs = LabelStore.open(labels).index
    pairs = pairs.assign(video=video, row=np.arange(len(pairs)))[pairs["n"] > 0]
    if len(pairs) and int(pairs["frame1"].max()) >= len(times):
        raise GimError(f"{labels} names frame {pairs['frame1'].max()} of {len(times)}", "run 'gim run tracks' again")
    if len(pairs) > config.max_pairs_per_video:
        pairs = pairs.iloc[np.linspace(0, len(pairs) - 1, config.max_pairs_per_video).astype(int)]
    return pairs.assign(time0=times[pairs["frame0"]], time1=times[pairs["frame1"]])


def rank_pairs(index: pd.DataFrame, order: Sequence[str], seconds: Mapping[str, float]) -> pd.DataFrame:
    """Give every pair its ``rank`` in (0, 1]: the share of the training corpus that must be used before it appears.

    The training videos stand end to end in ``order``; a pair appears when its later frame has gone by. So budgets are
    nested, small ones hold whole videos, and the last one is cut by time. Validation pairs have rank 1.
    """
    total = max(sum(seconds[video] for video in order), 1e-9)
    before = dict(zip(order, np.cumsum([0.0, *(seconds[video] for video in order)]), strict=False))
    offset = index["video"].map(before).fillna(total).to_numpy(np.float64)
    rank = ((offset + index["elapsed"].to_numpy(np.float64)) / total).clip(np.finfo(np.float64).tiny, 1.0)
    ranked = index.assign(rank=rank)[list(COLUMNS)]
    return ranked.sort_values(["split", "rank", "video", "row"], kind="stable").reset_index(drop=True)


def write_index(path: Path, index: pd.DataFrame) -> None:
    """Write the index; the same rows give the same bytes."""
    arrays = {name: pa.array(index[name].to_numpy()) for name in COLUMNS}
    with atomic(path) as temporary:
        pq.write_table(pa.table(arrays), temporary, compression="zstd")


def summarise(index: pd.DataFrame, seconds: Mapping[str, float], held: set[str]) -> Summary:
    """Numbers for people; ``seconds`` is the training video time that budget 1 stands for."""
    train = index[index["split"] == "train"]
    bins = np.histogram(train["overlap"], _BINS)[0]
    return {
        "seconds": round(sum(seconds.values()), 3),
        "videos": len(seconds),
        "validation_videos": sorted(held),
        "order": list(seconds),
        "pairs": len(train),
        "validation_pairs": len(index) - len(train),
        "correspondences": int(train["n"].sum()),
        "overlap_histogram": bins.tolist(),
        "pairs_per_video": {video: int((train["video"] == video).sum()) for video in seconds},
    }


def balanced_weights(pairs: pd.DataFrame) -> NDArray[np.float64]:
    """(N,) sampling weights that sum to 1: P(video) ~ pairs^0.25 (GIM.md 3.1), overlap bins equal inside a video."""
    if not len(pairs):
        return np.zeros(0)
    place = pd.Series(np.digitize(pairs["overlap"], _BINS[1:-1]), index=pairs.index)
    in_video = pairs.groupby("video")["row"].transform("size").to_numpy(np.float64)
    in_bin = pairs.groupby([pairs["video"], place])["row"].transform("size").to_numpy(np.float64)
    bins = place.groupby(pairs["video"]).transform("nunique").to_numpy(np.float64)
    weights = in_video**0.25 / (bins * in_bin)
    return np.asarray(weights / weights.sum())


@dataclass
class TrainingIndex:
    """Random access to the pairs of a corpus. Safe to fork, to pickle into workers and to share between threads.

    Attributes:
        table: the index, one row per pair.
        frames: video -> folder of its frame store.
        tracks: video -> folder of its propagated pairs.
        cached_frames: decoded frames kept in memory, per process.
    """

    table: pd.DataFrame
    frames: Mapping[str, Path]
    tracks: Mapping[str, Path]
    cached_frames: int = 128
    _images: OrderedDict[tuple[str, int], Image] = field(default_factory=OrderedDict, repr=False)

    def __post_init__(self) -> None:
        self._lock = Lock()

    @classmethod
    def open(cls, folder: Path, frames: Mapping[str, Path], tracks: Mapping[str, Path]) -> TrainingIndex:
        """Open a ``dataset`` unit.

        Raises:
            GimError: the index is missing, broken, or names a video that is not given.
        """
        path = folder / INDEX
        try:
            table: pd.DataFrame = pq.read_table(path).to_pandas()
        except (pa.ArrowException, OSError) as error:
            raise GimError(f"{path} cannot be read: {error}", _REMEDY) from error
        missing = sorted(set(COLUMNS) - set(table.columns))
        if missing:
            raise GimError(f"{path}: column(s) {missing} are missing", _REMEDY)
        unknown = sorted(set(table["video"]) - (set(frames) & set(tracks)))
        if unknown:
            raise GimError(f"{path} names videos without frames or tracks: {unknown}", _REMEDY)
        return cls(table, dict(frames), dict(tracks))

    def __len__(self) -> int:
        return len(self.table)

    def subset(self, budget: float, split: str = "train") -> pd.DataFrame:
        """The rows that belong to a budget in (0, 1]; its index labels are what ``label`` and ``images`` take."""
        return self.table[(self.table["split"] == split) & (self.table["rank"] <= budget)]

    def label(self, i: int) -> PairLabel:
        """The correspondences of row ``i``."""
        return self._stores[self._video(i)].label(self._cell("row", i))

    def images(self, i: int) -> tuple[Image, Image]:
        """Both frames of row ``i``, RGB."""
        video = self._video(i)
        return self._image(video, self._cell("frame0", i)), self._image(video, self._cell("frame1", i))

    def _video(self, i: int) -> str:
        return str(self.table["video"].iat[i])

    def _cell(self, column: str, i: int) -> int:
        return int(self.table[column].to_numpy()[i])

    @cached_property
    def _stores(self) -> dict[str, LabelStore]:
        return {video: LabelStore.open(self.tracks[video] / PAIRS) for video in sorted(set(self.table["video"]))}

    @cached_property
    def _frame_stores(self) -> dict[str, FrameStore]:
        return {video: FrameStore.open(self.frames[video]) for video in sorted(set(self.table["video"]))}

    def _image(self, video: str, frame: int) -> Image:
        key = (video, frame)
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
                return self._images[key]
        image = self._frame_stores[video].image(frame)
        with self._lock:
            self._images[key] = image
            while len(self._images) > self.cached_frames:
                self._images.popitem(last=False)
        return image

    def __getstate__(self) -> dict[str, Any]:
        """Without lock, open files and decoded frames: a worker opens its own."""
        transient = {"_lock", "_stores", "_frame_stores"}
        state = {name: value for name, value in self.__dict__.items() if name not in transient}
        return {**state, "_images": OrderedDict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = Lock()
