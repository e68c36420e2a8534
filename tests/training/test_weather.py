"""Weather and compression: they change what is seen, not where; recipes without them do not know that they exist."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_pairs import STILL, Planted, PlantedExact, texture

from gim_data.files import digest_of
from gim_models.training.augment import augment, compress
from gim_models.training.config import AugmentConfig, TrainConfig
from gim_models.training.sample import collate
from gim_models.training.weather import VEILS, fog, rain, snow, weather

SIZE = (96, 128)
ALWAYS = AugmentConfig(weather=1.0)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), veil=st.sampled_from(VEILS))
def test_a_veil_covers_a_share_of_every_pixel_and_never_all_of_it(seed, veil):
    share = veil(SIZE, seeded(seed))
    assert share.shape == (1, *SIZE)
    assert float(share.min()) >= 0
    assert 0.01 < float(share.max()) <= 0.75


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_weather_blends_pixel_by_pixel_and_moves_nothing(seed):
    """Under the same weather the difference of two images shrinks by the veil, each pixel's by its own: no neighbour
    gets a part of it."""
    light = torch.full((1, 3, *SIZE), 0.5)
    spot = light.clone()
    spot[..., 40, 60] = 0.9
    changed = weather(spot, ALWAYS, seeded(seed)) - weather(light, ALWAYS, seeded(seed))
    assert 0.24 * 0.4 <= float(changed[0, 0, 40, 60]) <= 0.4001
    changed[..., 40, 60] = 0
    assert (changed == 0).all()


def test_fog_is_smooth_rain_falls_and_snow_is_round():
    """By how fast a veil changes downwards and to the right: hardly at all; along streaks less; both alike."""

    def roughness(veil):
        shares = [veil(SIZE, seeded(seed)) for seed in range(6)]
        return [float(torch.stack([share.diff(dim=d).abs().mean() for share in shares]).mean()) for d in (1, 2)]

    down, right = roughness(rain)
    assert down < 0.7 * right
    assert max(roughness(fog)) < 0.1 * min(roughness(snow))
    down, right = roughness(snow)
    assert 0.9 < down / right < 1.1


def test_the_share_of_images_with_weather_is_the_probability():
    images = torch.full((300, 3, 16, 24), 0.3)
    changed = (weather(images, AugmentConfig(weather=0.4), seeded(0)) != images).flatten(1).any(1)
    assert abs(float(changed.float().mean()) - 0.4) < 0.08


@pytest.mark.parametrize("quality", [20, 50, 85])
def test_jpeg_is_that_of_opencv_at_the_same_quality(quality, monkeypatch):
    """Both lose the same: their errors are as large, and they are nearer to each other than to the image."""
    monkeypatch.setattr("gim_models.training.augment._QUALITY", (quality, quality))
    image = cv2.GaussianBlur(texture(3), (0, 0), 1.0)
    stored = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    theirs = cv2.imdecode(stored, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) / 255
    given_ = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]
    ours = compress(given_, AugmentConfig(jpeg=1.0), seeded(0))[0].permute(1, 2, 0).numpy()
    original = image / 255
    lost, apart = (np.sqrt(np.mean((a - ours) ** 2)) for a in (original, theirs))
    assert 0.8 < lost / np.sqrt(np.mean((original - theirs) ** 2)) < 1.25
    assert apart < 0.6 * lost


def test_only_chosen_images_are_compressed_and_a_flat_one_stays_as_it_is():
    images = torch.rand(40, 3, 16, 16, generator=seeded(1))
    changed = (compress(images, AugmentConfig(jpeg=0.5), seeded(0)) != images).flatten(1).any(1)
    assert 10 < int(changed.sum()) < 30
    flat = torch.full((1, 3, 32, 32), 0.5)
    assert torch.allclose(compress(flat, AugmentConfig(jpeg=1.0), seeded(0)), flat, atol=0.02)


@pytest.mark.parametrize("planted", [Planted(), PlantedExact()])
def test_labels_and_masks_are_those_without_weather_and_compression(planted):
    batch = collate([planted.pair(0), planted.pair(1)])
    moved = STILL.model_copy(update={"geometric": 1.0, "occlusion": 0.5})
    spoiled = moved.model_copy(update={"weather": 1.0, "jpeg": 1.0})
    clean, seen = augment(batch, moved, seeded(5)), augment(batch, spoiled, seeded(5))
    assert torch.equal(clean.H, seen.H)
    assert torch.equal(clean.allowed, seen.allowed)
    assert torch.equal(clean.foreign, seen.foreign)
    assert float((clean.images - seen.images).abs().mean()) > 0.02
    assert float(seen.images.min()) >= 0
    assert float(seen.images.max()) <= 1


def test_a_recipe_without_them_has_the_digest_and_the_random_numbers_it_had_before_they_existed():
    older = {
        "zoom": [0.8, 1.3], "geometric": 0.7, "perspective": 0.15, "rotation": 15.0, "photometric": 0.5,
        "dark": 0.25, "blur": 0.15, "occlusion": 0.4, "noise": 0.02,
    }  # fmt: skip
    assert digest_of(TrainConfig().model_dump(mode="json")["augment"]) == digest_of(older)
    assert AugmentConfig(jpeg=0.2).model_dump() == AugmentConfig().model_dump() | {"jpeg": 0.2}
    images = torch.rand(2, 3, 16, 16)
    generator = seeded(3)
    before = generator.get_state()
    assert compress(weather(images, AugmentConfig(), generator), AugmentConfig(), generator) is images
    assert torch.equal(generator.get_state(), before)


def test_a_recipe_with_them_survives_being_written_down():
    config = AugmentConfig(weather=0.3, jpeg=0.1)
    assert AugmentConfig.model_validate(config.model_dump(mode="json")) == config
