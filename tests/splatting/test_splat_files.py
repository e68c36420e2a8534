"""Splats as a .ply file, and the flight as a video."""

import av
import numpy as np
import pytest
import torch
import trimesh
from planted_gaussians import blobs, camera_at, ring, scattered

from gim_data.errors import BadInput
from gim_data.stage import Silent
from gim_models.downstream.splatting.orbit import looked_at, orbit_poses, write_orbit
from gim_models.downstream.splatting.ply import read_ply, write_ply
from gim_models.downstream.splatting.render import render


def test_what_is_written_is_read_again(tmp_path):
    some = scattered(17)
    write_ply(tmp_path / "s.ply", some)
    again = read_ply(tmp_path / "s.ply")
    for name, values in some.tensors().items():
        torch.testing.assert_close(again.tensors()[name], values, rtol=0, atol=0)


def test_another_reader_finds_the_columns_that_viewers_look_for(tmp_path):
    some = scattered(5)
    write_ply(tmp_path / "s.ply", some)
    cloud = trimesh.load(tmp_path / "s.ply")
    np.testing.assert_allclose(cloud.vertices, some.means.numpy(), rtol=1e-6)
    raw = cloud.metadata["_ply_raw"]["vertex"]["data"]
    assert len(raw.dtype.names) == 62
    np.testing.assert_allclose(raw["opacity"].ravel(), some.logits.numpy())
    np.testing.assert_allclose(raw["rot_0"].ravel(), some.quaternions[:, 0].numpy())
    np.testing.assert_allclose(raw["scale_2"].ravel(), some.log_scales[:, 2].numpy())
    np.testing.assert_allclose(raw["f_dc_1"].ravel(), some.harmonics[:, 1].numpy())
    assert not raw["f_rest_44"].any()


def _cut(data):
    return data[:-7]


def _ascii(data):
    return data.replace(b"binary_little_endian", b"ascii")


def _points_only(data):
    return data.replace(b"property float opacity", b"property float opaqueness")


def _faces(data):
    return data.replace(b"element vertex 4\n", b"element vertex 4\nelement face 0\n")


def _nan(data):
    return data[:-4] + np.float32(np.nan).tobytes()


def _none(data):
    return data[: data.index(b"end_header\n") + 11].replace(b"vertex 4", b"vertex 0")


def _list(data):
    return data.replace(b"property float nx", b"property list uchar nx")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_cut, "cut short"),
        (_ascii, "no binary little-endian"),
        (_points_only, "opacity missing"),
        (_faces, "no binary little-endian"),
        (_nan, "not finite"),
        (_none, "empty or cut short"),
        (_list, "no binary little-endian"),
        (lambda _: b"", "no binary little-endian"),
    ],
)
def test_a_file_that_holds_no_splats_says_so(tmp_path, harm, told):
    path = tmp_path / "s.ply"
    write_ply(path, scattered(4))
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(BadInput, match=told):
        read_ply(path)
    with pytest.raises(BadInput, match="cannot be read"):
        read_ply(tmp_path / "elsewhere.ply")


def centres_of(poses):
    return -np.einsum("nji,nj->ni", poses[:, :3, :3], poses[:, :3, 3])


def test_cameras_on_a_ring_give_the_ring():
    poses = orbit_poses(ring(12, radius=3.0, height=0.0), np.zeros(3), 20)
    eyes = centres_of(poses)
    np.testing.assert_allclose(np.linalg.norm(eyes, axis=1), 3.0, rtol=1e-6)
    np.testing.assert_allclose(eyes[:, 1], 0, atol=1e-6)
    for pose in poses:
        ahead = pose @ [0, 0, 0, 1]  # the middle lies on the optical axis, ahead
        np.testing.assert_allclose(ahead[:3], [0, 0, 3.0], atol=1e-6)
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)


def test_cameras_on_a_line_with_parallel_axes_give_a_sweep_that_looks_at_the_points():
    line = np.stack([np.eye(4)] * 5)
    line[:, 0, 3] = -np.arange(5.0)
    poses = orbit_poses(line, np.array([2.0, 0, 6]), 16)
    eyes = centres_of(poses)
    np.testing.assert_allclose(eyes[:, 1:], 0, atol=1e-9)
    assert eyes[:, 0].min() >= -0.1
    assert eyes[:, 0].max() <= 4.1
    np.testing.assert_allclose(looked_at(line[:, :3, :3], centres_of(line), np.array([2.0, 0, 6])), [2, 0, 6])


def test_the_video_plays(tmp_path):
    cameras = [camera_at(pose, size=(41, 30)) for pose in ring(6)]
    write_orbit(tmp_path / "o.mp4", blobs(), cameras, np.zeros(3), render, torch.zeros(3), Silent(), frames=5)
    with av.open(str(tmp_path / "o.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 5
    assert frames[0].shape == (30, 40, 3)
    assert frames[0].max() > 100  # the balls are in view
