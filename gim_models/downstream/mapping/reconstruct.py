"""Images in, a map out: pairs, matches, database, verification, mapping, export (GIM.md 5.3 without its bugs)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from gim_data.errors import BadInput
from gim_data.stage import Progress
from gim_data.types import Floats, Matcher, SparseMatcher
from gim_models.downstream.mapping import colmap
from gim_models.downstream.mapping.copies import write_copies
from gim_models.downstream.mapping.images import Gathered, MapImage, gather, keep_apart, photo_folder
from gim_models.downstream.mapping.matching import ImageMatcher
from gim_models.downstream.mapping.model import DEFAULT_MODEL, CameraPlan, MapCamera, SparseMap
from gim_models.downstream.mapping.pairing import LOOKALIKES, Pair, exhaustive, lookalikes, read_pairs, with_loops
from gim_models.downstream.mapping.quantize import Quantized, Quantizer, quantize
from gim_models.downstream.mapping.retrieval import learn_vocabulary
from gim_models.downstream.mapping.store import MatchStore, settings_digest
from gim_models.teachers.rootsift import RootSift

WORK = "work"
POINTS, TRANSFORMS, VIEW = "points.ply", "transforms.json", "scene.html"
TEXT, NUMBERS = "summary.txt", "summary.json"
"""What a finished attempt leaves beside ``sparse``, written here and by ``export``."""
COLMAP_SIFT = "colmap-sift"
"""The label of COLMAP's own features and matches."""
Choice = Literal["exhaustive", "sequential", "retrieval"]
CHOICES: tuple[Choice, ...] = ("exhaustive", "sequential", "retrieval")
_RETRIEVAL_KEYPOINTS, _RETRIEVAL_SIDE = 1500, 800
_ENOUGH = 15  # matches; COLMAP believes no pair with fewer inliers


@dataclass(frozen=True)
class MapOptions:
    """How a map is made.

    Attributes:
        matcher: registry name, also decides where matches are kept.
        pairs: one of ``CHOICES``, or the file that lists them.
        max_side: long side that images are reduced to for matching, pixels.
        mapper: COLMAP's incremental or global mapping.
        camera_model: COLMAP camera model to estimate.
        masks: folder of masks, or None; pixels above zero are matched.
        frames: how many frames of a video are used.
        every: every so many-th image or frame is used: wider baselines.
        quantizer: for matchers without keypoints.
        threads: of COLMAP; -1 for all cores.
        seed: of every random choice.
    """

    matcher: str
    pairs: Choice | Path = "exhaustive"
    max_side: int = 1600
    mapper: colmap.Mapper = "incremental"
    camera_model: str = DEFAULT_MODEL
    masks: Path | None = None
    frames: int = 60
    every: int = 1
    quantizer: Quantizer = field(default_factory=Quantizer)
    threads: int = -1
    seed: int = 0


@dataclass(frozen=True)
class MapResult:
    """A finished attempt.

    Attributes:
        label: who matched.
        found: the map, or None where no three images could be placed.
        problem: why there is none, else "".
        images: names of all images.
        pairs: which were matched, by rows of ``images``.
        inliers: pair -> inliers, of the pairs that passed verification.
        seconds: phase -> wall-clock time; matching is what this run had left to do.
        notes: what was left out and why.
    """

    label: str
    found: SparseMap | None
    problem: str
    images: list[str]
    pairs: list[Pair]
    inliers: dict[Pair, int]
    seconds: dict[str, float]
    notes: list[str]


class Stopwatch:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """What passed since the last lap belongs to ``phase``."""
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._last
        self._last = now


