"""COLMAP's own SIFT as a baseline: it sees the pixels and masks that another matcher sees, whatever the files are."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pillow
from planted_room import SIZE, Room
from scipy.ndimage import map_coordinates

from gim_data.bench.checks import load_image
from gim_data.errors import BadInput
from gim_data.stage import Silent
from gim_models.downstream.mapping.copies import write_copies
from gim_models.downstream.mapping.images import MapImage
from gim_models.downstream.mapping.reconstruct import MapOptions, reconstruct, reconstruct_by_sift
from gim_models.teachers.rootsift import RootSift

CELL = 0.1  # metres of the room per grain of its texture
LEFT = 120  # columns that masks leave out


def view(room, camera):
    """(H, W, 3) picture of the room with a random texture fixed to its surfaces."""
    grains = np.random.default_rng(0).uniform(0, 255, (64, 64, 64, 3))
    pixels = np.stack(np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1])), -1).reshape(-1, 2)
    at = (room.surface(camera, pixels) / CELL).T
    shown = [map_coordinates(grains[..., c], at, order=1, mode="grid-wrap") for c in range(3)]
    return np.stack(shown, -1).reshape(*SIZE[::-1], 3).astype(np.uint8)


@pytest.fixture
def photos(tmp_path):
    """Six WebP files with blanks in their names; a mask for the first, black on its left."""
    room, folder = Room(), tmp_path / "in"
    folder.mkdir()
    for row in range(6):
        Pillow.fromarray(view(room, row)).save(folder / f"my photo {row}.webp", lossless=True)
    mask = np.full(SIZE[::-1], 255, np.uint8)
    mask[:, :LEFT] = 0
    (tmp_path / "masks").mkdir()
    Pillow.fromarray(mask).save(tmp_path / "masks" / "my photo 0.png")
    return folder


def test_webp_blanks_and_masks_reach_colmap(photos, tmp_path):
    """All are placed under their own names, in colour; only the first, whose mask says so, has nothing on its left."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    options = MapOptions("colmap-sift", masks=tmp_path / "masks", threads=1)
    found = reconstruct_by_sift(photos, tmp_path / "out", None, options, Silent()).found
    assert found is not None
    assert sorted(found.views) == [f"my photo {row}.webp" for row in range(6)]
    left = {name: view.keypoints[:, 0].min() for name, view in found.views.items()}
    assert left.pop("my photo 0.webp") > LEFT - 1
    assert max(left.values()) < LEFT / 2
    assert found.colours.mean() > 50


def test_a_copy_holds_the_pixels_and_a_mask_is_black_where_nothing_is_matched(photos, tmp_path):
    names = [f"my photo {row}.webp" for row in (0, 1)]
    images = [MapImage(name, photos / name, SIZE) for name in names]
    images[0] = MapImage(names[0], photos / names[0], SIZE, mask=tmp_path / "masks" / "my photo 0.png")
    copies = write_copies(images, tmp_path / "copies", Silent())
    for name, image in zip(copies.names, images, strict=True):
        assert np.array_equal(load_image(copies.images / name), image.pixels())
    kept, whole = (load_image(copies.masks / f"{name}.png") for name in copies.names)
    assert (kept[:, :LEFT].max(), kept[:, LEFT:].min(), whole.min()) == (0, 255, 255)
    assert write_copies(images[1:], tmp_path / "bare", Silent()).masks is None
    Pillow.new("L", (9, 9)).save(tmp_path / "masks" / "my photo 0.png")
    with pytest.raises(BadInput, match=r"mask .* is 9x9"):
        write_copies(images, tmp_path / "copies", Silent())


def test_points_have_the_colours_of_the_pixels_that_see_them(photos, tmp_path):
    """WebP too, which COLMAP itself would leave black."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    found = reconstruct(photos, tmp_path / "out", RootSift(), MapOptions("rootsift", threads=1), Silent()).found
    assert found is not None
    seen: dict[int, list[np.ndarray]] = {}
    for name, shown in found.views.items():
        picture = load_image(photos / name)
        for point, (x, y) in zip(shown.points, shown.keypoints.round().astype(int), strict=True):
            if point >= 0:
                seen.setdefault(int(point), []).append(picture[y, x])
    assert sorted(seen) == list(range(len(found.points)))
    means = np.array([np.mean(seen[row], axis=0) for row in range(len(found.points))])
    assert np.abs(means - found.colours).max() <= 0.5
