"""Point clouds from every format, and what is said of those that are none."""

import numpy as np
import pytest
import trimesh
from planted_clouds import sweep

from gim_data.errors import BadInput
from gim_models.downstream.bev.clouds import read_cloud

HEADER = "# .PCD v0.7\nVERSION 0.7\nFIELDS {fields}\nSIZE {sizes}\nTYPE {types}\nCOUNT {counts}\nWIDTH {n}\nHEIGHT 1\n"
HEADER += "VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {n}\nDATA {data}\n"


def pcd(path, body, n, *, data, fields="x y z", sizes="4 4 4", types="F F F", counts="1 1 1"):
    header = HEADER.format(fields=fields, sizes=sizes, types=types, counts=counts, n=n, data=data)
    path.write_bytes(header.encode() + body)
    return path


@pytest.mark.parametrize("columns", [3, 4, 5, 6])
def test_the_width_of_a_bin_file_is_found_out(tmp_path, columns):
    rows = sweep(columns)
    path = tmp_path / "scan.bin"
    path.write_bytes(rows.tobytes())
    np.testing.assert_array_equal(read_cloud(path).points, rows[:, :3])


def test_a_shuffled_bin_file_does_not_tell_its_width(tmp_path):
    path = tmp_path / "scan.bin"
    rows = np.random.default_rng(0).permutation(sweep(4))
    path.write_bytes(rows.tobytes())
    with pytest.raises(BadInput, match="--columns"):
        read_cloud(path)
    np.testing.assert_array_equal(read_cloud(path, columns=4).points, rows[:, :3])


def test_a_wrong_width_is_refused(tmp_path):
    path = tmp_path / "scan.bin"
    path.write_bytes(sweep(4, 1001).tobytes())
    with pytest.raises(BadInput, match="no rows of 3"):
        read_cloud(path, columns=3)


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_ply(tmp_path, encoding):
    points = sweep(3)
    path = tmp_path / "scan.ply"
    path.write_bytes(trimesh.exchange.ply.export_ply(trimesh.PointCloud(points), encoding=encoding))
    np.testing.assert_allclose(read_cloud(path).points, points, atol=1e-5)


def test_pcd_ascii_with_other_fields(tmp_path):
    rows = sweep(5)
    body = "\n".join(" ".join(f"{v:.6f}" for v in (r[3], *r[:3], r[4])) for r in rows).encode()
    path = pcd(
        tmp_path / "scan.pcd", body, len(rows), data="ascii",
        fields="intensity x y z ring", sizes="4 4 4 4 4", types="F F F F F", counts="1 1 1 1 1",
    )  # fmt: skip
    np.testing.assert_allclose(read_cloud(path).points, rows[:, :3], atol=1e-5)


def test_pcd_binary_with_padding_and_mixed_types(tmp_path):
    rows = sweep(3)
    layout = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("pad", "u1", (4,)), ("t", "<f8"), ("ring", "<u2")])
    table = np.zeros(len(rows), layout)
    for i, axis in enumerate("xyz"):
        table[axis] = rows[:, i]
    path = pcd(
        tmp_path / "scan.pcd", table.tobytes(), len(rows), data="binary",
        fields="x y z _ t ring", sizes="4 4 4 1 8 2", types="F F F U F U", counts="1 1 1 4 1 1",
    )  # fmt: skip
    np.testing.assert_array_equal(read_cloud(path).points, rows)


def test_rows_without_a_return_are_left_out_and_counted(tmp_path):
    rows = sweep(3, 900)
    rows[::3] = np.nan
    cloud = read_cloud(pcd(tmp_path / "scan.pcd", rows.tobytes(), len(rows), data="binary"))
    assert (len(cloud), cloud.left_out) == (600, 300)
    assert np.isfinite(cloud.points).all()


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (np.zeros((0, 4)), "is empty"),
        (np.ones((1, 4)), r"holds 1 point\(s\)"),
        (np.full((500, 4), np.nan), "500 of 500 points are NaN"),
        (np.where(np.arange(500)[:, None] % 3, np.inf, np.ones((500, 4))), "333 of 500 points are NaN or infinite"),
        (np.full((500, 4), 4.5e6), "no distance in metres"),
    ],
)
def test_clouds_that_are_none(tmp_path, rows, problem):
    path = tmp_path / "scan.bin"
    path.write_bytes(rows.astype(np.float32).tobytes())
    with pytest.raises(BadInput, match=problem) as caught:
        read_cloud(path, columns=4)
    assert "scan.bin" in caught.value.problem


@pytest.mark.parametrize("intensity", [np.nan, 0.5])
def test_a_scan_without_any_return_is_not_blamed_on_its_columns(tmp_path, intensity):
    """Its width cannot be found out either, but knowing it would not help."""
    path = tmp_path / "scan.bin"
    path.write_bytes(np.tile([np.nan, np.nan, np.nan, intensity], (500, 1)).astype(np.float32).tobytes())
    with pytest.raises(BadInput, match="holds no finite point") as caught:
        read_cloud(path)
    assert "--columns" not in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("cut.bin", b"\0\0\0\0\0", "no float32"),
        ("odd.bin", b"\0\0\0\0" * 11, "no rows of 3 to 8"),
        ("noise.ply", b"ply\nnot really", "no readable PLY"),
        ("noise.pcd", b"\x00\x01\x02" * 50, "no PCD header"),
        ("short.pcd", b"FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nPOINTS 9\nDATA binary\nabc", "3 bytes"),
        ("less.pcd", b"FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 9\nDATA ascii\n1 2 3\n", "1 of 9 points"),
        ("ragged.pcd", b"FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 2\nDATA ascii\n1 2 3\n4 5\n", "3 numbers"),
        ("flat.pcd", b"FIELDS x y\nSIZE 4 4\nTYPE F F\nPOINTS 9\nDATA binary\n", "without x, y, z"),
        ("lzf.pcd", b"FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 9\nDATA binary_compressed\n", "binary_compressed"),
        ("worse.pcd", b"FIELDS x y z\nSIZE 4 4\nTYPE F F F\nPOINTS 9\nDATA binary\n", "damaged PCD header"),
        ("scan.las", b"LASF", ".las is unknown"),
    ],
)
def test_damaged_files(tmp_path, name, data, problem):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadInput, match=problem) as caught:
        read_cloud(path)
    assert name in caught.value.problem


def test_a_missing_file(tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        read_cloud(tmp_path / "no.bin")
