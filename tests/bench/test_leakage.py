"""Perceptual hashes: a re-encoded frame is found, another picture is not, and all are compared with all."""

import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from gim_data.bench.albums import workspace_albums
from gim_data.bench.leakage import BITS, NEAR, WORDS, distances, find_twins, perceptual_hash, stack_hashes
from gim_data.bench.leaks import cache_folder, find_leaks, image_files
from gim_data.errors import GimError
from gim_data.files import write_json
from gim_data.stage import Silent
from gim_data.synthetic.render import open_world
from gim_data.synthetic.truth import write_truth
from gim_data.types import Image
from gim_data.video.framestore import StoredFrame, write_frames
from orchestration.soundness import nothing_leaked


@lru_cache(maxsize=1)
def pictures() -> tuple[Image, ...]:
    """Twelve pictures with the spectrum of photographs: noise at every scale, the coarse the strongest."""
    return tuple(_picture(seed) for seed in range(12))


def _picture(seed: int) -> Image:
    rng = np.random.default_rng(seed)
    total = np.zeros((180, 240, 3))
    for cells in (3, 6, 12, 24, 48):
        noise = rng.uniform(-1, 1, (cells, cells, 3))
        total += cv2.resize(noise, (240, 180), interpolation=cv2.INTER_CUBIC) / cells**0.8
    return np.asarray(np.clip(128 + 110 * total / np.abs(total).max(), 0, 255), np.uint8)


def coded(suffix: str, flag: int, quality: int) -> Callable[[Image], Image]:
    def code(image: Image) -> Image:
        data = cv2.imencode(suffix, image, [flag, quality])[1]
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    return code


def resized(width: int, height: int) -> Callable[[Image], Image]:
    return lambda image: np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


CHANGES: dict[str, Callable[[Image], Image]] = {
    "jpeg 95": coded(".jpg", cv2.IMWRITE_JPEG_QUALITY, 95),
    "jpeg 20": coded(".jpg", cv2.IMWRITE_JPEG_QUALITY, 20),
    "webp 10": coded(".webp", cv2.IMWRITE_WEBP_QUALITY, 10),
    "a third": resized(80, 60),
    "larger": resized(640, 480),
    "other aspect": resized(300, 160),
    "small and coarse": lambda image: coded(".jpg", cv2.IMWRITE_JPEG_QUALITY, 40)(resized(96, 72)(image)),
    "brighter": lambda image: np.clip(image * 0.8 + 40, 0, 255).astype(np.uint8),
    "gamma": lambda image: (255 * (image / 255.0) ** 0.75).astype(np.uint8),
    "grey": lambda image: cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB),
}


def hashes(images: tuple[Image, ...]) -> np.ndarray:
    return stack_hashes([perceptual_hash(image) for image in images])[0]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_same_picture_in_other_clothes_is_found(change: Callable[[Image], Image]):
    changed = tuple(change(image) for image in pictures())
    twins = find_twins(hashes(pictures()), hashes(changed))
    assert [(twin.training, twin.benchmark) for twin in twins] == [(i, i) for i in range(len(changed))]


def test_unrelated_pictures_raise_no_alarm():
    between = distances(hashes(pictures()), hashes(pictures()))
    assert between[~np.eye(len(between), dtype=bool)].min() > NEAR
    assert find_twins(hashes(pictures()[:6]), hashes(pictures()[6:])) == []


def test_half_of_the_bits_are_set_whatever_the_brightness():
    bits = np.bitwise_count(hashes(pictures())).sum(axis=1)
    np.testing.assert_array_equal(bits, BITS // 2)


def test_distances_are_counts_of_differing_bits():
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 2**64, (n, WORDS), np.uint64) for n in (5, 7))
    literal = [[sum(f"{int(x) ^ int(y):b}".count("1") for x, y in zip(p, q, strict=True)) for q in b] for p in a]
    assert distances(a, b).tolist() == literal


def test_a_picture_of_one_colour_says_nothing():
    plain = np.full((50, 80, 3), 7, np.uint8)
    assert perceptual_hash(plain) is None
    found, rows = stack_hashes([None, perceptual_hash(pictures()[0]), None])
    assert found.shape == (1, WORDS)
    assert rows.tolist() == [1]
    assert stack_hashes([])[0].shape == (0, WORDS)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A workspace's data: two videos of four frames, a benchmark of two other images."""
    (tmp_path / "params.yaml").write_text("study: {}\n")
    tmp_path = tmp_path / "data"
    for name, chosen in (("street", pictures()[:4]), ("yard", pictures()[4:8])):
        (tmp_path / "frames" / name).mkdir(parents=True)
        frames = [StoredFrame(0.5 * i, 0, image) for i, image in enumerate(chosen)]
        write_frames(tmp_path / "frames" / name, frames, source_size=(240, 180))
    (tmp_path / "frames" / "skipped").mkdir()
    for name, image in (("a-0", pictures()[8]), ("a-1", pictures()[9])):
        path = tmp_path / "bench" / "all" / "a" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    (tmp_path / "scaling_curve" / "all").mkdir(parents=True)
    return tmp_path


def test_a_clean_workspace_passes_and_says_what_it_looked_at(data: Path):
    finding = nothing_leaked(data / "scaling_curve" / "all")
    assert finding.problem == ""
    assert dict(finding.numbers) == {"pictures": 8, "images": 2, "leaks": 0}


