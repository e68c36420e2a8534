"""Is an unpacked benchmark the released one? Counts, pairs, overlaps, images and cameras, data set by data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gim_data.bench.checks import damages, image_size
from gim_data.bench.frozen import FrozenPairs, bare_identifier
from gim_data.bench.names import ZEB, ZebSet
from gim_data.bench.zeb import named_images, read_pair
from gim_data.errors import BadInput
from gim_data.stage import Progress
from gim_data.types import TwoViewPair

SOURCE = "https://github.com/xuelunshen/gim links the archives, under 'ZEB'; unpack them with 'gim zeb unpack'"
_OFF = 0.1  # of a side: KITTI's drives and ETH3D's cameras differ by less
_TOLERANCE = 1e-4  # of an overlap: the frozen list is rounded, and so may the pair files be


@dataclass(frozen=True)
class SetFindings:
    """What was found of one data set.

    Attributes:
        name: as the dumps call it.
        folder: in which it was looked for.
        expected: pairs on the frozen list.
        pairs: pair files that are sound.
        images: image files that these name.
        missing: identifiers on the list without a sound pair file.
        extra: identifiers of pair files that the list does not have.
        overlaps: identifiers whose overlap is not the list's.
        problems: what is wrong with files, one text each.
        sizes: what is unusual about the images' sizes, or "": worth a look, but no fault, since the published sizes are
            rounded.
    """

    name: str
    folder: Path
    expected: int
    pairs: int
    images: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    overlaps: tuple[str, ...]
    problems: tuple[str, ...]
    sizes: str = ""

    @property
    def sound(self) -> bool:
        """Whether it is the released data set, all of it and nothing else."""
        return not (self.missing or self.extra or self.overlaps or self.problems)


def check_zeb(root: Path, frozen: FrozenPairs, progress: Progress) -> list[SetFindings]:
    """Check every data set that the list names.

    Args:
        root: the folder of the data sets' folders.
        frozen: the pairs there must be.
        progress: advanced by one per pair file.
    """
    sets = [row for row in ZEB if row.folder in frozen]
    progress.start("pair files", sum(row.pairs for row in sets))
    return [check_set(root / row.folder, row, frozen[row.folder], progress) for row in sets]


def check_set(folder: Path, row: ZebSet, frozen: Mapping[str, float], progress: Progress) -> SetFindings:
    """Check one data set; a wrong file is a finding, not an end."""
    pairs: dict[str, TwoViewPair] = {}
    read: list[tuple[Path, TwoViewPair]] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*.txt")):
        try:
            pair = read_pair(path)
        except BadInput as error:
            problems.append(error.problem)
        else:
            read.append((path, pair))
            if pairs.setdefault(bare_identifier(pair.identifier), pair) is not pair:
                problems.append(f"{path}, line 1, name0: {pair.identifier} appears twice")
        progress.advance(1, row.dump)
    named = named_images(read)
    return SetFindings(
        row.dump,
        folder,
        len(frozen),
        len(pairs),
        len(named),
        tuple(sorted(frozen.keys() - pairs.keys())),
        tuple(sorted(pairs.keys() - frozen.keys())),
        tuple(sorted(i for i in frozen.keys() & pairs.keys() if not _agree(pairs[i].overlap, frozen[i]))),
        (*problems, *damages(named)),
        unusual_sizes(named, row),
    )


def unusual_sizes(images: Iterable[Path], row: ZebSet) -> str:
    """How many images have sides that are a tenth off the data set's usual ones, and one of them; or ""."""
    sizes = {path: image_size(path) for path in images}
    strange = [
        path for path, size in sizes.items() if any(abs(a / b - 1) > _OFF for a, b in zip(size, row.size, strict=True))
    ]
    if not strange:
        return ""
    (width, height), usual = sizes[strange[0]], "x".join(map(str, row.size))
    return f"{len(strange)} of {len(sizes)} images are not about {usual}: {strange[0].name} is {width}x{height}"


def _agree(found: float, listed: float) -> bool:
    """NaN (unknown) does not agree."""
    return abs(found - listed) <= _TOLERANCE
