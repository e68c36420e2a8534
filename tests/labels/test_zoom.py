"""The second pass: where a view's pixels lie in the frame, and that matches come back from it exactly."""

from typing import ClassVar

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from gim_data.labels.config import LabelsConfig, ZoomConfig
from gim_data.labels.engine import label_video
from gim_data.labels.zoom import view_of, zoom_video
from gim_data.masks import EVERYWHERE
from gim_data.stage import Silent
from gim_data.types import Matches
from gim_models.teachers.rootsift import RootSift

SIZE = (320, 240)
SIDE = st.floats(-0.5, 319.5, width=32)
CONFIG = LabelsConfig(skips=(1.0,))


class Two:
    """A video of two frames a second apart."""

    times, shots = np.array([0.0, 1.0]), np.zeros(2, np.int32)

    def __init__(self, image0, image1):
        self.images = [image0, image1]
        self.size = image0.shape[1], image0.shape[0]

    def __len__(self):
        return 2

    def image(self, index):
        return self.images[index]


def warped(matrix):
    """A photograph, and the same under a homography of its pixels."""
    photo = cv2.resize(data.astronaut(), SIZE, interpolation=cv2.INTER_AREA)
    return Two(photo, cv2.warpPerspective(photo, matrix, SIZE))


def zoomed_of(video, matcher, firsts, least=1.2, masks=EVERYWHERE):
    """The one set of the second pass over a video, from the first passes ``firsts``."""
    labels = [label for first in firsts for part in first.sets for label in part.labels]
    overlay = firsts[0].overlay
    return zoom_video(video, matcher, labels, overlay, CONFIG, ZoomConfig(least=least), Silent(), masks=masks).sets[0]


def errors(label, matrix):
    there = cv2.perspectiveTransform(label.points0[None].astype(np.float64), matrix)[0]
    return np.linalg.norm(there - label.points1, axis=1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(SIDE, SIDE.map(lambda y: y * 0.75)), min_size=1, max_size=9))
def test_a_view_is_a_piece_of_the_frame_that_holds_the_points(places):
    points = np.array(places, np.float32)
    view = view_of(points, SIZE)
    assert view.left >= 0
    assert view.top >= 0
    assert view.left + view.width <= SIZE[0]
    assert view.top + view.height <= SIZE[1]
    inside = points.clip(0, np.subtract(SIZE, 1))
    assert (inside >= (view.left, view.top)).all()
    assert (inside <= (view.left + view.width - 1, view.top + view.height - 1)).all()
    assert all(side % 8 == 0 and 8 <= side <= most for side, most in zip(view.size, SIZE, strict=True))
    edges = np.array([[-0.5, -0.5], np.subtract(view.size, 0.5)], np.float32)
    expected = [[view.left - 0.5, view.top - 0.5], [view.left + view.width - 0.5, view.top + view.height - 0.5]]
    np.testing.assert_allclose(view.to_frame(edges), expected, atol=1e-4)


def test_a_view_shows_what_lies_where_it_says():
    """On a ramp the brightness of a pixel is its place, also between pixels."""
    across, down = np.meshgrid(np.arange(SIZE[0], dtype=np.float32), np.arange(SIZE[1], dtype=np.float32))
    view = view_of(np.array([[40.3, 50.2], [120.8, 90.1]], np.float32), SIZE)
    assert view.magnification > 3
    x, y = np.meshgrid(np.arange(8, view.size[0] - 8), np.arange(8, view.size[1] - 8))
    places = view.to_frame(np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32))
    for axis, ramp in enumerate((across, down)):
        shown = view.show(ramp)[y.ravel(), x.ravel()]
        np.testing.assert_allclose(shown, places[:, axis], atol=0.02)  # OpenCV weighs in 1/32 of a pixel


