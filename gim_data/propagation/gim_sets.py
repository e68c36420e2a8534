"""GIM's own label folders, read as they are: ``pseudo/WALK <METHOD> [R] <T|F> [S] <skip>/<video> WH ... /[f0 f1].npy``.

The layout is GIM.md 1.8 and 1.9. A video may have any number of the 24 sets that GIM asks for: labels are a union here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gim_data.errors import BadInput, GimError
from gim_data.labels.pairs import in_frame
from gim_data.propagation.graph import Source
from gim_data.propagation.npy import read_npy
from gim_data.types import Floats, PairLabel, Size
from gim_data.video.decode import read_frames

SETS, VIDEOS = "pseudo", "video_1080p"
NUMS, IDXS = "nums.npy", "idxs.npy"
PRECISION = ("SIFT", "GIM_GLUE", "GIM_LOFTR", "GIM_DKM")
"""Methods whose matches place a track before those of the others, in this order."""
KEYPOINT_METHODS = ("SIFT", "GIM_GLUE")
"""Methods that find the same keypoints of a frame in all of its pairs, as long as the frame is not cropped."""

_SET = re.compile(r"WALK (?P<method>\S+) \[R\] (?P<zoomed>[TF]) \[S\] +(?P<skip>\d+)")
_SCENE = re.compile(r" WH +(\d+) +(\d+) RG +(-?\d+) +(-?\d+) SP +(\d+) +(\d+)")
_REMEDY = "make this label set again with GIM's video_preprocessor.py, or move its folder away: the others suffice"


@dataclass(frozen=True)
class GimSet:
    """One label set of one video.

    Attributes:
        video: its name.
        skip: frames between both ends of a pair, in GIM's numbering.
        method: ``SIFT``, ``GIM_DKM``...
        zoomed: whether it is the second pass over the co-visible region (GIM.md 1.5).
        folder: where the pairs are.
        size: (width, height) that the folder's name gives.
    """

    video: str
    skip: int
    method: str
    zoomed: bool
    folder: Path
    size: Size

    @property
    def sparse(self) -> bool:
        """Whether equal coordinates in different pairs are the same keypoint; a crop moves them."""
        return self.method in KEYPOINT_METHODS and not self.zoomed


def find_sets(root: Path) -> dict[str, list[GimSet]]:
    """Every label set below ``root`` by video, those of precise methods first.

    Args:
        root: GIM's ``data/ZeroMatch``, or the folder inside that holds the ``WALK ...`` folders.

    Raises:
        GimError: there is none, or a folder's name is not GIM's.
    """
    base = root / SETS if (root / SETS).is_dir() else root
    folders = sorted(base.glob("WALK *")) if base.is_dir() else []
    found = sorted((each for folder in folders for each in _sets(folder)), key=_order)
    if not found:
        raise GimError(
            f"{root} holds no label set of GIM ({SETS}/WALK <METHOD> [R] <T|F> [S] <skip>/<video> WH ...)",
            "name GIM's data/ZeroMatch folder",
        )
    return {video: list(sets) for video, sets in groupby(found, key=lambda each: each.video)}


def video_size(root: Path, sets: Iterable[GimSet]) -> Size:
    """(width, height) that the labels of a video live in: the video's own, where it can be read (GIM.md 1.7).

    A video that is missing, or cut short so that it cannot be read, leaves what the names of the folders say.

    Raises:
        GimError: it cannot be read, and the folders disagree.
    """
    first, *others = sets
    try:
        return next(iter(read_frames(root / VIDEOS / f"{first.video}.mp4"))).size
    except (BadInput, StopIteration):
        for other in others:
            if other.size != first.size:
                raise GimError(
                    f"{other.folder} is about frames of {other.size}, {first.folder} about {first.size}",
                    f"put the video into {root / VIDEOS}, or move the wrong set away",
                ) from None
        return first.size


def frame_ids(sets: Iterable[GimSet]) -> NDArray[np.int64]:
    """(F,) GIM's numbers of the frames that the sets name, ascending: row ``i`` of the labels is frame ``ids[i]``."""
    named = [_index(each)[0].ravel() for each in sets]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *named]))


def read_source(each: GimSet, ids: NDArray[np.int64], size: Size) -> Source:
    """A label set as propagation reads it, with rows of ``ids`` for frames. GIM keeps no confidence: all have 1.

    Points outside the frame are left out; dense methods put some on the border itself.

    Raises:
        GimError: a missing or malformed file.
    """
    labels = []
    pairs, counts = _index(each)
    rows = np.searchsorted(ids, pairs)
    for ends, (row0, row1), count in zip(pairs.tolist(), rows.tolist(), counts.tolist(), strict=True):
        points = _points(each.folder / pair_file(*ends), count)
        inside = in_frame(points.reshape(-1, 2), size)
        if not inside.all():
            points = points[inside.reshape(-1, 2).all(axis=1)]
        labels.append(direct_label(row0, row1, points[:, :2], points[:, 2:]))
    return Source(f"gim:{each.method}", labels, each.sparse)


