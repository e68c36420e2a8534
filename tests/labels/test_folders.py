"""Folders of label files: found, counted, and checked against their record, the schema and the frames."""

import json

import numpy as np
import pytest

from gim_data.errors import GimError
from gim_data.labels.folders import STAGES, inspection, label_folders, problems, summary, workspace_folders
from gim_data.labels.manifest import write_manifest
from gim_data.labels.store import LabelMeta, write_labels
from gim_data.ledger import Entry, Ledger
from gim_data.types import PairLabel
from gim_data.video.framestore import StoredFrame, write_frames

SIZE = (64, 48)


def label(frame0, frame1, n=20):
    points = (np.arange(2 * n).reshape(n, 2) % 40).astype(np.float32)
    ones = np.ones(n, np.uint8)
    return PairLabel(frame0, frame1, points, points + 1, np.full(n, 0.5, np.float32), ones * 2, ones, 0.7)


def commit(root, stage, video, labels):
    ledger = Ledger(root)
    out, _ = ledger.begin(stage, video, "digest")
    write_labels(out / "pairs.parquet", labels, LabelMeta(SIZE, "propagated"))
    ledger.commit(stage, video, out, Entry("digest", "", {}))
    return ledger.folder(stage, video)


def add_frames(root, video, count):
    folder = root / "data" / "frames" / video
    folder.mkdir(parents=True)
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    write_frames(folder, [StoredFrame(i / 3, 0, image) for i in range(count)], source_size=SIZE)


@pytest.fixture
def workspace(tmp_path):
    add_frames(tmp_path, "walk", 5)
    commit(tmp_path, "matches", "walk", [label(0, 1), label(1, 2, 0)])
    commit(tmp_path, "tracks", "walk", [label(0, 4)])
    return tmp_path


def test_units_of_a_workspace_are_found_and_whole(workspace):
    folders = workspace_folders(workspace)
    assert [(each.stage, each.video) for each in folders] == [(stage, "walk") for stage in STAGES]
    assert label_folders(workspace) == folders
    assert [each.path for each in label_folders(workspace / "data" / "tracks")] == [folders[1].path]
    assert label_folders(folders[1].path)[0].video == "walk"
    assert [problems(each) for each in folders] == [[], []]


def test_a_file_is_counted(workspace):
    numbers = summary(workspace / "data" / "matches" / "walk" / "pairs.parquet")
    assert (numbers["pairs"], numbers["empty"], numbers["matches"]) == (2, 1, 20)
    assert numbers["bytes_per_match"] == pytest.approx(numbers["bytes"] / 20, abs=0.01)
    told = inspection(workspace / "data" / "tracks" / "walk" / "pairs.parquet")
    assert told["endings"] == {"ok": 1}
    assert told["hops"] == "2 (2 to 2)"
    assert told["frames apart"].startswith("4 ")


def test_bytes_that_changed_are_told(workspace):
    folder = workspace_folders(workspace)[1]
    path = folder.path / "pairs.parquet"
    write_labels(path, [label(0, 3)], LabelMeta(SIZE, "propagated"))
    (problem,) = problems(folder)
    assert "holds other bytes than its ledger.json says" in problem
    path.write_bytes(path.read_bytes()[:50])
    assert any("is not a label file" in each for each in problems(folder))


def test_frames_that_the_video_does_not_have_are_told(workspace):
    commit(workspace, "tracks", "walk", [label(0, 5)])
    assert problems(workspace_folders(workspace)[1]) == [
        f"{workspace}/data/tracks/walk/pairs.parquet names frame 5; the video has 5"
    ]


def test_pairs_go_forward(workspace):
    commit(workspace, "tracks", "walk", [label(3, 1)])
    assert any("forward" in each for each in problems(workspace_folders(workspace)[1]))


def seal(folder):
    write_labels(folder / "pairs.parquet", [label(0, 1)], LabelMeta(SIZE, "propagated"))
    write_manifest(folder, video="walk", size=SIZE, frames=[10, 20], sources=["a"], summary={})
    return label_folders(folder)[0]


def test_a_manifest_seals_its_files(tmp_path):
    folder = seal(tmp_path / "walk")
    assert problems(folder) == []
    write_labels(folder.path / "more.parquet", [label(0, 1)], LabelMeta(SIZE, "propagated"))
    assert problems(folder) == [f"{folder.path / 'more.parquet'} is not what the manifest lists"]
    (folder.path / "pairs.parquet").unlink()
    assert f"{folder.path / 'pairs.parquet'} is missing" in problems(folder)


def test_a_folder_without_a_record_was_not_finished(tmp_path):
    folder = seal(tmp_path / "walk")
    (folder.path / "manifest.json").unlink()
    assert any("not finished" in each for each in problems(folder))


def test_a_broken_record_is_told(tmp_path):
    folder = seal(tmp_path / "walk")
    path = folder.path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 9}))
    assert any("is not a manifest" in each for each in problems(folder))


def test_no_labels_no_folders(tmp_path):
    with pytest.raises(GimError, match="holds no label file"):
        label_folders(tmp_path)
