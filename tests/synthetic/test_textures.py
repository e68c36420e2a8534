import inspect

import numpy as np
import pytest

from gim_data.synthetic import patterns
from gim_data.synthetic.atlas import Atlas
from gim_data.synthetic.spec import POOLS, SyntheticSpec
from gim_data.synthetic.textures import PHOTOGRAPHS, TexturePool, read_photograph

KINDS = ["plaster", "stones", "bricks", "planks", "asphalt", "tiles", "leaves", "foliage", "soil", "poster", "pane"]
KINDS += ["carpet", "metal"]


def test_no_photograph_is_in_two_pools():
    files = [name for pool in POOLS for name in PHOTOGRAPHS[pool]]
    assert len(files) == len(set(files))


def test_every_photograph_is_shipped_and_no_two_are_the_same_picture():
    images = [read_photograph(name) for pool in POOLS for name in PHOTOGRAPHS[pool]]
    assert len({image.tobytes() for image in images}) == len(images)


def test_equal_seeds_in_different_pools_give_different_streams():
    draws = [
        SyntheticSpec(scene=scene, seed=seed, pool=pool).rng(purpose).integers(2**63)
        for scene in ("street", "room")
        for seed in (0, 1)
        for pool in POOLS
        for purpose in ("textures", "path")
    ]
    assert len(set(draws)) == len(draws)


@pytest.mark.parametrize("kind", KINDS)
def test_patterns_are_deterministic_and_textured_everywhere(kind):
    first, again, other = (TexturePool("train", 256).pattern(kind, np.random.default_rng(s)) for s in (1, 1, 2))
    assert first.shape == (256, 256, 3)
    assert first.dtype == np.uint8
    assert (first == again).all()
    assert (first != other).any()
    blocks = first.reshape(4, 64, 4, 64, 3).std(axis=(1, 3))
    assert blocks.max(-1).min() > 3


def test_every_pattern_is_tested():
    makers = {name for name, f in inspect.getmembers(patterns, inspect.isfunction) if not name.startswith("_")}
    assert makers - {"octaves", "colour", "weathered"} == set(KINDS)


def test_atlas_returns_texel_centres_exactly():
    texture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    atlas = Atlas.build([np.zeros_like(texture), texture])
    rows, columns = np.array([0, 5, 63]), np.array([0, 60, 63])
    place = np.stack([(columns + 0.5) / 64, (rows + 0.5) / 64]).astype(np.float32)
    still = np.zeros((2, 3), np.float32)
    assert (texture[rows, columns] == atlas.sample(np.ones(3, np.int32), place, still, still).T).all()


def test_atlas_blurs_with_the_footprint_and_mirrors_outside():
    texture = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2)
    atlas = Atlas.build([texture])
    place = np.float32([[0.3], [0.6]])
    wide = np.eye(2, dtype=np.float32) / 8  # eight texels per pixel
    ids = np.zeros(1, np.int32)
    assert abs(atlas.sample(ids, place, wide[:, :1], wide[:, 1:])[0, 0] - 127.5) < 2
    tiny = np.eye(2, dtype=np.float32) / 640
    inside = atlas.sample(ids, place, tiny[:, :1], tiny[:, 1:])
    mirrored = atlas.sample(ids, np.float32([[-0.3], [2.6]]), tiny[:, :1], tiny[:, 1:])
    assert np.allclose(inside, mirrored, atol=1)
