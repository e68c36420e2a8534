"""The images of a map: laid out upright in one folder, with what is known of the camera behind each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, ImageOps, UnidentifiedImageError
from PIL import Image as Pillow

from gim_data.bench.checks import load_image
from gim_data.errors import BadInput
from gim_data.files import atomic
from gim_data.stage import Progress, Silent
from gim_data.types import Image, Mask, Size
from gim_data.video.decode import DecodedFrame, fit, read_frames
from gim_data.video.probe import probe
from gim_data.video.sources import image_files, is_image_file

FEWEST = 3
"""Images that a map can be made of: of two COLMAP makes no model, however well they match."""
QUALITY = 95
_NEEDED = "a map needs three or more readable images"
_FILM_DIAGONAL = 43.2666  # mm, of the 36 x 24 mm that "35 mm equivalent" refers to
_UPRIGHT = 1  # EXIF's orientation of a picture that needs no turning


@dataclass(frozen=True)
class MapImage:
    """One image of a map.

    Attributes:
        name: file name, unique in its map.
        path: the upright picture.
        size: (width, height) in pixels.
        focal: focal length in pixels from EXIF, or None where the file does not say.
        device: maker, model and focal length in mm from EXIF, "" where unknown; tells two cameras of one size apart.
        mask: file whose pixels above zero may be matched, or None for all.
    """

    name: str
    path: Path
    size: Size
    focal: float | None = None
    device: str = ""
    mask: Path | None = None

    @property
    def camera_group(self) -> tuple[Size, float | None, str]:
        """Images with equal groups share one camera: the same size, EXIF focal length (to a pixel) and device."""
        return self.size, None if self.focal is None else float(round(self.focal)), self.device

    def pixels(self) -> Image:
        """(H, W, 3) uint8 RGB.

        Raises:
            BadInput: the file is gone or no longer decodes.
        """
        return load_image(self.path)

    def allowed(self) -> Mask | None:
        """(H, W) bool, True where matching is allowed, or None where everywhere is.

        Raises:
            BadInput: the mask does not decode or is of another size.
        """
        if self.mask is None:
            return None
        values = load_image(self.mask).max(axis=2)
        if values.shape != self.size[::-1]:
            raise BadInput(
                f"mask {self.mask} is {values.shape[1]}x{values.shape[0]}, its image {self.size[0]}x{self.size[1]}",
                "give masks of the size of their images; pixels above zero are kept",
            )
        return np.asarray(values > 0)


@dataclass(frozen=True)
class Gathered:
    """The images that can be used, and a line for each that cannot."""

    images: list[MapImage]
    notes: list[str]


def gather(
    source: Path,
    out: Path,
    *,
    masks: Path | None,
    frames: int,
    every: int = 1,
    progress: Progress | None = None,
) -> Gathered:
    """Lay the images of a folder, or frames of a video, out in ``out``.

    Files that need no turning are linked, those that EXIF turns are copied upright: everything later, COLMAP and
    viewers included, sees the pixels that were matched.

    Args:
        source: folder of images (or one that holds ``images/``), or a video file.
        out: folder for links, copies and frames.
        masks: folder with ``<name>.png`` or ``<stem>.png`` per image, or None; an image without one is used whole.
        frames: how many frames of a video are taken, evenly over its time.
        every: of these images or frames, every so many-th is used, from the first.
        progress: where to report.

    Raises:
        BadInput: nothing there, fewer than three usable images, masks of which none belongs to an image, or ``out`` is
            the folder of the images itself.
    """
    progress = progress or Silent()
    folder = photo_folder(source)
    for place in (out, out.parent):
        keep_apart(folder, place)
    out.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        found, notes = _lay_out(folder, out, every, progress)
    elif is_image_file(source):
        raise BadInput(f"{source} is one photo; {_NEEDED}", "name the folder that holds it and others, or a video")
    elif source.is_file():
        found, notes = _sample(source, out, frames, every, progress), []
    else:
        raise BadInput(f"{source} does not exist", "name a folder of images or a video file")
    if len(found) < FEWEST:
        why = "; ".join(notes[:3]) or f"it holds {len(found)}"
        raise BadInput(f"{source}: {_NEEDED} ({why})", "add images of the same scene")
    return Gathered(found, notes) if masks is None else _masked(found, notes, masks)


def describe(path: Path, name: str) -> MapImage:
    """One upright image file as a ``MapImage``; of most formats only the header is read.

    Raises:
        BadInput: it is no image, or a damaged one.
    """
    with _opened(path) as picture, _telling(path):
        return MapImage(name, path, picture.size, _exif_focal(picture), _device(picture))


def photo_folder(source: Path) -> Path:
    """Where the images of a source lie: in ``images/``, where there is one."""
    return source / "images" if (source / "images").is_dir() else source


def keep_apart(folder: Path, out: Path) -> None:
    """Refuse to write into the folder of the photos themselves, which would be written over.

    Raises:
        BadInput: so it is.
    """
    if folder.resolve() == out.resolve():
        raise BadInput(
            f"{folder} holds the photos themselves, and the result would be written among them",
            "name another folder with --out",
        )


def _lay_out(folder: Path, out: Path, every: int, progress: Progress) -> tuple[list[MapImage], list[str]]:
    files = image_files(folder)[::every]
    progress.start("images", len(files))
    found, notes = [], []
    for path in files:
        try:
            found.append(place(path, out / path.name))
        except BadInput as error:
            notes.append(f"left out: {error.problem}")
        progress.advance(1, path.name)
    _drop_links(folder, out, {image.path for image in found})
    return found, notes


def _drop_links(folder: Path, out: Path, used: set[Path]) -> None:
    """Take away the links to other images of this folder that an earlier call made, and never a file."""
    for path in out.iterdir():
        if path not in used and path.is_symlink() and path.resolve().parent == folder.resolve():
            path.unlink()


def place(path: Path, target: Path) -> MapImage:
    """Link one image to ``target``, or copy it upright where EXIF turns it.

    Raises:
        BadInput: it is no image, or a damaged one.
    """
    with _opened(path) as picture:
        with _telling(path):
            turned = picture.getexif().get(ExifTags.Base.Orientation, _UPRIGHT) != _UPRIGHT
            size, focal, device = picture.size, _exif_focal(picture), _device(picture)
            picture.load()
        if turned:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
            size = upright.size
            with atomic(target) as temporary:
                upright.save(temporary, format=picture.format or "JPEG", quality=QUALITY)
    if not turned:
        _link(path, target)
    return MapImage(target.name, target, size, focal, device)


def _link(path: Path, target: Path) -> None:
    if target.exists() and target.samefile(path):
        return
    target.unlink(missing_ok=True)
    try:
        target.symlink_to(os.path.relpath(path.resolve(), target.parent.resolve()))
    except OSError:  # a file system without links
        shutil.copyfile(path, target)


def _sample(video: Path, out: Path, count: int, every: int, progress: Progress) -> list[MapImage]:
    info = probe(video)
    wanted = np.linspace(0, max(0.0, info.duration - 1 / max(info.fps, 1e-6)), min(count, info.frames))[::every]
    progress.start(f"frames of {video.name}", len(wanted))
    images = []
    for number, frame in enumerate(_at(read_frames(video), wanted)):
        target = out / f"{number:05d}.jpg"
        with atomic(target) as temporary:
            Pillow.fromarray(frame.image()).save(temporary, format="JPEG", quality=QUALITY)
        images.append(MapImage(target.name, target, fit(frame.size, None)))
        progress.advance(1, target.name)
    return images


def _at(frames: Iterator[DecodedFrame], times: NDArray[np.float64]) -> Iterator[DecodedFrame]:
    """The first frame at or after each of the increasing times."""
    rest = iter(times.tolist())
    due = next(rest, None)
    for frame in frames:
        if due is None:
            return
        if frame.time >= due - 1e-6:
            yield frame
            while due is not None and due <= frame.time + 1e-6:
                due = next(rest, None)


def _masked(images: list[MapImage], notes: list[str], masks: Path) -> Gathered:
    with_masks = [replace(image, mask=_mask_of(image.name, masks)) for image in images]
    bare = [image.name for image in with_masks if image.mask is None]
    if len(bare) == len(images):
        raise BadInput(
            f"{masks} holds no mask for any image, such as {bare[0]}.png or {Path(bare[0]).stem}.png",
            "name masks after their images",
        )
    return Gathered(with_masks, [*notes, *(f"no mask: {name}" for name in bare)])


def _mask_of(name: str, masks: Path) -> Path | None:
    files = (masks / f"{name}.png", masks / f"{Path(name).stem}.png", masks / name)
    return next((path for path in files if path.is_file()), None)


def _opened(path: Path) -> Pillow.Image:
    try:
        return Pillow.open(path)
    except (OSError, UnidentifiedImageError, Pillow.DecompressionBombError) as error:
        raise BadInput(f"{path} is no readable image: {error}", "replace it, or take it away") from None


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Say which image is damaged; to ask a PNG for its EXIF reads all of it."""
    try:
        yield
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInput(f"{path} is damaged: {error}", "replace it") from None


def _exif_focal(picture: Pillow.Image) -> float | None:
    """Focal length in pixels from the 35 mm equivalent, which is defined over the diagonal."""
    exif = picture.getexif().get_ifd(ExifTags.IFD.Exif)
    try:
        equivalent = float(exif.get(ExifTags.Base.FocalLengthIn35mmFilm) or 0)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    diagonal = float(np.hypot(*picture.size))
    return equivalent / _FILM_DIAGONAL * diagonal if 1 <= equivalent < 2000 else None


def _device(picture: Pillow.Image) -> str:
    """Maker, model and focal length: a zoom lens is another camera at another length, 35 mm equivalent or not."""
    exif = picture.getexif()
    words = [str(exif.get(tag, "")).strip("\0 ") for tag in (ExifTags.Base.Make, ExifTags.Base.Model)]
    length = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLength)
    words.append(f"{length} mm" if length else "")
    return " ".join(word for word in words if word)
