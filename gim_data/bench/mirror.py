"""A small benchmark in ZEB's released layout: its twelve folders, filled from ray-traced worlds or from posed data.

It is for trying everything out without the archives, and for tests. It is not ZEB: the names of its pairs are not on
the frozen list, so that no table puts its scores beside published ones.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from gim_data.bench.frozen import bare_identifier, write_frozen
from gim_data.bench.names import BY_FOLDER, ZebSet
from gim_data.bench.pairing import PairRules, draw_pairs
from gim_data.bench.rendered import render_pairs
from gim_data.bench.sources import SYNTHETIC, PairSource, fingerprint
from gim_data.bench.zeb import place, read_zeb, write_zeb
from gim_data.errors import BadInput, GimError
from gim_data.files import digest_of, read_json, write_json
from gim_data.stage import Progress
from gim_data.synthetic.spec import SyntheticSpec
from gim_data.types import TwoViewPair

LIST_FILE = "pairs.parquet"
"""The list of a mirror's pairs, for ``gim zeb check --list``."""
RECORD_FILE = "mirror.json"
_NEXT_SCENE = 1000  # between the seeds of a set's worlds
_SIDE = 64  # the least that a world is rendered at

MIRROR: Mapping[str, str] = {
    "gl3d": "terrain?seed=921&seconds=40&fov=75&width=400&height=400",
    "blendedmvs": "objects?seed=922&seconds=30&fov=60&width=400&height=400",
    "eth3di": "room?seed=923&seconds=40&fov=65&width=480&height=330",
    "eth3do": "street?seed=924&seconds=24&fov=65&width=480&height=330",
    "kitti": "street?seed=925&seconds=8&path=drive&fov=85&width=640&height=194",
    "robotcarweather": "street?seed=926&seconds=8&path=drive&look=rain&fov=70&width=400&height=300",
    "robotcarseason": "street?seed=927&seconds=8&path=drive&look=mixed&fov=70&width=400&height=300",
    "robotcarnight": "street?seed=928&seconds=8&path=drive&look=night&fov=70&width=400&height=300",
    "multifov": "street?seed=929&seconds=8&path=drive&fov=110&width=400&height=300",
    "scenenet": "room?seed=930&seconds=40&fov=60&width=320&height=240",
    "iclnuim": "room?seed=931&seconds=40&fov=67&width=400&height=300",
    "gtasfm": "street?seed=932&seconds=30&path=drone&look=dusk&fov=70&width=400&height=300",
}
"""Folder of ZEB -> the world that stands for it: the same kind of scene, view and light (GIM.md 4.1), half the size."""


@dataclass(frozen=True)
class MirrorRules:
    """How much a mirror holds.

    Attributes:
        pairs: most pairs of one set, drawn evenly over ten bins of overlap.
        views: images rendered of one world, or taken from one posed folder.
        scenes: worlds of one set.
        long_side: of the images that are rendered, pixels; 0 for the world's own.
        seed: of cameras and of the choice of pairs.
    """

    pairs: int = 60
    views: int = 24
    scenes: int = 1
    long_side: int = 0
    seed: int = 0


