"""Images as they are laid out: upright, with the camera that EXIF tells of, and video frames at even times."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags
from PIL import Image as Pillow

from gim_data.errors import BadInput
from gim_models.downstream.mapping.images import gather
from gim_models.downstream.mapping.reconstruct import plan_cameras

sys.path.insert(0, str(Path(__file__).parents[1] / "video"))
import clips


def photo(path, size, *, orientation=1, film=0, length=0, model=""):
    """A picture that is red on its left half, stored under EXIF tags."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2, 0] = 255
    exif = Pillow.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    if model:
        exif[ExifTags.Base.Model] = model
    if film:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = film
    if length:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLength] = length
    path.parent.mkdir(exist_ok=True)
    Pillow.fromarray(pixels).save(path, exif=exif, quality=95)


def test_one_camera_per_size_focal_length_and_device(tmp_path):
    folder = tmp_path / "in"
    photo(folder / "a.jpg", (90, 60), film=28, model="one")
    photo(folder / "b.jpg", (90, 60), film=28, model="one")
    photo(folder / "c.jpg", (90, 60), film=50, model="one")
    photo(folder / "d.jpg", (90, 60), film=28, model="two")
    photo(folder / "e.jpg", (60, 60))
    images = gather(folder, tmp_path / "out", masks=None, frames=9).images
    plan = plan_cameras(images, "SIMPLE_RADIAL")
    of = dict(zip(plan.names, plan.camera_of, strict=True))
    assert of["a.jpg"] == of["b.jpg"]
    assert len(plan.cameras) == len(set(of.values())) == 4
    diagonal = np.hypot(90, 60)
    assert plan.cameras[of["a.jpg"]].params[0] == pytest.approx(28 / np.hypot(36, 24) * diagonal, rel=1e-3)
    assert plan.cameras[of["a.jpg"]].known_focal
    assert plan.cameras[of["e.jpg"]].params[:3] == pytest.approx((72, 30, 30))
    assert not plan.cameras[of["e.jpg"]].known_focal


def test_a_zoom_lens_is_a_camera_at_every_length(tmp_path):
    """Without a 35 mm equivalent: the same body at 18, 55 and 18 mm."""
    for name, length in (("a", 18), ("b", 55), ("c", 18)):
        photo(tmp_path / "in" / f"{name}.jpg", (90, 60), length=length, model="one")
    plan = plan_cameras(gather(tmp_path / "in", tmp_path / "out", masks=None, frames=9).images, "SIMPLE_RADIAL")
    assert plan.camera_of[0] == plan.camera_of[2] != plan.camera_of[1]


def test_masks_that_belong_to_no_image_are_an_error_and_a_missing_one_is_noted(tmp_path):
    for name in "abc":
        photo(tmp_path / "in" / f"{name}.jpg", (90, 60))
    masks = tmp_path / "masks"
    photo(masks / "else.png", (90, 60))
    with pytest.raises(BadInput, match="holds no mask for any image"):
        gather(tmp_path / "in", tmp_path / "out", masks=masks, frames=9)
    photo(masks / "a.png", (90, 60))
    gathered = gather(tmp_path / "in", tmp_path / "out", masks=masks, frames=9)
    assert [image.mask and image.mask.name for image in gathered.images] == ["a.png", None, None]
    assert gathered.notes == ["no mask: b.jpg", "no mask: c.jpg"]


def test_thinning_drops_the_links_of_before_and_no_file(tmp_path):
    for name in "abcde":
        photo(tmp_path / "in" / f"{name}.jpg", (90, 60))
    gather(tmp_path / "in", tmp_path / "out", masks=None, frames=9)
    (tmp_path / "out" / "mine.txt").write_text("kept")
    gather(tmp_path / "in", tmp_path / "out", masks=None, frames=9, every=2)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg", "c.jpg", "e.jpg", "mine.txt"]


def test_photos_are_never_written_over(tmp_path):
    """A turned one would be replaced by its upright copy where the result goes to the folder of the photos."""
    photo(tmp_path / "in" / "plain.jpg", (90, 60))
    photo(tmp_path / "in" / "turned.jpg", (90, 60), orientation=6)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "images").symlink_to(tmp_path / "in")
    before = {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    for source, out in (("in", "in"), ("set", "set/images"), ("set", "in"), ("in", "set/images"), ("in", "in/images")):
        with pytest.raises(BadInput, match="holds the photos themselves"):
            gather(tmp_path / source, tmp_path / out, masks=None, frames=9)
    assert {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()} == before


def test_a_turned_photo_is_laid_out_upright_and_others_are_linked(tmp_path):
    photo(tmp_path / "in" / "turned.jpg", (90, 60), orientation=6)
    photo(tmp_path / "in" / "plain.jpg", (90, 60))
    photo(tmp_path / "in" / "third.jpg", (90, 60))
    plain, third, turned = gather(tmp_path / "in", tmp_path / "out", masks=None, frames=9).images
    assert turned.size == (60, 90)
    red = turned.pixels()[..., 0]
    assert red.shape == (90, 60)
    assert red[:40].mean() > 200 > 50 > red[50:].mean()
    assert plain.path.samefile(tmp_path / "in" / "plain.jpg")
    again = gather(tmp_path / "in", tmp_path / "out", masks=None, frames=9).images
    assert again == [plain, third, turned]


def test_frames_of_a_video_are_taken_evenly(tmp_path):
    clip = clips.write(tmp_path / "walk.mp4", clips.pan(1, 50, step=1, size=(160, 120), grain=12))
    images = gather(clip, tmp_path / "out", masks=None, frames=6).images
    assert [image.name for image in images] == [f"{i:05d}.jpg" for i in range(6)]
    assert {image.size for image in images} == {(160, 120)}
    assert {image.pixels().shape for image in images} == {(120, 160, 3)}
    few = gather(clip, tmp_path / "all", masks=None, frames=500).images
    assert len(few) == 50


def test_a_mask_of_another_size_is_told(tmp_path):
    photo(tmp_path / "in" / "a.jpg", (90, 60))
    photo(tmp_path / "in" / "b.jpg", (90, 60))
    photo(tmp_path / "in" / "c.jpg", (90, 60))
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks" / "a.png"), np.full((60, 80), 255, np.uint8))
    cv2.imwrite(str(tmp_path / "masks" / "b.jpg.png"), np.eye(60, 90, dtype=np.uint8))
    first, second, _ = gather(tmp_path / "in", tmp_path / "out", masks=tmp_path / "masks", frames=9).images
    with pytest.raises(BadInput, match=r"80x60.*90x60"):
        first.allowed()
    assert np.array_equal(second.allowed(), np.eye(60, 90, dtype=bool))


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        gather(tmp_path / "nothing", tmp_path / "out", masks=None, frames=9)
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(BadInput, match="video"):
        gather(tmp_path / "text.mp4", tmp_path / "out", masks=None, frames=9)
