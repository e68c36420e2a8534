"""The engine on videos whose motion is known, with RootSIFT as the teacher."""

from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
from skimage import data

from gim_data.errors import GimError
from gim_data.labels.config import LabelsConfig
from gim_data.labels.engine import label_video, strongest
from gim_data.stage import Silent
from gim_data.types import Features, Matches, SparseMatcher
from gim_models.registry import matcher_names, open_matcher
from gim_models.teachers.rootsift import RootSift, mutual_ratio_matches, root_sift


@dataclass
class Video:
    images: list
    times: np.ndarray
    shots: np.ndarray

    @property
    def size(self):
        return self.images[0].shape[1], self.images[0].shape[0]

    def __len__(self):
        return len(self.images)

    def image(self, index):
        return self.images[index]


@dataclass
class Counting(RootSift):
    extracted: list = field(default_factory=list)

    def extract(self, image, mask=None):
        self.extracted.append(id(image))
        return super().extract(image, mask)


def panning(frames, step=6.0, size=(320, 240), logo=False):
    """A camera that slides over a photograph: frame i shows it ``i * step`` pixels further right."""
    photo = cv2.resize(data.astronaut(), None, fx=1.5, fy=1.5)
    images = []
    for i in range(frames):
        shift = np.array([[1, 0, -20 - i * step], [0, 1, -100]], float)
        image = cv2.warpAffine(photo, shift, size)
        if logo:
            cv2.putText(image, "GIM 24", (230, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 0), 2)
            cv2.rectangle(image, (225, 8), (315, 36), (255, 0, 0), 2)
        images.append(image)
    return Video(images, np.arange(frames) / 3, np.zeros(frames, np.int32))


def test_labels_follow_the_motion_and_features_are_extracted_once():
    video, matcher = panning(8), Counting(most=600)
    found = label_video(video, matcher, LabelsConfig(), Silent())
    assert isinstance(matcher, SparseMatcher)
    assert len(matcher.extracted) == len(set(matcher.extracted)) == 8
    assert [len(part.labels) for part in found.sets] == [7, 6, 4]
    for part in found.sets:
        for label, note in zip(part.labels, part.notes, strict=True):
            moved = label.points1 - label.points0
            expected = -6.0 * (label.frame1 - label.frame0)
            assert len(label) >= 16
            assert note.text == "ok"
            assert np.mean(np.abs(moved - (expected, 0)).max(axis=1) < 1) > 0.97


def test_a_logo_does_not_stay_in_the_labels():
    config = LabelsConfig()
    labels = label_video(panning(10, logo=True), RootSift(most=800), config, Silent())
    assert labels.overlay.any()
    for label in labels.sets[0].labels:
        assert np.mean(np.abs(label.points1 - label.points0).max(axis=1) < 1) < 0.02


def test_a_standing_camera_is_labelled_and_noted():
    found = label_video(panning(6, step=0.0), RootSift(most=600), LabelsConfig(), Silent())
    assert not found.overlay.any()
    for part in found.sets:
        assert all(note.text == "static" for note in part.notes)
        assert all(len(label) > 50 for label in part.labels)


def test_empty_results_are_recorded_with_a_reason():
    blank = Video([np.full((240, 320, 3), 128, np.uint8)] * 4, np.arange(4) / 3, np.zeros(4, np.int32))
    found = label_video(blank, RootSift(), LabelsConfig(), Silent())
    assert [len(label) for label in found.sets[0].labels] == [0, 0, 0]
    assert all("0 matches" in note.text for note in found.sets[0].notes)


def test_dense_matchers_and_points_outside_the_frame():
    class Dense:
        name = "dense"

        def match(self, image0, image1, mask0=None, mask1=None):
            rng = np.random.default_rng(0)
            points0 = (rng.random((200, 2)) * (300, 220)).astype(np.float32)
            points1 = points0 + np.float32(3)
            points1[:20] = 1000
            points1[20:30] = np.nan
            return Matches(points0, points1, np.ones(200, np.float32), (320, 240), (320, 240))

    found = label_video(panning(3), Dense(), LabelsConfig(), Silent())
    assert all(len(label) == 170 for label in found.sets[0].labels)


def test_the_same_video_gives_the_same_labels():
    first, second = (label_video(panning(4), RootSift(most=500), LabelsConfig(), Silent()) for _ in range(2))
    for a, b in zip(first.sets[0].labels, second.sets[0].labels, strict=True):
        np.testing.assert_array_equal(a.points1, b.points1)


def test_strongest_keeps_the_order():
    features = Features(
        np.arange(8, dtype=np.float32).reshape(4, 2),
        np.eye(4, dtype=np.float32),
        np.array([0.1, 0.9, 0.5, 0.7], np.float32),
        (9, 9),
        {"scale": np.arange(4)},
    )
    kept = strongest(features, 2)
    assert kept.extra is not None
    assert kept.keypoints[:, 0].tolist() == [2, 6]
    assert kept.extra["scale"].tolist() == [1, 3]
    assert strongest(features, 4) is features


def naive_matches(a, b, ratio):
    distance = np.sqrt(np.maximum(2 - 2 * a @ b.T, 0))
    pairs = []
    for i, row in enumerate(distance):
        j, second = np.argsort(row, kind="stable")[:2]
        if distance[:, j].argmin() == i and row[j] < ratio * row[second]:
            pairs.append((i, j))
    return pairs


@pytest.mark.parametrize(("n", "m"), [(0, 5), (5, 1), (50, 70), (3000, 40)])
def test_matching_equals_its_naive_twin(n, m):
    rng = np.random.default_rng(0)
    b = root_sift(rng.random((m, 128)).astype(np.float32))
    a = root_sift(np.abs(b[rng.integers(0, m, n)] ** 2 + rng.normal(0, 0.002, (n, 128)))).astype(np.float32)
    index0, index1, _ = mutual_ratio_matches(a, b, ratio=0.8)
    expected = naive_matches(a, b, 0.8) if n and m > 1 else []
    assert list(zip(index0.tolist(), index1.tolist(), strict=True)) == expected


def test_of_equal_descriptors_only_the_first_is_matched():
    b = np.eye(100, 128, dtype=np.float32)  # whose products are exact
    index0, index1, _ = mutual_ratio_matches(np.tile(b[::-1], (12, 1)), b, ratio=0.8)
    assert index0.tolist() == index1[::-1].tolist() == list(range(100))


def test_masked_places_have_no_keypoints_and_no_new_corners():
    image = data.astronaut()
    mask = np.ones(image.shape[:2], bool)
    mask[:, 256:] = False
    free, masked = RootSift().extract(image), RootSift().extract(image, mask)
    assert masked.keypoints[:, 0].max() < 256
    everywhere = {tuple(point) for point in free.keypoints.tolist()}
    assert all(tuple(point) in everywhere for point in masked.keypoints.tolist())


def test_unknown_matchers_are_named_with_the_known_ones():
    with pytest.raises(GimError, match="'sift'") as caught:
        open_matcher("sift")
    assert all(name in caught.value.remedy for name in matcher_names())
    assert open_matcher("rootsift").name == "rootsift"
