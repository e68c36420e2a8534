"""Pictures to bytes and back."""

import numpy as np
import pytest

from gim_data.pixels import decode, encode_jpeg


def test_colours_survive_in_their_order() -> None:
    image = np.zeros((32, 48, 3), np.uint8)
    image[:, :16], image[:, 16:32], image[:, 32:] = (200, 30, 30), (30, 200, 30), (30, 30, 200)
    back = decode(encode_jpeg(image, 95))
    assert back is not None
    assert back.shape == image.shape
    for x in (8, 24, 40):
        assert np.abs(back[16, x].astype(int) - image[16, x]).max() < 8


@pytest.mark.parametrize("damage", [b"", b"no picture", encode_jpeg(np.zeros((8, 8, 3), np.uint8), 90)[:40]])
def test_damaged_bytes_are_no_picture(damage: bytes) -> None:
    assert decode(damage) is None


def test_a_picture_too_wide_for_jpeg_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold an image of shape"):
        encode_jpeg(np.zeros((2, 70_000, 3), np.uint8), 90)
