"""Archives from outside: nothing leaves the folder, nothing is half-written, nothing is overwritten."""

import stat
import zipfile
from pathlib import Path

import pytest

from gim_data.bench.unpack import unpack
from gim_data.errors import BadInput
from gim_data.stage import Silent

FILES = {"gl3d/a_0.png": b"image" * 1000, "gl3d/a_0_1.txt": b"0 1", "kitti/b-0.png": b"other"}


class Interrupted(Silent):
    """Stops after some files, as a kill would."""

    def __init__(self, after: int) -> None:
        self.left = after

    def advance(self, n: float = 1, note: str = "") -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write(tmp_path / "zeb.zip", FILES)


def write(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as sink:
        sink.mkdir("gl3d")
        for name, content in files.items():
            sink.writestr(name, content)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_files_arrive_as_they_were(archive: Path, tmp_path: Path):
    done = unpack([archive], tmp_path / "out", Silent())
    assert (done.written, done.kept) == (3, 0)
    assert tree(tmp_path / "out") == FILES


def test_an_interrupted_call_is_completed_by_the_next(archive: Path, tmp_path: Path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        unpack([archive], out, Interrupted(after=2))
    assert len(tree(out)) == 2
    done = unpack([archive], out, Silent())
    assert (done.written, done.kept) == (1, 2)
    assert tree(out) == FILES


def test_archives_are_judged_before_anything_is_written(archive: Path, tmp_path: Path):
    bad = write(tmp_path / "bad.zip", {"../escaped": b"x"})
    with pytest.raises(BadInput, match="leaves the folder"):
        unpack([archive, bad], tmp_path / "out", Silent())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../evil", "leaves the folder"),
        ("gl3d/../../evil", "leaves the folder"),
        ("gl3d\\..\\evil", "leaves the folder"),
        ("/etc/cron.d/evil", "is absolute"),
        ("\\\\host\\share", "is absolute"),
        ("C:\\evil", "is absolute"),
        ("c:evil", "is absolute"),
        (".", "has no usable name"),
        ("gl3d/new\nline", "has no usable name"),
    ],
)
def test_members_that_could_reach_outside_are_refused(tmp_path: Path, name: str, reason: str):
    bad = write(tmp_path / "bad.zip", {"good": b"1", name: b"2"})
    with pytest.raises(BadInput, match=rf"bad\.zip: member .* {reason}"):
        unpack([bad], tmp_path / "out", Silent())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.zip"]


def test_a_name_with_a_zero_byte_is_judged_as_it_is_written(tmp_path: Path):
    """zipfile cuts names at the first zero byte; what the archive really says is refused."""
    bad = write(tmp_path / "bad.zip", {"gl3d/a.pngX": b"2"})
    bad.write_bytes(bad.read_bytes().replace(b"a.pngX", b"a.png\0"))
    with pytest.raises(BadInput, match=r"bad\.zip"):
        unpack([bad], tmp_path / "out", Silent())


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int):
    member = zipfile.ZipInfo("gl3d/link")
    member.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as sink:
        sink.writestr(member, "/etc/passwd")
    with pytest.raises(BadInput, match="is a link or a special file"):
        unpack([tmp_path / "bad.zip"], tmp_path / "out", Silent())


def test_a_link_on_the_disk_leads_nowhere(archive: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "gl3d").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match=r"would go to .*elsewhere"):
        unpack([archive], tmp_path / "out", Silent())
    assert tree(tmp_path / "elsewhere") == {}


def test_a_file_with_other_bytes_is_not_overwritten(archive: Path, tmp_path: Path):
    mine = tmp_path / "out" / "gl3d" / "a_0.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine!" * 1000)
    with pytest.raises(BadInput, match=r"a_0\.png is not what"):
        unpack([archive], tmp_path / "out", Silent())
    assert mine.read_bytes() == b"mine!" * 1000


def test_two_members_never_become_one_file(archive: Path, tmp_path: Path):
    other = write(tmp_path / "other.zip", {"GL3D/A_0.png": b"x"})
    with pytest.raises(BadInput, match=r"already in .*zeb\.zip"):
        unpack([archive, other], tmp_path / "out", Silent())


@pytest.mark.parametrize("names", [("kitti", "kitti/a.txt"), ("a/b/c.txt", "a/b"), ("KITTI", "kitti/a.txt")])
def test_a_member_that_is_a_file_and_a_folder_is_refused_before_anything_is_written(
    tmp_path: Path, names: tuple[str, str]
):
    one = write(tmp_path / "one.zip", {"first": b"0", **dict.fromkeys(names, b"1")})
    two = [write(tmp_path / f"{i}.zip", {name: b"1"}) for i, name in enumerate(names)]
    for archives in ([one], two):
        with pytest.raises(BadInput, match="lies in what is a file in"):
            unpack(archives, tmp_path / "out", Silent())
        assert not (tmp_path / "out").exists()


def test_a_file_on_the_disk_where_a_folder_must_be_is_named(archive: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "gl3d").write_bytes(b"mine")
    with pytest.raises(BadInput, match=r"gl3d is a file, but a folder in .*zeb\.zip"):
        unpack([archive], tmp_path / "out", Silent())
    assert tree(tmp_path / "out") == {"gl3d": b"mine"}


def test_damaged_bytes_leave_no_file(tmp_path: Path):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as sink:
        sink.writestr("gl3d/a.txt", b"what was written")
    path.write_bytes(path.read_bytes().replace(b"what was written", b"what was smitten"))
    with pytest.raises(BadInput, match=r"member 'gl3d/a\.txt' is damaged"):
        unpack([path], tmp_path / "out", Silent())
    assert tree(tmp_path / "out") == {}


def test_what_is_no_archive_is_named(tmp_path: Path):
    (tmp_path / "x.zip").write_bytes(b"<html>sign in</html>")
    with pytest.raises(BadInput, match=r"x\.zip is no zip archive"):
        unpack([tmp_path / "x.zip"], tmp_path / "out", Silent())
