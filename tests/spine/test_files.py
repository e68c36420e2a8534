"""Files that are whole or absent, and digests that see content and nothing else."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gim_data.files import atomic, canonical, digest_of, fingerprint, read_json, sha256, tree_digest, write_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON))
def test_digest_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    assert digest_of(value) == digest_of(dict(reversed(value.items())))


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"loss": float("nan")})


def test_json_goes_round_and_bytes_repeat(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, "ä"]})
    write_json(tmp_path / "b.json", {"a": [1.5, "ä"], "b": 1})
    assert read_json(tmp_path / "a.json") == {"a": [1.5, "ä"], "b": 1}
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", [0, 5 << 20, (10 << 20) - 1])
def test_fingerprint_sees_head_middle_and_tail(tmp_path: Path, place: int) -> None:
    path = tmp_path / "film"
    path.write_bytes(bytes(10 << 20))
    before = fingerprint(path)
    os.utime(path, (1, 1))
    assert fingerprint(path) == before
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(b"x")
    assert fingerprint(path) != before


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_tree_digest_is_about_names_and_bytes(a: bytes, b: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sub").mkdir()
        (folder / "sub" / "x").write_bytes(a)
        before = tree_digest(folder)
        (folder / "ledger.json").write_text("not content")
        assert tree_digest(folder) == before
        (folder / "sub" / "x").write_bytes(b)
        assert (tree_digest(folder) == before) == (a == b)
        assert sha256(folder / "sub" / "x") == hashlib.sha256(b).hexdigest()
