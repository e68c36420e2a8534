"""Whatever the user lists becomes units with safe keys, and one bad entry hides no other."""

from __future__ import annotations

import json
import re

import clips
import cv2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gim_data.errors import GimError
from gim_data.params import read_params
from gim_data.video.config import BUILT_IN, AcquireConfig, CorpusConfig
from gim_data.video.sources import image_files, outside, resolve, sequence_fps, video_keys


def kinds(root, *videos):
    return [(s.kind, s.spec) for s in resolve(CorpusConfig(videos=videos), root)]


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def test_every_way_to_name_a_video(tmp_path):
    touch(
        tmp_path, "walk.mp4", "a/clip.avi", "seq/images/0.jpg", "seq/images/1.jpg", "seq/depth/0.png", "seq/depth/1.png"
    )
    given_specs = [
        ("Od-rKbC30TM", "site"),
        ("aqz-KE-bpKQ#sha256=" + "0" * 64, "site"),
        ("https://vimeo.com/76979871", "site"),
        ("http://host/film.mp4?token=1", "http"),
        ("walk.mp4", "file"),
        (str(tmp_path / "a" / "clip.avi"), "file"),
        ("seq", "images"),
        ("synthetic:street?seed=1&seconds=2", "synthetic"),
        ("nowhere.mp4", "missing"),
        ("ftp://host/film.mp4", "missing"),
        ("file:///etc/passwd", "missing"),
    ]
    found = resolve(CorpusConfig(videos=[spec for spec, _ in given_specs]), tmp_path)
    assert [s.kind for s in found] == [kind for _, kind in given_specs]
    assert found[8].problem.startswith("nowhere.mp4 does not exist")


def test_folders_are_searched_and_globs_expanded(tmp_path):
    touch(
        tmp_path, "v/b/clip.MP4", "v/a.webm", "v/notes.txt", "v/.hidden.mp4", "v/c/x/2.png", "v/c/x/10.png", "other.mkv"
    )
    whole = [("file", "v/a.webm"), ("file", "v/b/clip.MP4"), ("images", "v/c/x")]
    assert kinds(tmp_path, "v") == whole
    assert kinds(tmp_path, "v/") == whole
    assert kinds(tmp_path, "v/*.webm") == [("file", "v/a.webm")]
    assert kinds(tmp_path, "**/*.m*") == [("file", "other.mkv"), ("file", "v/b/clip.MP4")] or kinds(
        tmp_path, "**/*.m*"
    ) == [("file", "other.mkv")]  # glob is as case-sensitive as the file system
    assert kinds(tmp_path, "v/*.mov")[0][0] == "missing"
    (tmp_path / "empty").mkdir()
    assert kinds(tmp_path, "empty") == [("missing", "empty")]


@pytest.mark.parametrize("spec", [".", "**/*.mp4", "../ws", "list.txt"])
def test_the_copies_that_the_workspace_made_are_no_videos(tmp_path, spec):
    root = tmp_path / "ws"
    touch(root, "walk.mp4", "data/videos/walk-1/video.mp4", "data/.work/videos/walk-1/0/out/video.mp4")
    touch(root, *[f"data/report/{i}.png" for i in range(3)])
    (root / "list.txt").write_text(".\n")
    [source] = resolve(CorpusConfig(videos=[spec]), root)
    assert source.path.resolve() == root / "walk.mp4"


def test_a_folder_of_copies_alone_says_so_and_one_file_asked_for_by_name_is_given(tmp_path):
    touch(tmp_path, "data/videos/walk-1/video.mp4")
    [source] = resolve(CorpusConfig(videos="data/videos"), tmp_path)
    assert "besides what the workspace made" in source.problem
    assert kinds(tmp_path, "data/videos/walk-1/video.mp4") == [("file", "data/videos/walk-1/video.mp4")]


@pytest.mark.parametrize("entry", ["''", "' '", "[a.mp4, '']"])
def test_an_empty_entry_is_refused_and_not_read_as_the_whole_workspace(tmp_path, entry):
    (tmp_path / "params.yaml").write_text(f"corpus: {{videos: [{entry.strip('[]')}]}}\n")
    with pytest.raises(GimError, match=r"params\.yaml: corpus\.videos: .*an entry is empty"):
        read_params(tmp_path, {"corpus": "gim_data.video.config:CorpusConfig"})


def test_lists_in_gims_own_format(tmp_path):
    touch(tmp_path, "lists/near.mp4")
    lines = "\ufeff# walks\n\nOd-rKbC30TM\n  near.mp4  # beside the list\nhttps://host/a.mp4#sha256=00\nmore.txt\n"
    (tmp_path / "lists" / "videos.txt").write_text(lines)
    (tmp_path / "lists" / "more.txt").write_text("videos.txt\nabcdefghijk\n")
    found = kinds(tmp_path, "lists/videos.txt")
    assert [k for k, _ in found] == ["site", "file", "http", "missing", "site"]
    assert "includes itself" in resolve(CorpusConfig(videos="lists/videos.txt"), tmp_path)[3].problem