def reconstruct(source: Path, out: Path, matcher: Matcher, options: MapOptions, progress: Progress) -> MapResult:
    """Make a map of a folder of images or a video.

    ``out`` gets ``images/``, ``sparse/0`` (COLMAP), ``points.ply`` and, below ``work/``, matches and database. Every
    pair that was matched stays matched: the same call goes on where a killed one was.

    Raises:
        BadInput: fewer than three usable images, a bad pair list, masks that do not fit, or a folder not of ours.
        GimError: pycolmap is missing.
    """
    colmap.version()  # missing software is said before an hour of matching
    watch = Stopwatch()
    _claim(source, out)
    gathered = _gather(source, out, options, progress)
    _forget(out)
    watch.lap("images")
    work = out / WORK
    engine = open_engine(matcher, gathered.images, work, options)
    pairs = choose_pairs(engine, options, progress)
    watch.lap("pairs")
    engine.run(pairs, progress)
    plan = plan_cameras(gathered.images, options.camera_model)
    joined = join(engine, pairs, options.quantizer)
    watch.lap("matching")
    colmap.write_database(work / "database.db", plan, joined.keypoints, joined.matches)
    inliers = colmap.verify(work / "database.db", threads=options.threads, seed=options.seed)
    watch.lap("verification")
    return _mapped(matcher.name, gathered, plan, pairs, inliers, out, out / "images", options, progress, watch)


def reconstruct_by_sift(
    source: Path, out: Path, pairs: Sequence[Pair] | None, options: MapOptions, progress: Progress
) -> MapResult:
    """The same images, masks, cameras and pairs through COLMAP's own SIFT, on the CPU.

    Args:
        source: as for ``reconstruct``.
        out: another folder than that of ``reconstruct``.
        pairs: those of the attempt that this is compared with; None for all.
        options: ``matcher`` and ``pairs`` play no part.
        progress: where to report.

    Raises:
        BadInput: as ``reconstruct``.
    """
    watch = Stopwatch()
    _claim(source, out)
    gathered = _gather(source, out, options, progress)
    _forget(out)
    watch.lap("images")
    plan = plan_cameras(gathered.images, options.camera_model)
    copies = write_copies(gathered.images, out / WORK / "copies", progress)
    progress.start("matching by COLMAP's SIFT", None)
    pairs = exhaustive(len(plan.names)) if pairs is None else pairs
    side, threads, seed = options.max_side, options.threads, options.seed
    database = out / WORK / "database.db"
    inliers = colmap.sift_matches(database, copies, pairs, plan, max_side=side, threads=threads, seed=seed)
    watch.lap("matching")
    return _mapped(COLMAP_SIFT, gathered, plan, pairs, inliers, out, copies.images, options, progress, watch)


def open_engine(matcher: Matcher, images: Sequence[MapImage], work: Path, options: MapOptions) -> ImageMatcher:
    """The matcher over these images, with what earlier runs left in ``work``."""
    store = MatchStore(work / "matches", settings_digest(options.matcher, options.max_side))
    return ImageMatcher(matcher, images, store, options.max_side)


def plan_cameras(images: Sequence[MapImage], model: str) -> CameraPlan:
    """One camera per size, EXIF focal length and device; one camera for all would bend mixed sets (GIM.md 5.3)."""
    groups = sorted({image.camera_group for image in images}, key=repr)
    cameras = [MapCamera.guess(size, focal, model) for size, focal, _ in groups]
    return CameraPlan([i.name for i in images], cameras, [groups.index(i.camera_group) for i in images])


def choose_pairs(engine: ImageMatcher, options: MapOptions, progress: Progress) -> list[Pair]:
    """The pairs that ``options.pairs`` asks for.

    Raises:
        BadInput: a pair list that does not fit.
    """
    if isinstance(options.pairs, Path):
        return read_pairs(options.pairs, [image.name for image in engine.images])
    if options.pairs == "exhaustive":
        return exhaustive(len(engine.images))
    vectors = describe_images(engine, progress, learn_from=len(engine.images), seed=options.seed)
    return with_loops(vectors) if options.pairs == "sequential" else lookalikes(vectors, LOOKALIKES)


def describe_images(engine: ImageMatcher, progress: Progress, *, learn_from: int, seed: int) -> Floats:
    """(N, D) unit vectors of the images, from the matcher's own features where it has some.

    Features are read twice, to learn the vocabulary and to describe: those of thousands of images fill any memory.

    Args:
        engine: matcher and images.
        progress: where to report.
        learn_from: the first so many images make the vocabulary.
        seed: of its k-means.
    """
    source = describer(engine)
    learned = _descriptors(source, learn_from, "features", progress)
    vocabulary = learn_vocabulary(learned, learn_from, seed=seed)
    every = _descriptors(source, len(engine.images), "descriptions", progress)
    return np.stack([vocabulary.describe(descriptors) for descriptors in every])


