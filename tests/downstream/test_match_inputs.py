"""What a user names becomes pairs of upright images, or an error that says what to do."""

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from planted_views import wall

from gim_data.errors import BadInput, GimError
from gim_models.downstream.inputs import pair_images, read_photo, two_inputs


@pytest.fixture
def folders(tmp_path):
    for side, names in (("day", ("10", "2", "1")), ("night", ("a", "b", "c"))):
        (tmp_path / side).mkdir()
        for name in names:
            cv2.imwrite(str(tmp_path / side / f"{name}.png"), np.zeros((40, 60, 3), np.uint8))
    return tmp_path


def test_folders_are_paired_in_natural_order(folders):
    pairs = pair_images(str(folders / "day"), str(folders / "night"))
    assert [(p.path0.stem, p.path1.stem) for p in pairs] == [("1", "a"), ("2", "b"), ("10", "c")]
    assert [p.name for p in pairs] == ["0000-1-a", "0001-2-b", "0002-10-c"]


def test_a_glob_and_a_folder(folders):
    pairs = pair_images(str(folders / "day" / "1*.png"), str(folders / "night" / "[ab].png"))
    assert [(p.path0.stem, p.path1.stem) for p in pairs] == [("1", "a"), ("10", "b")]


def test_a_glob_is_in_natural_order_too(folders):
    pairs = pair_images(str(folders / "day" / "*.png"), str(folders / "night"))
    assert [p.path0.stem for p in pairs] == ["1", "2", "10"]


def test_two_files_are_one_pair_without_a_number(folders):
    (pair,) = pair_images(str(folders / "day" / "2.png"), str(folders / "night" / "b.png"))
    assert pair.name == "2-b"


def test_unequal_sides(folders):
    with pytest.raises(GimError, match=r"holds 2 image.*holds 3"):
        pair_images(str(folders / "day" / "1*.png"), str(folders / "night"))


@pytest.mark.parametrize(("given", "problem"), [(["a"], "only one input"), (["a", "b", "c"], "3 inputs")])
def test_not_two_inputs(given, problem):
    with pytest.raises(GimError, match=problem):
        two_inputs(given)


def test_nothing_there(tmp_path):
    with pytest.raises(GimError, match="no image at"):
        pair_images(str(tmp_path), str(tmp_path / "*.png"))


def test_a_file_that_is_no_image(tmp_path):
    path = tmp_path / "torn.jpg"
    path.write_bytes(cv2.imencode(".jpg", wall())[1].tobytes()[:40])
    with pytest.raises(BadInput, match=r"torn\.jpg does not decode"):
        read_photo(path)


@pytest.mark.parametrize("share", [1 / 3, 0.95])
def test_a_photo_that_was_not_copied_to_its_end(tmp_path, share):
    """OpenCV fills the rest with grey and says nothing: matches of that would be matches of a made-up picture."""
    whole, cut = tmp_path / "whole.jpg", tmp_path / "cut.jpg"
    cv2.imwrite(str(whole), wall())
    cut.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    assert read_photo(whole).shape == cv2.imread(str(cut)).shape
    with pytest.raises(BadInput, match=r"cut\.jpg does not decode"):
        read_photo(cut)


def test_a_tiny_image(tmp_path):
    path = tmp_path / "dot.png"
    cv2.imwrite(str(path), np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(BadInput, match="1x1"):
        read_photo(path)


def test_a_phone_picture_is_turned_upright(tmp_path):
    upright = wall(size=(64, 96))
    exif = Pillow.Exif()
    exif[0x0112] = 6  # stored on its side: turn clockwise to view
    path = tmp_path / "phone.png"
    Pillow.fromarray(np.rot90(upright).copy()).save(path, exif=exif)
    np.testing.assert_array_equal(read_photo(path), upright)


def test_a_grey_picture_has_three_channels(tmp_path):
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), wall()[..., 0])
    assert read_photo(path).shape == (240, 320, 3)