def pair_file(frame0: int, frame1: int) -> str:
    """GIM's name for a pair: numpy's own text of the two numbers, which it pads to one width."""
    width = len(str(max(frame0, frame1)))
    return f"[{frame0:>{width}} {frame1:>{width}}].npy"


def direct_label(frame0: int, frame1: int, points0: Floats, points1: Floats) -> PairLabel:
    """The label of (N, 2) and (N, 2) points that one teacher matched directly, all with confidence 1."""
    n = len(points0)
    once = np.ones(n, np.uint8)
    return PairLabel(frame0, frame1, points0, points1, np.ones(n, np.float32), np.zeros(n, np.uint8), once, 1.0)


def _load(path: Path) -> NDArray[Any]:
    """An ``.npy`` file of numbers; nothing is unpickled.

    Raises:
        GimError: there is none, or it is not one.
    """
    try:
        array = read_npy(path)
    except (OSError, ValueError) as error:
        raise GimError(f"{path} cannot be read: {error}", _REMEDY) from error
    if not np.issubdtype(array.dtype, np.number):
        raise GimError(f"{path} is not an array of numbers", _REMEDY)
    return array


def _sets(folder: Path) -> Iterator[GimSet]:
    name = _SET.fullmatch(folder.name)
    if name is None:
        raise GimError(f"{folder} is not named 'WALK <METHOD> [R] <T|F> [S] <skip>'", "give it GIM's name again")
    for scene in sorted(path for path in folder.iterdir() if path.is_dir()):
        video, size, skip = _scene(scene)
        if skip != int(name["skip"]):
            raise GimError(f"{scene} says skip {skip}, its folder {name['skip']}", "move it where it belongs")
        yield GimSet(video, skip, name["method"], name["zoomed"] == "T", scene, size)


def _scene(folder: Path) -> tuple[str, Size, int]:
    """What ``<video> WH w h RG start end SP skip <len(video)>`` says; the length finds the end of the video's name."""
    length = folder.name.rpartition(" ")[2]
    cut = int(length) if length.isdecimal() else 0
    video, rest = folder.name[:cut], _SCENE.fullmatch(folder.name[cut:])
    if rest is None or not video or video.startswith(".") or video != video.strip():
        raise GimError(f"{folder} is not named '<video> WH w h RG start end SP skip <length>'", "give it GIM's name")
    width, height, skip = int(rest[1]), int(rest[2]), int(rest[5])
    if min(width, height, skip) < 1:
        raise GimError(f"{folder}: width, height and skip must be positive", "give it GIM's name again")
    return video, (width, height), skip


def _order(each: GimSet) -> tuple[str, int, str, bool, int]:
    rank = PRECISION.index(each.method) if each.method in PRECISION else len(PRECISION)
    return each.video, rank, each.method, each.zoomed, each.skip


def _index(each: GimSet) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(N, 2) frames and (N,) matches of every pair in the set."""
    pairs, counts = _whole(each.folder / IDXS).reshape(-1, 2), _whole(each.folder / NUMS).ravel()
    if len(pairs) != len(counts):
        raise GimError(f"{each.folder}: {NUMS} counts {len(counts)} pairs, {IDXS} lists {len(pairs)}", _REMEDY)
    if (pairs < 0).any() or (pairs[:, 0] >= pairs[:, 1]).any():
        raise GimError(f"{each.folder / IDXS} lists a pair that does not go forward in time", _REMEDY)
    if len(np.unique(pairs, axis=0)) != len(pairs):
        raise GimError(f"{each.folder / IDXS} lists a pair twice", _REMEDY)
    return pairs, counts


def _whole(path: Path) -> NDArray[np.int64]:
    """Integers, whatever type they were saved as; GIM starts both files as empty floats."""
    array = _load(path)
    fits = array.ndim == 2 and array.shape[1] == 2 if path.name == IDXS else array.ndim == 1
    if array.size and (not fits or not (np.isfinite(array) & (array == np.round(array))).all()):
        raise GimError(f"{path} holds {array.dtype} of shape {array.shape}, not whole numbers a pair", _REMEDY)
    return array.astype(np.int64)


def _points(path: Path, count: int) -> Floats:
    array = _load(path)
    if array.shape != (count, 4):
        raise GimError(f"{path} has shape {array.shape}; {NUMS} says ({count}, 4)", _REMEDY)
    if not np.isfinite(array).all():
        raise GimError(f"{path} has a coordinate that is not finite", _REMEDY)
    return np.asarray(array, np.float32)