def make_mirror(
    out: Path, folders: Sequence[str], posed: Mapping[str, Path], rules: MirrorRules, progress: Progress
) -> dict[str, list[TwoViewPair]]:
    """Make the sets that are not there yet, and the list of all pairs.

    Args:
        out: gets a folder per set, each whole or not at all, ``pairs.parquet`` and ``mirror.json``.
        folders: which sets, by ZEB's names of their folders.
        posed: set -> folder of posed images (``gim_data.bench.posed``) that is used instead of rendered worlds.
        rules: how much.
        progress: advanced by one per set.

    Returns:
        Set -> its pairs as read back.

    Raises:
        GimError: a set that ZEB does not have, posed images for one that is not made, one in ``out`` that was made by
            other rules, or one whose views share too little for a pair.
        BadInput: posed data that is not what it should be, or whose overlaps nobody knows.
    """
    strange = sorted({*folders, *posed} - set(MIRROR))
    if strange:
        raise GimError(f"ZEB has no data set {', '.join(strange)}", f"it has {', '.join(MIRROR)}")
    idle = sorted(posed.keys() - set(folders))
    if idle:
        raise GimError(f"posed images are given for {', '.join(idle)}, which is not made", f"add --set {idle[0]}")
    record_file = out / RECORD_FILE
    record = read_json(record_file) if record_file.is_file() else {}
    progress.start("data sets", len(folders))
    for name in folders:
        recipe = _recipe(name, posed.get(name), rules)
        if (out / name).exists() and record.get(name) != recipe:
            raise GimError(f"{out / name} was not made by these rules", "remove it, or make the benchmark elsewhere")
        if not (out / name).exists():
            write_json(record_file, record := {**record, name: recipe})
            _make_set(out / name, BY_FOLDER[name], posed.get(name), rules)
        progress.advance(1, name)
    made = {name: read_zeb(out / name) for name in sorted(record) if (out / name).is_dir()}
    listed = {name: {bare_identifier(p.identifier): p.overlap for p in pairs} for name, pairs in made.items()}
    write_frozen(out / LIST_FILE, listed)
    return made


def worlds(folder: str, rules: MirrorRules) -> list[SyntheticSpec]:
    """The worlds that are rendered for a set, all of the pool that nothing is trained on."""
    spec = SyntheticSpec.parse(f"{MIRROR[folder]}&pool=eval")
    scale = rules.long_side / max(spec.size) if rules.long_side else 1.0
    width, height = (max(_SIDE, 2 * round(scale * side / 2)) for side in spec.size)
    changes = [{"seed": spec.seed + _NEXT_SCENE * n, "width": width, "height": height} for n in range(rules.scenes)]
    return [SyntheticSpec.model_validate({**spec.model_dump(), **change}) for change in changes]


def _recipe(folder: str, posed: Path | None, rules: MirrorRules) -> str:
    source = [str(w) for w in worlds(folder, rules)] if posed is None else fingerprint(_source(posed))
    return digest_of([source, asdict(rules)])


def _source(posed: Path) -> PairSource:
    return PairSource(posed.name, "posed", str(posed))


def _make_set(target: Path, row: ZebSet, posed: Path | None, rules: MirrorRules) -> None:
    """Fill a folder beside the target and rename it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{row.folder}.", dir=target.parent) as work:
        pairs = _rendered(row, rules, Path(work)) if posed is None else _drawn(posed, rules)
        write_zeb(Path(work) / "out", [place(pair) for pair in pairs], separator=row.separator)
        (Path(work) / "out").chmod(0o755)
        os.replace(Path(work) / "out", target)
        shutil.rmtree(Path(work) / "rendered", ignore_errors=True)


def _rendered(row: ZebSet, rules: MirrorRules, work: Path) -> list[TwoViewPair]:
    pairs: list[TwoViewPair] = []
    for n, spec in enumerate(worlds(row.folder, rules)):
        rng = np.random.default_rng([rules.seed, spec.seed])
        source = PairSource(f"world{n:03d}", SYNTHETIC, str(spec))
        count = -(-(rules.pairs - len(pairs)) // (rules.scenes - n))
        pairs += render_pairs(source, work / "rendered", rng, images=rules.views, count=count)
    if not pairs:
        raise GimError(
            f"{row.folder}: no two of {rules.views} views of its worlds see enough of the same things",
            "raise --views, or --scenes",
        )
    return pairs


def _drawn(posed: Path, rules: MirrorRules) -> list[TwoViewPair]:
    pairs = draw_pairs(posed, PairRules(rules.pairs, rules.views), np.random.default_rng(rules.seed))
    if not pairs or any(np.isnan(pair.overlap) for pair in pairs):
        raise BadInput(
            f"{posed}: no pairs of known overlap",
            "give 'overlap' in pairs.json, or the cameras of all images in frames.json or cameras.json",
        )
    return pairs