def test_what_is_listed_twice_is_one_video(tmp_path):
    touch(tmp_path, "v/a.mp4")
    (tmp_path / "videos.txt").write_text("v/a.mp4\nhttps://youtu.be/Od-rKbC30TM\n")
    found = kinds(
        tmp_path,
        "v/a.mp4",
        "v",
        "./v/*.mp4",
        "videos.txt",
        "Od-rKbC30TM",
        "https://www.youtube.com/watch?v=Od-rKbC30TM&t=9",
    )
    assert found == [("file", "v/a.mp4"), ("site", "https://youtu.be/Od-rKbC30TM")]


def test_keys_say_which_video_it_is(tmp_path):
    touch(tmp_path, "boof_aztec/clip.mp4", "gopro/Clip 01.mp4", "s/kitti07/images/0.jpg", "s/kitti07/images/1.jpg")
    keys = video_keys({"corpus": CorpusConfig(videos=[".", "synthetic:room?seed=7", "Od-rKbC30TM"])}, tmp_path)
    patterns = ["boof-aztec", "gopro", "kitti07", "synthetic-room-7", "od-rkbc30tm"]
    assert all(re.fullmatch(f"{p}-[0-9a-f]{{6}}", k) for p, k in zip(patterns, keys, strict=True)), keys


@settings(deadline=None)
@example(["~0"])
@given(st.lists(st.text(min_size=1).filter(str.strip), max_size=4))
def test_names_from_outside_never_become_paths(tmp_path_factory, specs):
    root = tmp_path_factory.getbasetemp() / "nothing-here"
    keys = video_keys({"corpus": CorpusConfig(videos=[*specs, "../../etc/x.mp4", "a/../b c.mp4"])}, root)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key) and len(key) <= 47 for key in keys)
    assert len(set(keys)) == len(keys)


def test_no_video_means_the_built_in_ones_and_one_may_stand_alone():
    assert CorpusConfig().videos == CorpusConfig(videos=None).videos == CorpusConfig(videos=[]).videos == BUILT_IN
    assert CorpusConfig(videos="a.mp4").videos == ("a.mp4",)
    assert CorpusConfig(videos=[12345678901]).videos == ("12345678901",)
    with pytest.raises(ValidationError):
        CorpusConfig(videos=[{"a": 1}])
    with pytest.raises(ValidationError):
        CorpusConfig(video=["a.mp4"])


def test_what_lies_outside_changes_with_the_content_and_nothing_else(tmp_path):
    touch(tmp_path, "a.mp4", "s/0.jpg", "s/1.jpg")
    params = {"corpus": CorpusConfig(videos=["a.mp4", "s", "nix.mp4"]), "acquire": AcquireConfig()}
    before = [outside(key, params, tmp_path) for key in video_keys(params, tmp_path)]
    assert json.loads(json.dumps(before)) == before
    assert before == [outside(key, params, tmp_path) for key in video_keys(params, tmp_path)]
    (tmp_path / "a.mp4").write_bytes(b"other")
    (tmp_path / "s" / "2.jpg").write_bytes(b"more")
    after = [outside(key, params, tmp_path) for key in video_keys(params, tmp_path)]
    assert [a == b for a, b in zip(after, before, strict=True)] == [False, False, True]


def test_images_are_in_natural_order_and_timed_by_what_lies_beside(tmp_path):
    touch(tmp_path, *[f"s/images/f{i}.png" for i in (10, 9, 1)])
    assert [p.name for p in image_files(tmp_path / "s" / "images")] == ["f1.png", "f9.png", "f10.png"]
    assert sequence_fps(tmp_path / "s" / "images", AcquireConfig(sequence_fps=7)) == 7
    (tmp_path / "s" / "frames.json").write_text('{"fps": 24}')
    assert sequence_fps(tmp_path / "s" / "images", AcquireConfig(sequence_fps=7)) == 24
    (tmp_path / "s" / "frames.json").write_text('{"fps": "fast"')
    assert sequence_fps(tmp_path / "s" / "images", AcquireConfig(sequence_fps=7)) == 7


def test_a_folder_of_videos_with_thumbnails_is_no_image_sequence(tmp_path):
    touch(tmp_path, "v/a.mp4", "v/a.jpg", "v/b.jpg")
    cv2.imwrite(str(tmp_path / "v" / "a.jpg"), clips.pan(1, 1)[0])
    assert kinds(tmp_path, "v") == [("file", "v/a.mp4")]