def test_a_planted_frame_is_named_with_video_and_time(data: Path):
    small = CHANGES["small and coarse"](cv2.cvtColor(pictures()[6], cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(data / "bench" / "all" / "a" / "a-2.png"), small)
    finding = nothing_leaked(data / "scaling_curve" / "all")
    assert finding.numbers["leaks"] == 1
    assert "a-2.png is yard, frame 2 at 1.00 s" in finding.problem


def test_any_folder_of_images_can_be_looked_for(data: Path, tmp_path: Path):
    folder = tmp_path / "elsewhere" / "deep"
    folder.mkdir(parents=True)
    with pytest.raises(GimError, match="holds no image"):
        image_files(folder)
    cv2.imwrite(str(folder / "x.jpg"), cv2.cvtColor(pictures()[1], cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(folder / "y.png"), np.zeros((40, 40, 3), np.uint8))
    report = find_leaks(workspace_albums(data), image_files(tmp_path / "elsewhere"), Silent())
    assert (report.images, report.unseen) == (2, 1)
    (leak,) = report.leaks
    assert (leak.image.name, leak.source, leak.frame) == ("x.jpg", "street", 1)


def fill(folder: Path, images: tuple[Image, ...], content: str) -> None:
    """A store as the ledger knows it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_frames(folder, [StoredFrame(0.5 * i, 0, image) for i, image in enumerate(images)], source_size=(240, 180))
    write_json(folder / "ledger.json", {"content": content})


def test_frames_are_hashed_once_for_each_content(data: Path):
    """A store that changed behind the ledger's back is not read again; one whose content is another is."""
    yard, check = data / "frames" / "yard", data / "scaling_curve" / "all"
    fill(yard, pictures()[4:6], "first")
    assert nothing_leaked(check).problem == ""
    fill(yard, pictures()[8:10], "first")
    assert nothing_leaked(check).problem == ""
    fill(yard, pictures()[8:10], "second")
    assert nothing_leaked(check).numbers["leaks"] == 2
    assert nothing_leaked(check).numbers["leaks"] == 2
    (kept,) = cache_folder(data).glob("*.npz")
    kept.write_bytes(b"damaged")
    assert nothing_leaked(check).numbers["leaks"] == 2


def test_frames_of_worlds_are_training_pictures(data: Path):
    view = open_world("room?seed=3&width=160&height=128").render(1.0)
    (data / "worlds" / "room").mkdir(parents=True)
    write_truth(data / "worlds" / "room", [view, view], pairs=pd.DataFrame(columns=["frame0", "frame1", "overlap"]))
    cv2.imwrite(str(data / "bench" / "all" / "a" / "a-2.png"), cv2.cvtColor(view.image, cv2.COLOR_RGB2BGR))
    finding = nothing_leaked(data / "scaling_curve" / "all")
    assert finding.numbers == {"pictures": 10, "images": 3, "leaks": 1}
    assert "a-2.png is world room, frame 0" in finding.problem


@pytest.mark.parametrize("layout", ["megadepth", "scannet"])
def test_images_of_the_posed_data_that_students_learn_from_are_training_pictures(data: Path, layout: str):
    """Depth is not read: the picture alone tells, and a picture that is not on this disk is not trained on."""
    root = data.parent / "posed"
    files = plant_posed(root, layout, pictures()[8:11])
    files[2].unlink()
    check = data / "scaling_curve" / "all"
    assert nothing_leaked(check).problem == ""
    (data.parent / "params.yaml").write_text("study: {students: [{posed: [posed]}]}\n")
    finding = nothing_leaked(check)
    assert finding.numbers == {"pictures": 10, "images": 2, "leaks": 2}
    assert f"a-0.png is {files[0]}" in finding.problem
    files[0].unlink()
    assert nothing_leaked(check).numbers["leaks"] == 1  # another content, hashed anew
    (data.parent / "params.yaml").write_text("study: {students: [{posed: [elsewhere]}]}\n")
    with pytest.raises(GimError, match="elsewhere holds neither MegaDepth nor ScanNet"):
        nothing_leaked(check)


def plant_posed(root: Path, layout: str, images: tuple[Image, ...]) -> list[Path]:
    """The parts of a posed data set that name its images."""
    pairs = [(0, 1), (1, 2)]
    if layout == "megadepth":
        files = [root / "images" / f"{i}.jpg" for i in range(len(images))]
        index = root / "index" / "scene_info_0.1_0.7" / "0001_0.5_0.7.npz"
        infos = np.empty(2, object)
        infos[:] = [[np.array(pair), 0.5, np.zeros((1, 4))] for pair in pairs]
        paths = np.array([str(path.relative_to(root)) for path in files], object)
        none = np.empty(len(images), object)
        fields = {"image_paths": paths, "depth_paths": none, "intrinsics": none, "poses": none, "pair_infos": infos}
    else:
        scan = root / "train" / "scene0000_00"
        files = [scan / "color" / f"{i}.jpg" for i in range(len(images))]
        (scan / "pose").mkdir(parents=True)
        for i in range(len(images)):
            np.savetxt(scan / "pose" / f"{i}.txt", np.eye(4))
        index = root / "index" / "scene_data" / "train" / "scene0000_00.npz"
        fields = {"name": np.array([[0, 0, *pair] for pair in pairs]), "score": np.array([0.5, 0.5])}
    index.parent.mkdir(parents=True)
    np.savez(index, **fields)
    for path, image in zip(files, images, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return files
