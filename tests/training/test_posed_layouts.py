"""MegaDepth and ScanNet, planted in their published layouts from a rendered world."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest
import torch

from gim_data.errors import GimError
from gim_data.posed.layouts import open_posed
from gim_data.posed.objects import read_objects
from gim_data.synthetic.render import open_world
from gim_models.training.config import Student, TrainConfig
from gim_models.training.sources import TruthSource, all_pairs
from gim_models.training.stages import posed_supply
from gim_models.training.supervision import Camera, transfer

SIZE = (160, 128)


@pytest.fixture(scope="module")
def views():
    world = open_world("room?seed=3&width=160&height=128")
    return [world.render(t) for t in (1.0, 1.5)]


def boxed(values) -> np.ndarray:
    """An array of objects, as the published indices have them."""
    array = np.empty(len(values), object)
    for n, value in enumerate(values):
        array[n] = value
    return array


def plant_megadepth(root, views):
    h5py = pytest.importorskip("h5py")
    (root / "images").mkdir(parents=True)
    (root / "depths").mkdir()
    half = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    for n, view in enumerate(views):
        cv2.imwrite(str(root / "images" / f"{n}.png"), view.image[..., ::-1])
        with h5py.File(root / "depths" / f"{n}.h5", "w") as file:
            file["depth"] = view.depth
    info = {
        "image_paths": boxed([f"images/{n}.png" for n in range(2)]),
        "depth_paths": boxed([f"depths/{n}.h5" for n in range(2)]),
        "intrinsics": boxed([view.K + half for view in views]),
        "poses": boxed([view.T_w2c for view in views]),
        "pair_infos": boxed([[np.array([0, 1]), 0.5, np.zeros((2, 4))]]),
    }
    folder = root / "index" / "scene_info_0.1_0.7"
    folder.mkdir(parents=True)
    np.savez(folder / "0001_0.5_0.7.npz", **info)
    return folder / "0001_0.5_0.7.npz"


def plant_scannet(root, views):
    scan = root / "train" / "scene0000_00"
    for name in ("color", "depth", "pose"):
        (scan / name).mkdir(parents=True)
    for n, view in enumerate(views):
        cv2.imwrite(str(scan / "color" / f"{10 * n}.jpg"), cv2.resize(view.image[..., ::-1], (320, 256)))
        cv2.imwrite(str(scan / "depth" / f"{10 * n}.png"), np.round(view.depth * 1000).astype(np.uint16))
        np.savetxt(scan / "pose" / f"{10 * n}.txt", np.linalg.inv(view.T_w2c))
    np.savetxt(scan / "pose" / "20.txt", np.full((4, 4), -np.inf))
    (root / "index" / "scene_data" / "train").mkdir(parents=True)
    names = np.array([[0, 0, 0, 10], [0, 0, 0, 20]])
    np.savez(root / "index" / "scene_data" / "train" / "scene0000_00.npz", name=names, score=np.array([0.5, 0.4]))
    np.savez(root / "index" / "intrinsics.npz", scene0000_00=views[0].K)


PLANT = {"megadepth": plant_megadepth, "scannet": plant_scannet}


@pytest.mark.parametrize("layout", PLANT)
def test_a_planted_scene_has_the_geometry_it_was_made_of(layout, views, tmp_path):
    """Points carried by what is read land where the renderer's own depth and poses put them."""
    PLANT[layout](tmp_path, views)
    (name, scene), *others = open_posed(tmp_path).items()
    assert not others
    assert name.startswith(layout)
    (i, j, overlap), *rest = scene.pairs.itertuples(index=False, name=None)
    assert not rest
    assert overlap == pytest.approx(0.5)
    points = torch.cartesian_prod(torch.arange(10.0, 150, 9), torch.arange(10.0, 120, 9))
    read, true = (carried(points, *sides) for sides in (of_scene(scene, i, j), of_views(views)))
    both = read.visible & true.visible
    assert both.float().mean() > 0.3
    assert (read.points - true.points)[both].norm(dim=1).max() < 0.2
    assert scene.image(i).shape == (128, 160, 3)
    assert np.abs(scene.image(i).astype(int) - views[0].image).mean() < 8


def of_scene(scene, i, j):
    return [(scene.depth(k), scene.intrinsics(k)) for k in (i, j)], scene.T_0to1(i, j)


def of_views(views):
    return [(view.depth, view.K) for view in views], views[1].T_w2c @ np.linalg.inv(views[0].T_w2c)


def carried(points, sides, T):
    cameras = [Camera(torch.from_numpy(depth), torch.from_numpy(K).float(), torch.eye(3)) for depth, K in sides]
    return transfer(points, *cameras, torch.from_numpy(T).float())


def test_training_draws_from_it_as_from_a_world(views, tmp_path):
    plant_scannet(tmp_path, views)
    scenes = open_posed(tmp_path)
    source = TruthSource(scenes, all_pairs(scenes), SIZE, (0.9, 1.1))
    sample = source.draw(np.random.default_rng(0))
    assert sample.geometry is not None
    assert sample.image0.shape == (128, 160, 3)
    supply = posed_supply(Student(name="s", posed=(str(tmp_path),)), TrainConfig(image_size=SIZE))
    assert len(supply.sources) == len(supply.weights) == 1


def test_a_folder_that_is_neither_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(GimError, match="neither") as caught:
        open_posed(tmp_path)
    assert caught.value.remedy


class Harmful:
    """What a file would do that names ``os.mkdir``."""

    def __init__(self, where):
        self.where = where

    def __reduce__(self):
        return os.mkdir, (str(self.where),)


def test_an_index_cannot_run_code(tmp_path):
    np.savez(tmp_path / "bad.npz", poses=boxed([Harmful(tmp_path / "made")]))
    with pytest.raises(GimError, match=r"bad\.npz.*mkdir"):
        read_objects(tmp_path / "bad.npz")
    assert not (tmp_path / "made").exists()


def test_an_archive_is_read_as_numpy_reads_it(tmp_path):
    arrays = {
        "numbers": np.arange(12.0).reshape(3, 4),
        "turned": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "names": boxed(["a", None, "c"]),
        "nested": boxed([np.eye(3), [1, (2, 0.5)]]),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    found = read_objects(tmp_path / "a.npz")
    assert all(np.array_equal(found[name], arrays[name]) for name in ("numbers", "turned", "names"))
    assert np.array_equal(found["nested"][0], np.eye(3))
    assert found["nested"][1] == [1, (2, 0.5)]


def test_a_path_out_of_the_data_set_is_refused(views, tmp_path):
    index = plant_megadepth(tmp_path / "root", views)
    info = dict(read_objects(index))
    np.savez(index, **info | {"image_paths": boxed(["../../secret.png", "images/1.png"])})
    ((_, scene),) = open_posed(tmp_path / "root").items()
    with pytest.raises(GimError, match="outside"):
        scene.image(0)


def test_a_missing_depth_map_names_its_file(views, tmp_path):
    plant_scannet(tmp_path, views)
    (tmp_path / "train" / "scene0000_00" / "depth" / "0.png").unlink()
    ((_, scene),) = open_posed(tmp_path).items()
    with pytest.raises(GimError, match=r"depth/0\.png"):
        scene.depth(0)
