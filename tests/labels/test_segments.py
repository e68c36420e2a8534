"""What must not be matched: masks from a segmenter, and teachers that are given them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx_by_hand import write_classifier
from skimage import data

from gim_data.errors import GimError
from gim_data.labels.config import LabelsConfig, SegmenterConfig
from gim_data.labels.engine import label_video
from gim_data.labels.movers import NO_MOVERS, Movers
from gim_data.labels.outside import outside
from gim_data.labels.segments import SegmentedMasks, class_numbers, shown_size
from gim_data.labels.store import LabelStore
from gim_data.labels.temporal import label_film, sampled_only
from gim_data.masks import EVERYWHERE, permitted
from gim_data.stage import Job, Silent
from gim_data.types import Matches
from gim_data.video.framestore import StoredFrame, write_frames
from gim_models.labelling import make_matches
from gim_models.mask_gallery import mask_gallery
from gim_models.segmenters import open_masks, open_segmenter
from gim_models.teachers.klt import Klt
from gim_models.teachers.rootsift import RootSift

SIZE = (320, 240)
COLOURS = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
BLUE = (20, 40, 235)


class Video:
    """A camera that slides over a photograph, under a sky of a blue that is nowhere else."""

    def __init__(self, frames=4, step=6):
        photo = cv2.resize(data.astronaut(), None, fx=1.5, fy=1.5)[100:]
        self.images = [photo[: SIZE[1], 20 + i * step : 20 + i * step + SIZE[0]].copy() for i in range(frames)]
        for image in self.images:
            image[self.sky()] = BLUE
        self.times, self.shots, self.size = np.arange(frames) / 3, np.zeros(frames, np.int32), SIZE

    @staticmethod
    def sky():
        """(H, W) bool, a wavy band along the upper border."""
        x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
        return y < 70 + 25 * np.sin(x / 18)

    def __len__(self):
        return len(self.images)

    def image(self, index):
        return self.images[index]


class Disc:
    """Masks that forbid a disc in the middle of every frame, coarse as models' verdicts are."""

    def allowed(self, frame):
        coarse = cv2.circle(np.ones((SIZE[1] // 10, SIZE[0] // 10), np.uint8), (16, 12), 6, 0, -1)
        return cv2.resize(coarse, SIZE, interpolation=cv2.INTER_NEAREST) > 0


def near_border(points, mask, reach=4):
    """(N,) bool, the points within ``reach`` pixels of what the mask forbids."""
    away = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    x, y = np.round(points).astype(int).T
    return away[y.clip(0, SIZE[1] - 1), x.clip(0, SIZE[0] - 1)] <= reach


def sky_model(folder, size=("h", "w")):
    """A segmenter by colour: much more blue than red is sky, much more red than blue a person."""
    path = write_classifier(folder / "model.onnx", [[0, 0, 0], [-1, 0, 1], [1, 0, -1]], [0.6, 0, 0], size)
    path.with_suffix(".txt").write_text("ground\nSky\nperson\n")
    return path


def config_of(**values):
    return SegmenterConfig.model_validate({"model": "onnx:model.onnx", "classes": ["sky"], **COLOURS, **values})


def test_an_onnx_model_marks_the_sky(tmp_path: Path):
    sky_model(tmp_path)
    video = Video()
    masks = open_masks(video, LabelsConfig(segmenter=config_of(size=SIZE, grow_px=0)), tmp_path)
    assert isinstance(masks, SegmentedMasks)
    np.testing.assert_array_equal(masks.allowed(2), ~video.sky())
    assert masks.share() == pytest.approx(video.sky().mean())
    grown = open_masks(video, LabelsConfig(segmenter=config_of(size=SIZE, grow_px=3)), tmp_path).allowed(2)
    ground_near_sky = near_border(np.argwhere(~video.sky())[:, ::-1], ~video.sky(), 3)
    assert not grown[~video.sky()][near_border(np.argwhere(~video.sky())[:, ::-1], ~video.sky(), 2)].any()
    assert grown.sum() >= (~video.sky()).sum() - 2 * ground_near_sky.sum()


def test_a_model_sees_a_smaller_picture_and_its_mask_fits_the_frame(tmp_path: Path):
    sky_model(tmp_path)
    video = Video()
    allowed = open_masks(video, LabelsConfig(segmenter=config_of(size=(160, 96), grow_px=0)), tmp_path).allowed(0)
    assert allowed.shape == (SIZE[1], SIZE[0])
    assert np.mean(allowed == ~video.sky()) > 0.97
    assert shown_size((1920, 1080)) == (512, 288)
    assert shown_size((480, 640)) == (384, 512)


def test_classes_by_name_in_any_case_or_by_number():
    names = ["ground", "Sky", "person"]
    assert class_numbers(["SKY", "person"], names) == [1, 2]
    assert class_numbers(["7"], []) == [7]
    with pytest.raises(GimError, match=r"(?s)no class 'car'.*ground, Sky, person"):
        class_numbers(["car"], names)


def test_models_that_cannot_be_used_are_named(tmp_path: Path):
    for model, message in (
        ("onnx:nowhere.onnx", r"nowhere\.onnx is not there"),
        ("torch:model", "is no segmenter"),
        ("onnx:", "is no segmenter"),
    ):
        with pytest.raises(GimError, match=message):
            open_segmenter(config_of(model=model), tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"no protocol buffer")
    with pytest.raises(GimError, match=r"broken\.onnx"):
        open_segmenter(config_of(model="onnx:broken.onnx"), tmp_path).classify(Video().image(0))


def test_no_keypoint_hugs_the_border_of_a_mask():
    """Neither more keypoints near the border than without a mask, nor others: painting it over makes many."""
    image, mask = Video().image(0), Disc().allowed(0)
    free = RootSift(most=1000).extract(image).keypoints
    free = free[permitted(free, mask)]
    given = RootSift(most=1000).extract(image, mask).keypoints
    painted = RootSift(most=1000).extract(np.where(mask[..., None], image, 0).astype(np.uint8)).keypoints
    painted = painted[permitted(painted, mask)]
    np.testing.assert_array_equal(given, free)
    hugging = [near_border(points, mask).mean() for points in (free, given, painted)]
    assert hugging[1] <= hugging[0]
    assert hugging[2] > 1.5 * hugging[0]  # so the measure does see such corners


@pytest.mark.parametrize("teacher", ["rootsift", "klt"])
def test_masked_labels_are_those_of_the_whole_picture_less_the_masked(teacher):
    video, config = Video(), LabelsConfig(keypoints=2000)
    mask = Disc().allowed(0)
    found = {}
    for name, given in (("free", {}), ("masked", {"masks": Disc()})):
        if teacher == "klt":
            found[name] = label_film(video, sampled_only(video), Klt(), config, Silent(), **given)
        else:
            found[name] = label_video(video, RootSift(most=2000), config, Silent(), **given)
    for free, masked in zip(found["free"].sets[0].raw, found["masked"].sets[0].raw, strict=True):
        allowed = permitted(free.keypoints0, mask) & permitted(free.keypoints1, mask)
        expected = {(*a, *b) for a, b in zip(free.keypoints0[allowed], free.keypoints1[allowed], strict=True)}
        got = {(*a, *b) for a, b in zip(masked.keypoints0, masked.keypoints1, strict=True)}
        assert len(got) > 100
        assert permitted(masked.keypoints0, mask).all()
        assert permitted(masked.keypoints1, mask).all()
        assert len(expected - got) <= 0.02 * len(expected)  # some lose to a neighbour that is no rival any more
        ends = [near_border(points, mask).mean() for points in (free.keypoints0[allowed], masked.keypoints0)]
        assert ends[1] <= ends[0] + 0.01


def test_a_dense_matcher_sees_whole_pictures():
    class Dense:
        name = "dense"

        def match(self, image0, image1, mask0=None, mask1=None):
            assert mask0 is None
            assert mask1 is None
            grid = np.stack(np.meshgrid(np.arange(0, 320, 8), np.arange(0, 240, 8)), -1).reshape(-1, 2)
            points = grid.astype(np.float32)
            return Matches(points, points - np.float32([6, 0]), np.ones(len(points), np.float32), SIZE, SIZE)

    [raw, *_] = label_video(Video(), Dense(), LabelsConfig(), Silent(), masks=Disc()).sets[0].raw
    assert 0 < len(raw) < 40 * 30
    assert permitted(raw.keypoints0, Disc().allowed(0)).all()
    assert permitted(raw.keypoints1, Disc().allowed(0)).all()


def test_the_stage_leaves_the_sky_out_and_its_digest_knows_the_model(tmp_path: Path):
    path, video = sky_model(tmp_path), Video()
    frames, out = tmp_path / "frames", tmp_path / "out"
    frames.mkdir()
    out.mkdir()
    stored = (StoredFrame(t, 0, image) for t, image in zip(video.times.tolist(), video.images, strict=True))
    write_frames(frames, stored, source_size=SIZE)
    params = {"labels": LabelsConfig(teachers=("rootsift",), skips=(1 / 3,), segmenter=config_of(size=SIZE))}
    job = Job("matches", "v", out, out, {"frames": {"v": frames}}, params, tmp_path, 0, "digest")
    summary = make_matches(job)
    assert summary["masked_share"] == pytest.approx(video.sky().mean(), abs=0.01)
    assert "masks.jpg" in summary["figures"]
    for label in LabelStore.open(out / "rootsift-s0.333-p1.parquet").labels():
        assert len(label) > 30
        assert permitted(label.points0, ~video.sky()).all()
    before = outside("v", params, tmp_path)
    path.with_suffix(".txt").write_text("a\nsky\nb\n")
    assert before is not None
    assert outside("v", params, tmp_path) != before
    assert outside("v", {"labels": LabelsConfig()}, tmp_path) is None
    path.unlink()
    with pytest.raises(GimError, match=r"model\.onnx is not there"):
        outside("v", params, tmp_path)


def test_the_gallery_tints_what_is_left_out():
    video = Video()
    cells = np.zeros((15, 20), bool)
    cells[12, 10] = True  # pixels 160 to 175, 192 to 207
    movers = Movers(16, {1: cells, 3: cells})
    shown = mask_gallery(video, Disc(), movers)
    assert shown is not None
    assert shown.shape[1] == 1280
    assert mask_gallery(video, EVERYWHERE, NO_MOVERS) is None
    scale = 640 / SIZE[0]
    for frame, left in ((1, 0), (3, 640)):
        for (x, y), colour in (((160, 120), (235, 60, 50)), ((168, 200), (50, 90, 240)), ((40, 200), None)):
            piece = np.s_[y - 3 : y + 4, x - 3 : x + 4]
            expected = video.image(frame)[piece].mean(axis=(0, 1))
            expected = expected if colour is None else (expected + colour) / 2
            top, left_side = int((y - 3) * scale), int(left + (x - 3) * scale)
            got = shown[top : top + int(7 * scale), left_side : left_side + int(7 * scale)].mean(axis=(0, 1))
            assert np.abs(got - expected).max() < 12


def test_a_model_of_transformers(tmp_path: Path):
    """A tiny SegFormer with random weights, saved and opened again by its folder."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    names = {0: "ground", 1: "sky", 2: "car"}
    shape = {"hidden_sizes": [8, 8, 8, 8], "depths": [1] * 4, "num_attention_heads": [1] * 4, "decoder_hidden_size": 8}
    tiny = transformers.SegformerConfig(id2label=names, label2id={v: k for k, v in names.items()}, **shape)
    model = transformers.SegformerForSemanticSegmentation(tiny)
    model.save_pretrained(tmp_path / "segformer")
    segmenter = open_segmenter(config_of(model="transformers:segformer"), tmp_path)
    assert list(segmenter.classes) == list(names.values())
    found = segmenter.classify(Video().image(0))
    assert found.shape == (384 // 4, 512 // 4)
    assert set(np.unique(found)) <= set(names)
    assert outside("v", {"labels": LabelsConfig(segmenter=config_of(model="transformers:segformer"))}, tmp_path)
    with pytest.raises(GimError, match="cannot load"):
        open_segmenter(config_of(model=f"transformers:{tmp_path / 'empty'}"), tmp_path)
