"""Which pairs are matched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gim_data.errors import BadInput
from gim_models.downstream.mapping.pairing import exhaustive, lookalikes, read_pairs, sequential, with_loops
from gim_models.downstream.mapping.retrieval import learn_vocabulary

NAMES = ["a.jpg", "b.jpg", "with blank.jpg"]


@given(st.integers(2, 70), st.integers(1, 8))
@settings(max_examples=25, deadline=None)
def test_sequential_pairs_are_neighbours_and_powers_of_two(count, window):
    pairs = sequential(count, window=window)
    assert len(set(pairs)) == len(pairs)
    for i, j in pairs:
        assert 0 <= i < j < count
        assert j - i <= window or (j - i).bit_count() == 1
    assert {(i, i + 1) for i in range(count - 1)} <= set(pairs)


def test_exhaustive_is_everything():
    assert len(exhaustive(6)) == 15


def test_a_loop_is_closed():
    """A walk around a circle that ends where it began: the last image looks like the first."""
    angle = np.linspace(0, 2 * np.pi, 41)
    vectors = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
    assert (0, 40) in with_loops(vectors)
    assert (0, 40) not in sequential(41)


def test_lookalikes_leave_out_the_image_itself():
    vectors = np.eye(4, dtype=np.float32)[[0, 1, 0, 1]]
    assert lookalikes(vectors, 1) == [(0, 2), (1, 3)]


def test_images_of_one_place_have_near_vectors():
    """Two places with words of their own: each image's nearest neighbour shows its own place."""
    generator = np.random.default_rng(0)
    places = generator.normal(size=(2, 12, 8)) * 3
    images = [
        (places[row % 2][generator.integers(0, 12, 150)] + generator.normal(0, 0.2, (150, 8))).astype(np.float32)
        for row in range(6)
    ]
    vocabulary = learn_vocabulary(images, len(images), words=16)
    vectors = np.stack([vocabulary.describe(image) for image in images])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert all((i - j) % 2 == 0 for i, j in lookalikes(vectors, 2))


def test_images_without_features_are_described_by_zeros():
    vocabulary = learn_vocabulary([np.zeros((0, 8), np.float32)], 1)
    assert not vocabulary.describe(np.zeros((0, 8), np.float32)).any()


def test_a_list_of_pairs(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("# mine\na.jpg b.jpg\nb.jpg, with blank.jpg\nwith blank.jpg\ta.jpg  # again\nb.jpg a.jpg\n")
    assert read_pairs(path, NAMES) == [(0, 1), (0, 2), (1, 2)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a.jpg", "line 1"),
        ("a.jpg b.jpg\na.jpg c.jpg", "line 2.*'c.jpg'"),
        ("a.jpg a.jpg", "itself"),
        ("# nothing", "lists no pair"),
    ],
)
def test_a_wrong_list_is_told_by_line(tmp_path, text, told):
    path = tmp_path / "pairs.txt"
    path.write_text(text)
    with pytest.raises(BadInput, match=told):
        read_pairs(path, NAMES)