@pytest.mark.parametrize(
    "matrix",
    [
        [[0.5, 0, 90], [0, 0.5, 60], [0, 0, 1]],
        [[0.55, -0.1, 120], [0.1, 0.5, 30], [2e-4, 1e-4, 1]],
        [[1, 0, 170], [0, 1, 120], [0, 0, 1]],
    ],
)
def test_matches_come_back_from_both_views_where_the_homography_says(matrix):
    matrix = np.array(matrix, np.float64)
    video, matcher = warped(matrix), RootSift(most=600)
    first = label_video(video, matcher, CONFIG, Silent())
    zoomed = zoomed_of(video, matcher, [first]).labels[0]
    assert len(zoomed) > len(first.sets[0].labels[0])
    assert np.median(errors(zoomed, matrix)) < 0.3
    assert np.mean(errors(zoomed, matrix) < 1) > 0.95


class Told:
    """Answers with fixed pixels of the view, and remembers what it was shown."""

    name = "told"

    def __init__(self):
        self.shown = []

    def match(self, image0, image1, mask0=None, mask1=None):
        self.shown.append((image0.shape, image1.shape, mask0, mask1))
        points = np.random.default_rng(0).uniform(0, 100, (40, 2)).astype(np.float32)
        sizes = [(image.shape[1], image.shape[0]) for image in (image0, image1)]
        return Matches(points, points, np.ones(40, np.float32), *sizes)


class Left:
    """Masks that allow what lies left of an edge."""

    def __init__(self, edge):
        self.edge = edge

    def allowed(self, frame):
        mask = np.zeros((SIZE[1], SIZE[0]), bool)
        mask[:, : self.edge] = True
        return mask


class Extracting(RootSift):
    """Remembers which masks it was given."""

    masks: ClassVar[list] = []

    def extract(self, image, mask=None):
        self.masks.append((image.shape[:2], mask))
        return super().extract(image, mask)


def test_masks_are_cut_like_the_frames():
    video = warped(np.array([[0.5, 0, 90], [0, 0.5, 60], [0, 0, 1]]))
    first = label_video(video, RootSift(most=600), CONFIG, Silent())
    [label] = zoomed_of(video, Extracting(most=600), [first], masks=Left(160)).labels
    assert len(label) > 16
    assert label.points0[:, 0].max() < 160
    assert label.points1[:, 0].max() < 160
    for shape, mask in Extracting.masks:
        assert mask.shape == shape
    assert 0 < Extracting.masks[1][1].mean() < 1


def test_what_a_dense_matcher_finds_under_a_mask_is_dropped_afterwards():
    video = warped(np.array([[0.5, 0, 90], [0, 0.5, 60], [0, 0, 1]]))
    first = label_video(video, RootSift(most=600), CONFIG, Silent())
    told = Told()
    part = zoomed_of(video, told, [first], masks=Left(130))
    assert told.shown[0][2:] == (None, None)  # it looks at whole pictures
    assert 0 < len(part.raw[0]) < 40
    assert max(part.raw[0].keypoints0[:, 0].max(), part.raw[0].keypoints1[:, 0].max()) < 130


def test_why_there_was_no_second_look():
    same = warped(np.eye(3))
    first = label_video(same, RootSift(most=600), CONFIG, Silent())
    told = Told()
    whole = zoomed_of(same, told, [first], least=1.5)
    assert (len(whole.labels[0]), whole.notes[0].text) == (0, "neither view would be magnified 1.5 times")
    blank = Two(*[np.full((240, 320, 3), 128, np.uint8)] * 2)
    nothing = label_video(blank, RootSift(), CONFIG, Silent())
    unseen = zoomed_of(blank, told, [nothing])
    assert unseen.notes[0].text == "the first pass found no co-visible region"
    assert not told.shown


def test_a_region_that_one_teacher_saw_is_looked_at_by_another():
    video = warped(np.array([[0.5, 0, 90], [0, 0.5, 60], [0, 0, 1]]))
    blank = label_video(Two(*[np.full((240, 320, 3), 128, np.uint8)] * 2), RootSift(), CONFIG, Silent())
    seen = label_video(video, RootSift(most=600), CONFIG, Silent())
    told = Told()
    zoomed_of(video, told, [blank, seen])
    assert len(told.shown) == 1


def test_labels_made_before_there_was_a_second_pass_stay_current():
    assert "zoom" not in LabelsConfig().model_dump(mode="json")
    assert LabelsConfig(zoom=ZoomConfig()).model_dump(mode="json")["zoom"] == {"least": 1.2}
