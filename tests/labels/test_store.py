"""Label files: what goes in comes out within a sixteenth of a pixel, and broken files say so."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gim_data.errors import GimError
from gim_data.labels.store import SCHEMA, LabelMeta, LabelStore, Note, quantised, read_labels, write_labels
from gim_data.types import PairLabel

SIZE = (640, 360)
META = LabelMeta(SIZE, "rootsift", 1 / 3)


def random_label(rng, n, size=SIZE, frame0=0, frame1=1):
    def points():
        return (rng.random((n, 2)) * size - 0.5).astype(np.float32)

    return PairLabel(
        frame0,
        frame1,
        points(),
        points(),
        rng.random(n).astype(np.float32),
        rng.integers(0, 9, n).astype(np.uint8),
        rng.integers(1, 3, n).astype(np.uint8),
        float(rng.random()),
    )


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(0, 40), min_size=0, max_size=20),
    size=st.sampled_from([SIZE, (1920, 1080), (7680, 4320)]),
    seed=st.integers(0, 99),
)
def test_round_trip_within_half_a_unit(tmp_path_factory, counts, size, seed):
    rng = np.random.default_rng(seed)
    labels = [random_label(rng, n, size, i, i + 1) for i, n in enumerate(counts)]
    path = tmp_path_factory.mktemp("labels") / "a.parquet"
    write_labels(path, labels, LabelMeta(size, "rootsift"))
    unit = 1 / 16 if max(size) < 4096 else 1 / 8
    back = read_labels(path)
    assert len(back) == len(labels)
    for old, new in zip(labels, back, strict=True):
        assert (old.frame0, old.frame1) == (new.frame0, new.frame1)
        assert np.abs(old.points0 - new.points0).max(initial=0) <= unit / 2 + 1e-4
        assert np.abs(old.points1 - new.points1).max(initial=0) <= unit / 2 + 1e-4
        assert np.abs(old.confidence - new.confidence).max(initial=0) <= 0.5 / 255 + 1e-6
        np.testing.assert_array_equal(old.hops, new.hops)
        np.testing.assert_array_equal(old.votes, new.votes)


def test_single_rows_equal_the_whole_and_the_index_counts(tmp_path):
    rng = np.random.default_rng(0)
    labels = [random_label(rng, n, frame0=n, frame1=n + 3) for n in (5, 0, 17, 3, 9, 0, 1, 2, 30, 4)]
    path = tmp_path / "a.parquet"
    write_labels(path, labels, META, [Note(100 + i, "ok") for i in range(10)])
    store = LabelStore.open(path)
    assert store.meta == META
    assert store.index["n"].tolist() == [5, 0, 17, 3, 9, 0, 1, 2, 30, 4]
    assert store.index["raw"].tolist() == list(range(100, 110))
    for row, whole in enumerate(store.labels()):
        np.testing.assert_array_equal(store.label(row).points1, whole.points1)


def test_equal_labels_give_equal_bytes_of_ten_per_match(tmp_path):
    labels = [random_label(np.random.default_rng(i), 500, frame0=i, frame1=i + 1) for i in range(20)]
    write_labels(tmp_path / "a.parquet", labels, META)
    write_labels(tmp_path / "b.parquet", labels, META)
    content = (tmp_path / "a.parquet").read_bytes()
    assert content == (tmp_path / "b.parquet").read_bytes()
    assert len(content) / (20 * 500) <= 10.5  # incompressible random numbers; real hops and votes take next to nothing


def test_equal_keypoints_stay_equal():
    points = np.array([[10.03, 20.04], [10.03, 20.04]], np.float32)
    stored = quantised(points, SIZE)
    np.testing.assert_array_equal(stored[0], stored[1])


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("points0", np.array([[np.nan, 1]], np.float32), "not finite"),
        ("points1", np.array([[700, 1]], np.float32), "outside"),
        ("confidence", np.array([np.nan], np.float32), "NaN"),
        ("overlap", float("nan"), "NaN"),
    ],
)
def test_poisoned_labels_are_not_written(tmp_path, field, value, text):
    label = random_label(np.random.default_rng(0), 1)
    object.__setattr__(label, field, value)
    with pytest.raises(GimError, match=text):
        write_labels(tmp_path / "a.parquet", [label], META)
    assert not (tmp_path / "a.parquet").exists()


def rewrite(path, change):
    table = pq.read_table(path)
    pq.write_table(change(table), path, row_group_size=8)


def set_scalar(name, value):
    def change(table):
        place = table.schema.get_field_index(name)
        return table.set_column(place, SCHEMA.field(name), pa.array([value] * table.num_rows, SCHEMA.field(name).type))

    return change


BAD_FILES = {
    "empty": (lambda p: p.write_bytes(b""), "not a label file"),
    "cut short": (lambda p: p.write_bytes(p.read_bytes()[:-40]), "not a label file"),
    "column missing": (lambda p: rewrite(p, lambda t: t.drop_columns(["votes"])), "votes"),
    "float coordinates": (
        lambda p: rewrite(p, lambda t: t.set_column(7, "x0", t["x0"].cast(pa.list_(pa.float32())))),
        "x0",
    ),
    "no header": (lambda p: rewrite(p, lambda t: t.replace_schema_metadata({})), "header"),
    "other version": (
        lambda p: rewrite(
            p,
            lambda t: t.replace_schema_metadata(
                {b"gim": t.schema.metadata[b"gim"].replace(b'"version": 1', b'"version": 9')}
            ),
        ),
        "version",
    ),
    "overlap NaN": (lambda p: rewrite(p, set_scalar("overlap", float("nan"))), "overlap"),
    "out of frame": (
        lambda p: rewrite(
            p,
            lambda t: t.set_column(
                7, SCHEMA.field("x0"), pa.array([[65535] * n for n in t["n"].to_pylist()], pa.list_(pa.uint16()))
            ),
        ),
        "outside",
    ),
}


def read_everything(path):
    store = LabelStore.open(path)
    return store.index, store.labels()


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_name_themselves_and_the_remedy(tmp_path, name):
    path = tmp_path / "rootsift-s0.333-p1.parquet"
    write_labels(path, [random_label(np.random.default_rng(0), 4)], META)
    spoil, text = BAD_FILES[name]
    spoil(path)
    with pytest.raises(GimError, match=text) as caught:
        read_everything(path)
    assert path.name in caught.value.problem
    assert "gim run matches" in caught.value.remedy


def test_missing_file(tmp_path):
    with pytest.raises(GimError, match=r"no\.parquet"):
        LabelStore.open(tmp_path / "no.parquet")
