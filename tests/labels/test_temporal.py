"""Points followed through films whose motion is known."""

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from gim_data.errors import GimError
from gim_data.files import write_json
from gim_data.labels.config import LabelsConfig
from gim_data.labels.store import LabelStore
from gim_data.stage import Job
from gim_data.video.framestore import FrameStore, StoredFrame, write_frames
from gim_data.video.moments import Moment, moments_of
from gim_models.labelling import make_matches
from gim_models.registry import open_matcher, open_teacher
from gim_models.stages import matches_upstream
from gim_models.teachers.klt import Klt

sys.path.insert(0, str(Path(__file__).parents[1] / "video"))
import clips

SIZE = (320, 240)
EVERY = 4  # pictures from a sampled frame to the next


def motion(k):
    """(3, 3) what takes pixels of picture 0 to picture k: a shift, a turn, a scale, a tilt."""
    turn = cv2.getRotationMatrix2D((160, 120), 0.3 * k, 1.004**k)
    turn[:, 2] += (1.37 * k, -0.61 * k)
    tilted = np.vstack([turn, [0, 0, 1]])
    tilted[2, 0] = 2e-6 * k
    return tilted


def at(points, H):
    return cv2.perspectiveTransform(points[None].astype(np.float64), H)[0]


def film(count, *, occluder=False, size=SIZE):
    """Pictures of a plane that moves by ``motion``; an occluder flies over it from left to right."""
    plane, block = clips.texture(1, size, grain=9), clips.texture(2, (90, 120), grain=9)
    for k in range(count):
        image = cv2.warpPerspective(plane, motion(k), size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        if occluder:
            left = -60 + 14 * k
            shown = slice(max(0, left), left + 90)
            image[60:180, shown] = block[:, max(0, -left) :]
        yield Moment(image, 0, k // EVERY if k % EVERY == 0 else None)


def followed(moments, pairs, teacher=None, keypoints=400):
    return dict((teacher or Klt()).follow(moments, pairs, keypoints))


def between(a, b):
    return motion(EVERY * b) @ np.linalg.inv(motion(EVERY * a))


def errors(matches, a, b):
    return np.linalg.norm(at(matches.keypoints0, between(a, b)) - matches.keypoints1, axis=1)


def test_points_are_followed_to_a_fraction_of_a_pixel():
    pairs = [(a, b) for b in range(4) for a in range(b)]
    found = followed(film(3 * EVERY + 1), pairs)
    assert sorted(found) == sorted(pairs)
    for (a, b), matches in found.items():
        off = errors(matches, a, b)
        assert len(matches) > 250
        assert np.median(off) < 0.1 * (b - a)  # what drifts adds up
        assert np.mean(off < 0.5) > 0.98
        assert ((matches.confidence >= 0) & (matches.confidence <= 1)).all()


def test_a_point_has_one_place_in_a_frame_whatever_the_pair():
    found = followed(film(2 * EVERY + 1), [(0, 1), (0, 2), (1, 2)])
    first = {
        tuple(end): tuple(start) for start, end in zip(found[0, 1].keypoints0, found[0, 1].keypoints1, strict=True)
    }
    direct = {tuple(a): tuple(b) for a, b in zip(found[0, 2].keypoints0, found[0, 2].keypoints1, strict=True)}
    onward = [
        (first[tuple(a)], tuple(b))
        for a, b in zip(found[1, 2].keypoints0, found[1, 2].keypoints1, strict=True)
        if tuple(a) in first
    ]
    assert len(onward) > 200
    assert all(direct[start] == end for start, end in onward)


def test_forward_and_backward_rejects_what_an_occluder_took_along():
    moments = list(film(3 * EVERY + 1, occluder=True))
    wrong = {}
    for name, teacher in {"checked": Klt(), "not": replace(Klt(), home_px=1e9, direct_px=1e9)}.items():
        for (a, b), matches in followed(moments, [(0, 1), (1, 2), (2, 3)], teacher).items():
            start = -60 + 14 * EVERY * a
            x, y = matches.keypoints0.T
            plane = (x < start - 12) | (x > start + 90 + 12) | (y < 48) | (y > 192)
            wrong.setdefault(name, []).append(np.mean(errors(matches.select(plane), a, b) > 1))
    assert np.mean(wrong["not"]) > 0.05  # the occluder does take some along
    assert np.mean(wrong["checked"]) < 0.01


def test_no_point_goes_over_a_shot_border():
    moments = [replace(moment, shot=k // EVERY) for k, moment in enumerate(film(2 * EVERY))]
    found = followed(moments, [(0, 1)])  # the picture goes on as if nothing had been
    assert len(found[0, 1]) == 0


def test_a_long_way_is_checked_in_parts(monkeypatch):
    monkeypatch.setattr("gim_models.teachers.klt._LONGEST", 3)
    moments = [replace(moment, frame={0: 0, 12: 1}.get(k)) for k, moment in enumerate(film(13))]
    matches = followed(moments, [(0, 1)])[0, 1]
    off = np.linalg.norm(at(matches.keypoints0, motion(12)) - matches.keypoints1, axis=1)
    assert len(matches) > 250
    assert np.median(off) < 0.3
    assert np.mean(off < 0.5) > 0.97


def test_a_blank_film_has_no_points():
    blank = [Moment(np.full((64, 96, 3), 128, np.uint8), 0, k) for k in range(3)]
    assert [len(matches) for matches in followed(blank, [(0, 1), (0, 2)]).values()] == [0, 0]


def unit(folder, images, times, rows, shots):
    """A video with the frame store of some of its pictures."""
    (folder / "videos").mkdir()
    (folder / "frames").mkdir()
    path = clips.write(folder / "videos" / "video.mp4", images, times)
    write_json(folder / "videos" / "sidecar.json", {"file": "video.mp4"})
    stored = [
        StoredFrame(round(times[row] * 12_800) / 12_800, shot, images[row])
        for row, shot in zip(rows, shots, strict=True)
    ]
    write_frames(folder / "frames", stored, source_size=(images[0].shape[1], images[0].shape[0]))
    return path, FrameStore.open(folder / "frames")


def test_every_picture_of_a_shot_is_decoded_once_at_its_true_time(tmp_path: Path):
    times = [0.0, 0.04, 0.09, 0.2, 0.25, 0.3, 0.5, 0.55, 0.6, 0.7]
    path, frames = unit(tmp_path, clips.coded(10), times, [1, 4, 6, 8], [0, 0, 1, 1])
    moments = list(moments_of(path, frames))
    assert [moment.frame for moment in moments] == [0, None, None, 1, 2, None, 3]
    assert [moment.shot for moment in moments] == [0, 0, 0, 0, 1, 1, 1]
    shown = [round((float(moment.image[:, :40].mean()) - 40) / 4) for moment in moments]
    assert shown == [1, 2, 3, 4, 6, 7, 8]


def test_frames_of_another_video_are_an_error_that_says_what_to_do(tmp_path: Path):
    path, frames = unit(tmp_path, clips.coded(6), [i / 25 for i in range(6)], [0, 3], [0, 0])
    other = replace(frames, times=frames.times + 0.013)
    with pytest.raises(GimError, match=r"(?s)video\.mp4 shows nothing at 0\.01.*gim run frames"):
        list(moments_of(path, other))


def test_the_stage_labels_with_klt_and_reads_the_video_for_it_alone(tmp_path: Path):
    images = clips.pan(3, 17, step=2.0, size=(192, 128), grain=8)
    unit(tmp_path, images, [i / 25 for i in range(17)], [0, 4, 8, 12, 16], [0] * 5)
    config = LabelsConfig(teachers=("klt",), skips=(0.16, 0.32))
    inputs = {"frames": {"v": tmp_path / "frames"}, "videos": {"v": tmp_path / "videos"}}
    out = tmp_path / "out"
    out.mkdir()
    summary = make_matches(Job("matches", "v", out, out, inputs, {"labels": config}, tmp_path, 0, "digest"))
    assert summary["teachers"]["klt"]["pairs"] == 4 + 3
    for skip, apart in ((0.16, 1), (0.32, 2)):
        store = LabelStore.open(out / f"klt-s{skip:.3f}-p1.parquet")
        assert store.meta.sparse
        for label in store.labels():
            moved = label.points1 - label.points0
            assert len(label) > 50
            assert np.mean(np.abs(moved - (-8.0 * apart, 0)).max(axis=1) < 0.3) > 0.97
    assert matches_upstream("v", "videos", ["v"], {"labels": config}) == ["v"]
    assert matches_upstream("v", "videos", ["v"], {"labels": LabelsConfig(teachers=("rootsift",))}) == []
    assert matches_upstream("v", "frames", ["v"], {"labels": LabelsConfig(teachers=("rootsift",))}) == ["v"]


def test_klt_is_a_teacher_and_no_matcher():
    assert open_teacher("klt").name == "klt"
    assert open_teacher("rootsift").name == "rootsift"
    with pytest.raises(GimError, match="cannot match two images"):
        open_matcher("klt")