def _descriptors(source: ImageMatcher, count: int, doing: str, progress: Progress) -> Iterator[Floats]:
    """The descriptors of the first ``count`` images, one after the other."""
    progress.start(doing, count)
    for row in range(count):
        yield source.features(row).descriptors
        progress.advance(1, source.images[row].name)


def describer(engine: ImageMatcher) -> ImageMatcher:
    """Who describes images for retrieval: the matcher if it has features, else RootSIFT at a low resolution."""
    if isinstance(engine.matcher, SparseMatcher):
        return engine
    store = MatchStore(engine.store.folder, settings_digest("rootsift for retrieval", _RETRIEVAL_SIDE))
    return ImageMatcher(RootSift(most=_RETRIEVAL_KEYPOINTS), engine.images, store, _RETRIEVAL_SIDE)


def join(engine: ImageMatcher, pairs: Sequence[Pair], quantizer: Quantizer) -> Quantized:
    """Keypoints and index matches of all images: the matcher's own keypoints, or quantized ones where it has none."""
    if not isinstance(engine.matcher, SparseMatcher):
        joined = quantize(pairs, engine.matches, [quantizer.enlarged(f) for f in engine.enlargements])
    else:
        rows = {}
        for pair in pairs:
            found = engine.matches(pair)
            assert found.index0 is not None
            assert found.index1 is not None
            rows[pair] = np.stack([found.index0, found.index1], axis=1).astype(np.int64)
        joined = Quantized([engine.keypoints(row) for row in range(len(engine.images))], rows)
    return Quantized(joined.keypoints, {pair: found for pair, found in joined.matches.items() if len(found) >= _ENOUGH})


def _claim(source: Path, out: Path) -> None:
    """Make the folder whose presence says that images and a map beside it were made here and may be replaced.

    Raises:
        BadInput: there are images or a map, and it is not there; or the photos themselves are there.
    """
    keep_apart(photo_folder(source), out)
    if not (out / WORK).is_dir():
        for place in (out / "images", out / "sparse" / "0"):
            if place.is_dir() and any(place.iterdir()):
                raise BadInput(f"{place} holds what was not made here", "name another folder with --out")
    (out / WORK).mkdir(parents=True, exist_ok=True)


def _forget(out: Path) -> None:
    """Take an earlier map away, so that none is taken for the one that could not be made; matches stay."""
    shutil.rmtree(out / "sparse" / "0", ignore_errors=True)
    for name in (POINTS, TRANSFORMS, VIEW, TEXT, NUMBERS):
        (out / name).unlink(missing_ok=True)


def _gather(source: Path, out: Path, options: MapOptions, progress: Progress) -> Gathered:
    masks, frames, every = options.masks, options.frames, options.every
    return gather(source, out / "images", masks=masks, frames=frames, every=every, progress=progress)


def _mapped(
    label: str,
    gathered: Gathered,
    plan: CameraPlan,
    pairs: Sequence[Pair],
    inliers: dict[Pair, int],
    out: Path,
    pictures: Path,
    options: MapOptions,
    progress: Progress,
    watch: Stopwatch,
) -> MapResult:
    """Map a verified database and write the model; a failure to place any image is a result too."""
    progress.start("mapping", len(plan.names))
    found, problem = None, ""
    where = out / WORK / "database.db", pictures, out / WORK / "models"
    try:
        model = colmap.map_images(*where, options.mapper, progress, threads=options.threads, seed=options.seed)
        colmap.rename(model, plan.names)
        colmap.paint(model, gathered.images)
        colmap.save(model, out / "sparse" / "0", out / POINTS)
        found = colmap.to_map(model)
    except BadInput as error:
        problem = str(error)
    watch.lap("mapping")
    return MapResult(label, found, problem, list(plan.names), list(pairs), inliers, watch.seconds, gathered.notes)
